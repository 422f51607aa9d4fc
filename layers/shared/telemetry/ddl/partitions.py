"""Partitions of a month or a day: those to make, and those that retention drops. Pure.

Months and days are of UTC, and begin at midnight. What exists decides: a range that an existing
partition covers gets no other one, so that a table may have partitions of both lengths after its
contract has changed.
"""

# ruff: noqa: S608 - the statements are made of quoted names and literals

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from telemetry.contract.model import Contract
from telemetry.ddl.names import qualified, quote_name, quote_text

__all__ = [
    "ExistingPartition",
    "expired",
    "horizon",
    "other_partition",
    "partition_name",
    "plan_partitions",
    "qualified_partition",
]

MONTHS_AHEAD = 12
DAYS_AHEAD = 35
"""Months or days for which partitions are made before any row comes: maintenance may fail for as
long until rows of the present come into the partition of all other rows."""
DAYS_BACK = 7
"""Days before today for which partitions are made at once; rows of earlier ones get theirs at the
next maintenance."""


@dataclass(frozen=True)
class ExistingPartition:
    """A partition as the catalogue describes it."""

    name: str
    """Without its schema."""
    start: datetime | None = None
    """First moment, in UTC; ``None`` where it has no lower bound."""
    end: datetime | None = None
    """Moment after the last one, in UTC; ``None`` where it has no upper bound."""
    default: bool = False
    """True for the one that holds the rows of no other one."""

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """True if a row of that range would be in this partition, or both bounds are unknown."""
        if self.default:
            return False
        return (self.start is None or self.start < end) and (self.end is None or start < self.end)


def horizon(contract: Contract, now: datetime) -> datetime | None:
    """Moment before which rows leave the table; ``None`` where they never expire.

    It is the start of the month or day that has the oldest moment to be kept. ``now`` has a zone.
    """
    if contract.retention_days is None:
        return None
    oldest = (now - timedelta(days=contract.retention_days)).astimezone(UTC).date()
    return _midnight(_unit(contract, oldest))


def expired(
    contract: Contract, present: Iterable[ExistingPartition], now: datetime
) -> list[ExistingPartition]:
    """The partitions whose rows are all before the horizon, the oldest first."""
    end = horizon(contract, now)
    if end is None:
        return []
    old = [one for one in present if not one.default and one.end is not None and one.end <= end]
    return sorted(old, key=lambda one: (one.end or end, one.name))


def plan_partitions(
    contract: Contract, present: Iterable[ExistingPartition], strays: Iterable[date], now: datetime
) -> list[str]:
    """Statements that make the partitions that are missing; none where the table has no need.

    ``strays`` are days in months, or days, that ``<table>_other`` has rows of. Those rows are
    moved, unless they are before the horizon. All of it belongs into one transaction.
    """
    if contract.partition == "none":
        return []
    present = list(present)
    statements = []
    if not any(one.default for one in present):
        name = qualified_partition(contract, other_partition(contract))
        statements.append(f"CREATE TABLE {name} PARTITION OF {qualified(contract)} DEFAULT")
    first = horizon(contract, now)
    for start, end in _wanted(contract, strays, now):
        if first is None or start >= first:
            for missing in _missing(present, start, end):
                statements += _new_partition(contract, *missing)
    return statements


def other_partition(contract: Contract) -> str:
    """Name of the partition of all rows that have none of their own."""
    return f"{contract.table}_other"


def partition_name(contract: Contract, start: datetime, end: datetime) -> str:
    """Name of the partition of a month or a day."""
    year, month, day = start.date().isoformat().split("-")
    ending = f"_{day}" if end - start == timedelta(days=1) else ""
    return f"{contract.table}_{year}_{month}{ending}"


def _wanted(
    contract: Contract, strays: Iterable[date], now: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the ranges that are to have a partition, in order."""
    today = now.astimezone(UTC).date()
    if contract.partition == "day":
        last = today + timedelta(days=DAYS_AHEAD)
        days = [today + timedelta(days=n) for n in range(-DAYS_BACK, DAYS_AHEAD + 1)]
        # One for each day of a clock that is far ahead would be thousands of empty ones around it.
        days += [day for day in strays if day <= last]
    else:
        days = [_month(today, number) for number in range(-1, MONTHS_AHEAD + 1)]
        days += [_month(day, 0) for day in strays]
    for day in sorted(set(days)):
        yield _midnight(day), _midnight(_next(contract, day))


def _missing(
    present: list[ExistingPartition], start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield what of a range has no partition: all of it, or the days that are not covered."""
    if not any(one.overlaps(start, end) for one in present):
        yield start, end
        return
    day = start
    while day < end:
        after = day + timedelta(days=1)
        if not any(one.overlaps(day, after) for one in present):
            yield day, after
        day = after


def _new_partition(contract: Contract, first: datetime, after: datetime) -> list[str]:
    """Filled before it is attached: PostgreSQL refuses a partition whose rows lie in the default
    one, and whoever reads meanwhile waits for the lock and then sees every row once."""
    name = qualified_partition(contract, partition_name(contract, first, after))
    other = qualified_partition(contract, other_partition(contract))
    key = quote_name(contract.key[-1])
    start, end = (quote_text(f"{moment.date()} 00:00:00+00") for moment in (first, after))
    return [
        f"CREATE TABLE {name} "
        f"(LIKE {qualified(contract)} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"LOCK TABLE {other} IN ACCESS EXCLUSIVE MODE",
        f"WITH moved AS (DELETE FROM {other} WHERE {key} >= {start} AND {key} < {end} "
        f"RETURNING *) INSERT INTO {name} SELECT * FROM moved",
        f"ALTER TABLE {qualified(contract)} ATTACH PARTITION {name} FOR VALUES "
        f"FROM ({start}) TO ({end})",
    ]


def qualified_partition(contract: Contract, name: str) -> str:
    """Qualified and quoted name of a partition, of which only the name is known."""
    return f"{quote_name(contract.schema)}.{quote_name(name)}"


def _unit(contract: Contract, day: date) -> date:
    """First day of the range that a partition with that day has."""
    return day if contract.partition == "day" else _month(day, 0)


def _next(contract: Contract, day: date) -> date:
    return day + timedelta(days=1) if contract.partition == "day" else _month(day, 1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _month(day: date, number: int) -> date:
    """First day of the month that comes so many after that of ``day``."""
    months = day.year * 12 + day.month - 1 + number
    return date(months // 12, months % 12 + 1, 1)
