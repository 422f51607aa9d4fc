"""Time zones: one database for everything, the ``tzdata`` package of the shared layer.

The system's database is of another version on each machine, and a library may bring one of its
own. So zones are read from the package's files, never from the system's, and all conversions of
local times (Transform, the simulated devices) take their offsets from here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import tzdata

__all__ = [
    "VERSION",
    "LocalPeriod",
    "local_periods",
    "similar_zone_name",
    "zone",
    "zone_names",
]

VERSION: str = tzdata.IANA_VERSION
"""Release of the IANA database, such as ``2026f``."""

NOT_ZONES = frozenset({"Factory", "CET", "EET", "MET", "WET"})
"""Names in the database that are not taken: ``Factory`` stands for a zone that has not been set,
and PostgreSQL takes the others for abbreviations of offsets without summer time."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400
MARGIN = 2 * DAY
"""Seconds on both sides of a year, so that all its local times are covered: no offset is larger
than 16 hours."""
STEP = 6 * DAY
"""Seconds in which a zone's clocks are set once at most: no two changes are closer."""
FIRST_INSTANT, LAST_INSTANT = -62_135_596_800 + MARGIN, 253_402_300_799 - MARGIN
"""Epoch seconds between which ``datetime`` can hold the local time of every zone."""


class LocalPeriod(NamedTuple):
    """Local times for which a zone's offset is the same, up to the start of the next period.

    Where clocks are set, the offsets before and after it differ. If ``before`` is the larger one,
    the period's local times came twice: once by each offset. If it is the smaller one, they never
    came.
    """

    start: int
    """Local time in seconds since 1970, as if it were UTC."""
    before: int
    """Seconds east of Greenwich by the clock before it is set; the same as ``after`` elsewhere."""
    after: int
    """Seconds east of Greenwich by the clock after it is set."""


@cache
def zone_names() -> frozenset[str]:
    """Names of all zones, in the database's own spelling."""
    names = files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(names) - NOT_ZONES


@cache
def zone(name: str) -> ZoneInfo:
    """The rules of a zone. Raises ``KeyError`` for a name that :func:`zone_names` lacks."""
    if name not in zone_names():
        raise KeyError(name)
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def similar_zone_name(name: str) -> str | None:
    """The zone that a wrong name probably means: the one in another case, or spelled alike."""
    lower = {known.lower(): known for known in sorted(zone_names())}
    bare = name.lower().removeprefix("posix/").removeprefix("right/")
    found = get_close_matches(bare, lower, n=1, cutoff=0.8)
    return lower[found[0]] if found else None


@cache
def local_periods(name: str, year: int) -> tuple[LocalPeriod, ...]:
    """The periods of a year's local times, in order; the first one starts with the year.

    Raises ``KeyError`` for an unknown zone.
    """
    start, end = (_year_start(each) for each in (year, year + 1))
    first, last = max(start - MARGIN, FIRST_INSTANT), min(end + MARGIN, LAST_INSTANT)
    changes = _changes(zone(name), first, last)
    periods = [LocalPeriod(start, changes[0][1], changes[0][1])]
    for (_, before), (instant, after) in pairwise(changes):
        from_, to = sorted((instant + before, instant + after))
        periods += [LocalPeriod(from_, before, after), LocalPeriod(to, after, after)]
    begun = max(place for place, period in enumerate(periods) if period.start <= start)
    within = [period for period in periods[begun + 1 :] if period.start < end]
    return (periods[begun]._replace(start=start), *within)


def _year_start(year: int) -> int:
    """Seconds; also of the year 10000, where ``datetime`` ends."""
    past = year - 1
    days = 365 * past + past // 4 - past // 100 + past // 400
    return (days + 1 - EPOCH.toordinal()) * DAY


def _changes(rules: ZoneInfo, start: int, end: int) -> list[tuple[int, int]]:
    """Epoch second and offset of the first second, and of each one with another offset.

    It looks at one second in :data:`STEP`.
    """
    found = [(start, _offset(rules, start))]
    for step in range(start, end, STEP):
        low, high = step, min(step + STEP, end)
        before, after = found[-1][1], _offset(rules, high)
        if before == after:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset(rules, middle) == before else (low, middle)
        found.append((high, after))
    return found


def _offset(rules: ZoneInfo, second: int) -> int:
    east = (EPOCH + timedelta(seconds=second)).astimezone(rules).utcoffset()
    assert east is not None  # noqa: S101 - a zone has an offset at every instant
    return int(east.total_seconds())
