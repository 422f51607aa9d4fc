"""The life of the table's rows: its partitions, what retention dropped, and what it will drop."""

# ruff: noqa: S608 - the statements are made of quoted names

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from etl.aws.target import Target
from functions.migrate.catalogue import read_partitions
from telemetry.contract import Contract
from telemetry.ddl import (
    RETENTION,
    ExistingPartition,
    expired,
    horizon,
    qualified,
    qualified_partition,
)

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

__all__ = [
    "KeptRange",
    "LifeCheck",
    "PartitionFacts",
    "TableLife",
    "check_life",
    "count_rows",
    "has_record",
    "kept_ranges",
    "read_life",
]

SPARE = timedelta(days=2)
"""Time by which the daily maintenance may be late without a word."""


@dataclass(frozen=True)
class PartitionFacts:
    """One partition of the table."""

    name: str
    start: datetime | None
    """UTC; ``None`` where it has no lower bound, or holds the rows of no other one."""
    end: datetime | None
    rows: int | None
    """PostgreSQL's estimate; ``None`` where it has none yet."""
    size: int
    """Bytes on disk, with indexes."""
    due: datetime | None
    """Moment from which the maintenance drops it; ``None`` where rows never expire."""


@dataclass(frozen=True)
class KeptRange:
    """A range that is older than the retention and stays, because S3 lacks some of its batches."""

    partition: str
    start: datetime | None
    end: datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class TableLife:
    """Everything that ``etl table show`` prints."""

    table: str
    partition: str
    """``none``, ``month`` or ``day``."""
    retention_days: int | None
    horizon: datetime | None
    """The maintenance drops rows before this moment; ``None``: it drops none."""
    partitions: list[PartitionFacts] = field(default_factory=list)
    kept: list[KeptRange] = field(default_factory=list)
    dropped_rows: int = 0
    """Rows dropped so far."""
    dropped_until: datetime | None = None
    """End of the latest range that was dropped."""
    last_drop: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for ``--json``."""
        return asdict(self)


_SIZES = """
SELECT relname, CASE WHEN reltuples >= 0 THEN reltuples::bigint END,
       pg_total_relation_size(pg_class.oid)
FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = to_regclass(%s)"""


@dataclass(frozen=True)
class LifeCheck:
    """State of the table's partitions in one sentence."""

    sentence: str
    well: bool
    remedy: str = ""
    """The command that shows more, or repairs it."""


def check_life(cursor: Cursor, contract: Contract, now: datetime) -> LifeCheck | None:
    """Check that partitions are made ahead and old ones dropped; ``None`` where there are none."""
    if contract.partition == "none":
        return None
    cursor.execute("SET TimeZone = 'UTC'")
    present = read_partitions(cursor, contract)
    kept = kept_ranges(cursor, contract)
    if kept:
        number = "1 partition is" if len(kept) == 1 else f"{len(kept):,} partitions are"
        days = contract.retention_days
        sentence = f"{number} older than {days} days and kept: {kept[0].reason}"
        return LifeCheck(sentence, False, "etl table show")
    soon = now + SPARE
    if not any(one.overlaps(soon, soon) for one in present):
        sentence = f"none for {soon:%Y-%m-%d} yet: the maintenance, once a day, does not run"
        return LifeCheck(sentence, False, "etl table maintain")
    overdue = expired(contract, present, now - SPARE)
    if overdue:
        sentence = f"{overdue[0].name} should be dropped by now: the maintenance does not run"
        return LifeCheck(sentence, False, "etl table maintain")
    return LifeCheck(_next_drop(contract, present), True)


def _next_drop(contract: Contract, present: Sequence[ExistingPartition]) -> str:
    number = f"{len(present):,}, made ahead"
    if contract.retention_days is None:
        return f"{number}; rows never expire"
    dues = [(due, one.name) for one in present if (due := _due(contract, one.end)) is not None]
    due, name = min(dues)
    return f"{number}; rows stay for {contract.retention_days} days, {name} until {due:%Y-%m-%d}"


def count_rows(cursor: Cursor, contract: Contract) -> tuple[int, int]:
    """``(rows dropped by retention, rows in the table)``; those of detached partitions are there.

    Raises ``UndefinedTable`` where a partition is dropped between the two: ask again, in a new
    transaction.
    """
    dropped, tables = 0, [qualified(contract)]
    if has_record(cursor):
        cursor.execute(
            f"SELECT status, rows, partition FROM {RETENTION} "
            "WHERE relation = %s AND status <> 'kept'",
            (qualified(contract),),
        )
        for status, rows, partition in cursor.fetchall():
            dropped += rows
            if status == "detached":
                tables.append(qualified_partition(contract, partition))
    counts = " + ".join(f"(SELECT count(*) FROM {table})" for table in tables)
    cursor.execute(f"SELECT {counts}")
    [(rows,)] = cursor.fetchall()
    return int(dropped), int(rows)


def kept_ranges(cursor: Cursor, contract: Contract) -> list[KeptRange]:
    """The ranges that the last maintenance did not drop, oldest first."""
    if not has_record(cursor):
        return []
    cursor.execute(
        f"SELECT partition, from_time, to_time, reason FROM {RETENTION} "
        "WHERE relation = %s AND status = 'kept' ORDER BY to_time, partition",
        (qualified(contract),),
    )
    return [KeptRange(*row) for row in cursor.fetchall()]


def read_life(
    target: Target, now: datetime | None = None, contract: Contract | None = None
) -> TableLife:
    """Read the partitions and the record of retention; changes nothing.

    ``contract``: one of the pipeline's; without it, the first one.
    """
    contract, at = contract or target.contract, now or datetime.now(UTC)
    with closing(target.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET TimeZone = 'UTC'")
        cursor.execute(_SIZES, (qualified(contract),))
        sizes = {name: (rows, size) for name, rows, size in cursor.fetchall()}
        partitions = [
            PartitionFacts(one.name, one.start, one.end, *sizes[one.name], _due(contract, one.end))
            for one in sorted(read_partitions(cursor, contract), key=_order)
            if one.name in sizes
        ]
        kept = kept_ranges(cursor, contract)
        rows, until, last = 0, None, None
        if has_record(cursor):
            cursor.execute(
                f"SELECT coalesce(sum(rows), 0), max(to_time), max(changed_at) FROM {RETENTION} "
                "WHERE relation = %s AND status = 'dropped'",
                (qualified(contract),),
            )
            [(rows, until, last)] = cursor.fetchall()
    return TableLife(
        table=qualified(contract),
        partition=contract.partition,
        retention_days=contract.retention_days,
        horizon=horizon(contract, at),
        partitions=partitions,
        kept=kept,
        dropped_rows=int(rows),
        dropped_until=until,
        last_drop=last,
    )


def _order(one: ExistingPartition) -> tuple[bool, datetime]:
    """Order by time; the partition of all other rows comes last."""
    return one.default, one.start or datetime.min.replace(tzinfo=UTC)


def _due(contract: Contract, end: datetime | None) -> datetime | None:
    """Moment from which the maintenance drops a partition that ends then."""
    if contract.retention_days is None or end is None:
        return None
    whole = end
    if contract.partition == "month" and end.day > 1:  # a day's, from a contract of before
        whole = (end.replace(day=1) + timedelta(days=32)).replace(day=1)
    return whole + timedelta(days=contract.retention_days)


def has_record(cursor: Cursor) -> bool:
    """True unless the database was migrated by a version without retention."""
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (RETENTION,))
    [(present,)] = cursor.fetchall()
    return bool(present)
