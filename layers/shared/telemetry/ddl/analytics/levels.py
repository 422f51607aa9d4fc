"""Spans of time that rollups have a row for, and the names of what keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.contract.analytics import rolls_up
from telemetry.contract.model import Contract, Rollup
from telemetry.ddl.names import service_name

__all__ = ["DAILY", "HOURLY", "Level", "levels_of", "series_columns", "service_name"]

_HOUR = "date_bin('1 hour', {0}, TIMESTAMPTZ '2000-01-01 00:00:00+00')"


@dataclass(frozen=True)
class Level:
    """One span: hours and days of UTC, whatever the session's time zone is."""

    name: Rollup
    column: str
    """Names a span by its beginning."""
    type: str
    _of: str
    _start: str
    _end: str
    series: str
    """All spans from that of ``{0}`` to that of ``{1}``, both times."""
    number: str
    """Number of finer spans."""

    def of(self, time: str) -> str:
        """The span that contains a time."""
        return self._of.format(time)

    def start(self, span: str) -> str:
        """Its first moment."""
        return self._start.format(span)

    def end(self, span: str) -> str:
        """The moment after its last."""
        return self._end.format(span)


HOURLY = Level(
    name="hourly",
    column="hour",
    type="timestamp with time zone",
    _of=_HOUR,
    _start="{0}",
    _end="{0} + interval '1 hour'",
    series=f"generate_series({_HOUR}, {_HOUR.replace('{0}', '{1}')}, interval '1 hour')",
    number=(f"extract(epoch FROM {_HOUR.replace('{0}', '{1}')} - {_HOUR})::bigint / 3600 + 1"),
)
_DAY = "({0} AT TIME ZONE 'UTC')::date"
DAILY = Level(
    name="daily",
    column="day",
    type="date",
    _of=_DAY,
    _start="({0}::timestamp AT TIME ZONE 'UTC')",
    _end="(({0} + 1)::timestamp AT TIME ZONE 'UTC')",
    # Without a zone: a day of the session's own would have 23 or 25 hours now and then.
    series=(
        f"generate_series({_DAY}::timestamp, {_DAY.replace('{0}', '{1}')}::timestamp, "
        "interval '24 hours')::date"
    ),
    number=f"{_DAY.replace('{0}', '{1}')} - {_DAY} + 1",
)


def levels_of(contract: Contract) -> tuple[Level, ...]:
    """The contract's levels, the finest first; none where nothing is rolled up."""
    if not rolls_up(contract):
        return ()
    return tuple(level for level in (HOURLY, DAILY) if level.name in contract.analytics.rollups)


def series_columns(contract: Contract) -> tuple[str, ...]:
    """Columns of the key before the timestamp: their values name a series, mostly a device."""
    return contract.key[:-1]
