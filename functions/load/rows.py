"""Puts a batch's rows into the contract's table, within the caller's transaction.

::

                      ┌─ newer than all that is loaded of their group ──▶ COPY into the table
    groups of a batch ┤
                      └─ the others ──▶ COPY into a temporary table ──▶ INSERT ... ON CONFLICT

The straight way is about as fast as ``psql \\copy``; the other one half as fast, but it copes with
rows that are there already. A watermark (the latest loaded time of a group) decides. It may be out
of date by the time of the COPY, when another load has brought the same rows in between: then the
straight COPY hits the primary key, is rolled back to a savepoint, and all rows go the other way.

**Why this can't deadlock.** Each insert may wait for another transaction that has inserted the
same key. All loads insert in the order of their COPY object, ascending by the key, so among them
there is no circle: who waits for a key holds only smaller ones. A load that goes both ways passes
through the order twice, which would break this. So it takes the table's advisory lock for itself
alone, while loads of one way share it and run side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functions.load import statements
from functions.load.batch import Batch, Counts, Group, Range
from functions.load.source import CopySource
from telemetry.contract import Contract
from telemetry.ddl import qualified
from telemetry.errors import BatchCorruptError, DatabaseRefusedError
from telemetry.logs import log

__all__ = ["insert_rows"]

READ_BYTES = 1 << 18
"""What one read of the COPY stream asks for; psycopg2's own 8 KiB costs a third of the speed."""

STRAIGHT_SHARE = 0.25
"""Below this share of rows the straight way isn't worth excluding other loads for."""

TABLE_LOCKS = 0x7E1E
"""First half of the advisory locks on tables; the second half is a hash of the name."""


def insert_rows(
    cursor: Any, contract: Contract, batch: Batch, source: CopySource, groups: Sequence[Group]
) -> Counts:
    """Inserts, updates or finds unchanged every accepted row, and accounts for each.

    ``groups`` is empty where nothing is known of them: then all rows take the careful way.
    Raises :class:`BatchCorruptError` where the COPY object holds other rows than the report says.
    """
    insertion = _Insertion(cursor, contract, batch, source)
    straight = _newer(cursor, contract, groups)
    rows_straight = sum(group.rows for group in straight)
    if groups and rows_straight == batch.accepted:
        counts = insertion.straight_only()
    elif rows_straight >= STRAIGHT_SHARE * batch.accepted > 0:
        newer = set(straight)
        others = [group.range for group in groups if group not in newer]
        counts = insertion.both_ways([group.range for group in straight], others)
    else:
        counts = insertion.staged_only()
    if counts.total != batch.accepted:
        raise BatchCorruptError(
            f"The COPY object {batch.copy_key} brought {counts.total} rows and the report says "
            f"{batch.accepted}: nothing was loaded. Replay the batch from {batch.raw_key}."
        )
    return counts


class _Insertion:
    """One insertion: the parts that all ways have in common, and the three ways."""

    def __init__(self, cursor: Any, contract: Contract, batch: Batch, source: CopySource) -> None:
        self._cursor = cursor
        self._contract = contract
        self._batch = batch
        self._source = source
        self._table = qualified(contract)

    def straight_only(self) -> Counts:
        """All rows by COPY into the table; staged instead where one is there already."""
        self._lock_table("pg_advisory_xact_lock_shared")
        inserted = self._copy_straight(None)
        return Counts(inserted) if inserted is not None else self._merge(self._stage(None))

    def staged_only(self) -> Counts:
        """All rows by way of the staging table."""
        staged = self._stage(None)  # before the lock: nobody else can see this table
        self._lock_table("pg_advisory_xact_lock_shared")
        return self._merge(staged)

    def both_ways(self, straight: Sequence[Range], others: Sequence[Range]) -> Counts:
        """Newer groups by COPY, the others by way of the staging table, as the only load."""
        staged = self._stage(others)
        self._lock_table("pg_advisory_xact_lock")
        inserted = self._copy_straight(straight)
        if inserted is None:
            staged += self._copy(statements.STAGING, straight)
        merged = self._merge(staged)
        return Counts(merged.inserted + (inserted or 0), merged.updated, merged.unchanged)

    def _stage(self, ranges: Sequence[Range] | None) -> int:
        self._cursor.execute(statements.create_staging(self._contract, self._batch.columns))
        return self._copy(statements.STAGING, ranges)

    def _merge(self, staged: int) -> Counts:
        """Merges ``staged`` rows, and makes sure that each of them is in the table afterwards."""
        contract, columns = self._contract, self._batch.columns
        if statements.keeps_first(contract, columns):
            self._cursor.execute(statements.insert_staged(contract, columns))
            inserted, updated = self._cursor.rowcount, 0
        else:
            self._cursor.execute(statements.upsert_staged(contract, columns))
            inserted, updated = self._cursor.fetchone()
        unchanged = staged - inserted - updated
        if unchanged:
            self._check_presence()
        return Counts(inserted, updated, unchanged)

    def _check_presence(self) -> None:
        """Rows that were neither inserted nor updated must be there: a trigger or a row policy
        drops rows without an error."""
        self._cursor.execute(statements.missing_keys(self._contract))
        missing = self._cursor.fetchone()[0]
        if missing:
            raise DatabaseRefusedError(
                f"{missing} rows of the batch {self._batch.batch_id} were not taken by "
                f"{self._table}, without an error: look for a trigger or a row policy on it."
            )

    def _copy_straight(self, ranges: Sequence[Range] | None) -> int | None:
        """Rows copied into the table; ``None``, with nothing changed, where one was there."""
        from psycopg2 import errors

        self._cursor.execute("SAVEPOINT straight")
        try:
            return self._copy(self._table, ranges)
        except errors.UniqueViolation as error:
            self._cursor.execute("ROLLBACK TO SAVEPOINT straight")
            log.info("Rows arrived in between: staging all of them", detail=str(error).strip())
            return None

    def _copy(self, table: str, ranges: Sequence[Range] | None) -> int:
        """Streams the ranges into a table; returns the number of rows."""
        with self._source.open(ranges) as stream:
            remembered = _Remembering(stream)
            statement = statements.copy_in(table, self._batch.columns)
            try:
                self._cursor.copy_expert(statement, remembered, size=READ_BYTES)
            except Exception as error:
                # psycopg2 reports a failed read as a cancelled query and drops the exception.
                if remembered.failure is not None:
                    raise remembered.failure from error
                raise
        return int(self._cursor.rowcount)

    def _lock_table(self, function: str) -> None:
        """Takes the table's advisory lock until the end of the transaction."""
        self._cursor.execute(f"SELECT {function}(%s, hashtext(%s))", (TABLE_LOCKS, self._table))


class _Remembering:
    """Passes reads on, and keeps the exception that ended one."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.failure: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            data: bytes = self._stream.read(size)
        except Exception as error:
            self.failure = error
            raise
        return data


def _newer(cursor: Any, contract: Contract, groups: Sequence[Group]) -> list[Group]:
    """The groups whose rows are all newer than what is loaded of them."""
    if not groups or not statements.splits_by_time(contract):
        return []
    arrays = [[group.key[i] for group in groups] for i in range(len(contract.key) - 1)]
    arrays.append([group.min_time for group in groups])
    cursor.execute(statements.newer_groups(contract), arrays)
    return [groups[place - 1] for (place,) in sorted(cursor.fetchall())]
