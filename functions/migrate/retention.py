"""Makes partitions ahead, and takes rows out of the table that are older than its retention.

A partition goes in three steps, each of which may be the last one of a function that dies, and the
next maintenance goes on from there::

    every batch with rows in it is in S3?  ──no──▶ kept, with the reason
        │ yes
    detached, recorded, rollups forgotten     one short transaction
        │
    counted, dropped, the number recorded     another one; no load waits for it

So loads wait for milliseconds, however many rows a partition has. Late readings, older than the
retention when they arrive, are rows of ``<table>_other`` until the next maintenance, which deletes
them there and records their number in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from functions.migrate import retention_statements as sql
from functions.migrate.catalogue import read_partitions, stray_days
from functions.migrate.migration_lock import busy_errors, hold_migration_lock
from telemetry.contract import Contract
from telemetry.ddl import (
    ExistingPartition,
    expired,
    horizon,
    load_lock,
    other_partition,
    plan_partitions,
    qualified_partition,
)
from telemetry.tracing import step

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

__all__ = ["KeptRange", "LeftRange", "Maintenance", "drop_detached", "maintain"]

MissingBatches = Callable[[Sequence[str]], Sequence[str]]
"""Returns those of the raw keys whose batches are not in S3."""
NAMED = 3
"""Batches that a reason names."""


@dataclass(frozen=True)
class LeftRange:
    """A range of time whose rows left the table."""

    partition: str
    start: str | None
    """ISO 8601, UTC; ``None`` where the partition had no lower bound."""
    end: str
    rows: int


@dataclass(frozen=True)
class KeptRange:
    """A range that is older than the retention and stays."""

    partition: str
    start: str | None
    end: str
    reason: str


@dataclass
class Maintenance:
    """Result of a maintenance."""

    made: list[str] = field(default_factory=list)
    """Statements that made partitions."""
    dropped: list[LeftRange] = field(default_factory=list)
    kept: list[KeptRange] = field(default_factory=list)
    left: int = 0
    """Partitions that are due and were left to the next maintenance, for want of time."""

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON members."""
        return asdict(self)


def maintain(
    connection: Connection,
    contract: Contract,
    missing: MissingBatches,
    now: datetime,
    has_time: Callable[[], bool] = lambda: True,
    others: Sequence[str] = (),
) -> Maintenance:
    """Makes and drops partitions, as the connection's owner; safe to run at any time, and again.

    ``has_time`` is asked before each partition. ``others``: names of the pipeline's other
    contracts, whose batches have no rows in this table. Raises ``DatabaseBusyError`` where a
    session keeps a lock: what was done until then stays done.
    """
    done, search = Maintenance(), _Search(missing, others)
    if contract.partition == "none":
        return done
    # Without partitions there is no table yet, or a plain one: its deployment says so.
    if not any(one.default for one in _present(connection, contract)):
        return done
    with busy_errors(connection, contract):
        done.dropped += drop_detached(connection, contract)
        with step("make partitions"):
            done.made = _make_partitions(connection, contract, now)
        due = expired(contract, _present(connection, contract), now)
        for place, partition in enumerate(due):
            if not has_time():
                done.left = len(due) - place
                break
            _expire(connection, contract, search, partition, done)
        else:
            with step("delete late rows"):
                _delete_late_rows(connection, contract, search, now, done)
            _record_kept(connection, contract, done.kept)
    return done


def drop_detached(connection: Connection, contract: Contract) -> list[LeftRange]:
    """Counts and drops the partitions that a maintenance detached before it died."""
    with step("drop detached"):
        found = _detached(connection, contract)
        return [left for one in found for left in _drop(connection, contract, *one)]


def _present(connection: Connection, contract: Contract) -> tuple[ExistingPartition, ...]:
    with connection, connection.cursor() as cursor:
        return read_partitions(cursor, contract)


def _make_partitions(connection: Connection, contract: Contract, now: datetime) -> list[str]:
    with connection, connection.cursor() as cursor:
        hold_migration_lock(cursor, contract)
        present = read_partitions(cursor, contract)
        made = plan_partitions(contract, present, stray_days(cursor, contract), now)
        for statement in made:
            cursor.execute(statement)
        return made


def _expire(
    connection: Connection,
    contract: Contract,
    search: _Search,
    partition: ExistingPartition,
    done: Maintenance,
) -> None:
    """Detaches and drops one partition, or keeps it."""
    start, end = _iso(partition.start), _iso(partition.end) or "infinity"
    with step("find batches"):
        lost = _not_in_s3(connection, search, [(start or "-infinity", end)])
    if lost:
        done.kept.append(KeptRange(partition.name, start, end, _reason(lost)))
        return
    with step("detach partition"):
        number = _detach(connection, contract, partition.name, start, end)
    if number is not None:
        with step("drop partition"):
            done.dropped += _drop(connection, contract, number, partition.name, start, end)


@dataclass(frozen=True)
class _Search:
    """Search for the batches that may have rows in the table, and are not in S3."""

    missing: MissingBatches
    others: Sequence[str]


def _not_in_s3(
    connection: Connection, search: _Search, ranges: Sequence[tuple[str, str]]
) -> Sequence[str]:
    """Raw keys of batches that may have rows in the ranges, and are not in S3."""
    ends = [list(ends) for ends in zip(*ranges, strict=True)]
    with connection, connection.cursor() as cursor:
        cursor.execute(sql.BATCHES_OF_RANGES, [*ends, list(search.others)])
        raw_keys = [key for (key,) in cursor.fetchall()]
    return search.missing(raw_keys)


def _reason(lost: Sequence[str]) -> str:
    names = ", ".join(lost[:NAMED])
    more = f", and {len(lost) - NAMED:,} more" if len(lost) > NAMED else ""
    batches = "1 batch is" if len(lost) == 1 else f"{len(lost):,} batches are"
    return f"{batches} not in S3 ({names}{more})"


def _detach(
    connection: Connection, contract: Contract, name: str, start: str | None, end: str
) -> int | None:
    """Takes the partition out of the table; returns the number of its record, or ``None`` where
    something else has detached it meanwhile."""
    with connection, connection.cursor() as cursor:
        hold_migration_lock(cursor, contract)
        if name not in {one.name for one in read_partitions(cursor, contract)}:
            return None
        for statement in sql.forget_figures(contract):
            cursor.execute(statement, (start or "-infinity", end))
        cursor.execute(sql.detach(contract, name))
        cursor.execute(sql.READERS)
        for (reader,) in cursor.fetchall():
            cursor.execute(sql.grant(contract, name, reader))
        values = (contract.name, sql.relation(contract), name, start, end)
        cursor.execute(sql.RECORD_DETACHED, values)
        [(number,)] = cursor.fetchall()
        return int(number)


def _detached(connection: Connection, contract: Contract) -> list[tuple[int, str, str | None, str]]:
    """Number, name and bounds of the partitions that a maintenance detached and did not drop."""
    with connection, connection.cursor() as cursor:
        cursor.execute(sql.DETACHED, (sql.relation(contract),))
        return [
            (number, name, _iso(start), _iso(end) or end)
            for number, name, start, end in cursor.fetchall()
        ]


def _drop(
    connection: Connection, contract: Contract, number: int, name: str, start: str | None, end: str
) -> list[LeftRange]:
    """Counts and drops a detached partition. One that an operator has attached again stays."""
    with connection, connection.cursor() as cursor:
        hold_migration_lock(cursor, contract)
        if name in {one.name for one in read_partitions(cursor, contract)}:
            cursor.execute(sql.FORGET_DETACHED, (number,))
            return []
        rows = 0
        if _exists(cursor, contract, name):
            cursor.execute(sql.count(contract, name))
            [(rows,)] = cursor.fetchall()
            cursor.execute(sql.drop(contract, name))
        cursor.execute(sql.RECORD_DROPPED, (rows, number))
        return [LeftRange(name, start, end, int(rows))] if cursor.rowcount else []


def _exists(cursor: Cursor, contract: Contract, name: str) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (qualified_partition(contract, name),))
    [(exists,)] = cursor.fetchall()
    return bool(exists)


def _delete_late_rows(
    connection: Connection,
    contract: Contract,
    search: _Search,
    now: datetime,
    done: Maintenance,
) -> None:
    """Deletes the rows of ``<table>_other`` that are before the horizon, and records them."""
    limit = horizon(contract, now)
    if limit is None:
        return
    with connection, connection.cursor() as cursor:
        cursor.execute(sql.late_ranges(contract), (limit,))
        ranges = [(_iso(start) or "-infinity", _iso(end) or "infinity") for start, end in cursor]
    if not ranges:
        return
    name = other_partition(contract)
    lost = _not_in_s3(connection, search, ranges)
    if lost:
        done.kept.append(KeptRange(name, ranges[0][0], ranges[-1][1], _reason(lost)))
        return
    with connection, connection.cursor() as cursor:
        hold_migration_lock(cursor, contract)
        # A repair that counts these rows keeps all others out.
        cursor.execute(f"LOCK TABLE {load_lock(contract)} IN ROW SHARE MODE")
        # Only the ranges whose batches were looked for: others may have come since.
        starts, ends = zip(*ranges, strict=True)
        cursor.execute(
            sql.delete_late_rows(contract),
            (list(starts), list(ends), contract.name, sql.relation(contract), name),
        )
        for start, end, rows in cursor.fetchall():
            done.dropped.append(LeftRange(name, _iso(start), _iso(end) or "infinity", int(rows)))


def _record_kept(connection: Connection, contract: Contract, kept: Sequence[KeptRange]) -> None:
    """Records what is kept and why, in place of what was kept before."""
    relation = sql.relation(contract)
    with connection, connection.cursor() as cursor:
        cursor.execute(sql.FORGET_KEPT, (relation,))
        for one in kept:
            values = (contract.name, relation, one.partition, one.start, one.end, one.reason)
            cursor.execute(sql.RECORD_KEPT, values)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
