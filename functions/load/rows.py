"""Puts a batch's rows into the contract's table, within the caller's transaction.

::

                     ┌─ not in the table ────────▶ COPY into the table
    lines of a batch ┤
                     └─ in the table already ┬───▶ counted, where the first of a key is kept
                                             └───▶ COPY into a temporary table
                                                   ──▶ INSERT ... ON CONFLICT DO UPDATE

The straight way is as fast as ``psql \\copy``, the other one half as fast. For each group of lines
(a device, a span of time) the table is asked which times it has in that span. Mostly there are
none, and the group's bytes pass through untouched; else the lines are looked at one by one. So what
a conflict costs is its own, however late rows are spread.

What is known may be out of date by the time of the COPY, when another load has brought the same
rows in between: then the straight COPY hits the primary key, is rolled back to a savepoint, and all
rows go the other way, which copes with anything.

**Why this can't deadlock.** Each insert may wait for another transaction that has inserted the
same key. All loads insert in the order of their COPY object, ascending by the key, so among them
there is no circle: who waits for a key holds only smaller ones. A load that goes both ways passes
through the order twice, which would break this. So it takes the table's advisory lock for itself
alone, while loads of one way share it and run side by side. With ``keep_first`` hardly any load
goes both ways. A partitioned table can't tell in one statement what was inserted and what updated,
so where rows are updated all loads of it are alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functions.load import statements
from functions.load.batch import Batch, Counts, Group, Range
from functions.load.copy_filter import Block, Sifted, sifted_ranges
from functions.load.source import CopySource, Readable
from telemetry.contract import Contract
from telemetry.ddl import qualified
from telemetry.errors import BatchCorruptError, DatabaseRefusedError
from telemetry.logs import log

__all__ = ["insert_rows"]

READ_BYTES = 1 << 18
"""What one read of the COPY stream asks for; psycopg2's own 8 KiB costs a third of the speed."""

STRAIGHT_SHARE = 0.25
"""Below this share of new rows the straight way isn't worth excluding other loads for."""

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
    if not statements.splits_by_time(contract):
        groups = ()
    blocks = _blocks(cursor, contract, groups)
    unsure = sum(g.rows for g, block in zip(groups, blocks, strict=True) if block.known is None)
    known = sum(len(block.known) for block in blocks if block.known)
    if not groups:
        counts = insertion.staged_only()
    elif not unsure and (not known or statements.keeps_first(contract, batch.columns)):
        counts = insertion.straight_only(blocks)
    elif batch.accepted - unsure - known >= STRAIGHT_SHARE * batch.accepted:
        counts = insertion.both_ways(blocks)
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

    def straight_only(self, blocks: Sequence[Block]) -> Counts:
        """New rows by COPY into the table, the known ones are only counted; all of them staged
        instead where one turns out to be there already."""
        self._lock_table(alone=self._updates_apart)
        copied = self._copy_straight(blocks)
        if copied is not None:
            return copied
        return self._merge(self._stage())

    def staged_only(self) -> Counts:
        """All rows by way of the staging table."""
        staged = self._stage()  # before the lock: nobody else can see this table
        self._lock_table(alone=self._updates_apart)
        return self._merge(staged)

    def both_ways(self, blocks: Sequence[Block]) -> Counts:
        """New rows by COPY, the others by way of the staging table, as the only load."""
        staged = self._stage(blocks)
        self._lock_table(alone=True)
        copied = self._copy_straight(blocks)
        if copied is None:
            staged += self._copy_sifted(statements.STAGING, blocks, known=False)[0]
        merged = self._merge(staged)
        inserted = copied.inserted if copied is not None else 0
        return Counts(merged.inserted + inserted, merged.updated, merged.unchanged)

    def _stage(self, blocks: Sequence[Block] | None = None) -> int:
        """Stages the known lines of these blocks, or all lines."""
        self._cursor.execute(statements.create_staging(self._contract, self._batch.columns))
        if blocks is None:
            return self._copy(statements.STAGING, None)
        return self._copy_sifted(statements.STAGING, blocks, known=True)[0]

    def _merge(self, staged: int) -> Counts:
        """Merges ``staged`` rows, and makes sure that each of them is in the table afterwards."""
        contract, columns = self._contract, self._batch.columns
        if statements.keeps_first(contract, columns):
            self._cursor.execute(statements.insert_staged(contract, columns))
            inserted, updated = self._cursor.rowcount, 0
        elif self._updates_apart:
            inserted, updated = self._insert_then_update()
        else:
            self._cursor.execute(statements.upsert_staged(contract, columns))
            inserted, updated = self._cursor.fetchone()
        unchanged = staged - inserted - updated
        if unchanged:
            self._check_presence()
        return Counts(inserted, updated, unchanged)

    @property
    def _updates_apart(self) -> bool:
        """Whether a merge is two statements, and so two passes through the order of keys."""
        contract = self._contract
        return contract.partition != "none" and not statements.keeps_first(
            contract, self._batch.columns
        )

    def _insert_then_update(self) -> tuple[int, int]:
        contract, columns = self._contract, self._batch.columns
        self._cursor.execute(statements.insert_staged(contract, columns))
        inserted = self._cursor.rowcount
        # Nobody has counted the staged rows: the planner would rather read the whole table.
        self._cursor.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
        self._cursor.execute(statements.update_staged(contract, columns))
        return inserted, self._cursor.rowcount

    def _check_presence(self) -> None:
        """Rows that were neither inserted nor updated must be there: a trigger or a row policy
        drops rows without an error. Where there is none, they are: that is what makes a conflict.
        """
        self._cursor.execute(statements.may_drop_rows(self._contract))
        if not self._cursor.fetchone()[0]:
            return
        self._cursor.execute(statements.missing_keys(self._contract))
        missing = self._cursor.fetchone()[0]
        if missing:
            raise DatabaseRefusedError(
                f"{missing} rows of the batch {self._batch.batch_id} were not taken by "
                f"{self._table}, without an error: look for a trigger or a row policy on it."
            )

    def _copy_straight(self, blocks: Sequence[Block]) -> Counts | None:
        """Lines not known to be there, copied into the table, and how many were left out;
        ``None``, with nothing changed, where one was there after all."""
        from psycopg2 import errors

        self._cursor.execute("SAVEPOINT straight")
        try:
            copied, left_out = self._copy_sifted(self._table, blocks, known=False)
        except errors.UniqueViolation as error:
            self._cursor.execute("ROLLBACK TO SAVEPOINT straight")
            log.info("Rows arrived in between: staging all of them", detail=str(error).strip())
            return None
        return Counts(copied, 0, left_out)

    def _copy_sifted(self, table: str, blocks: Sequence[Block], *, known: bool) -> tuple[int, int]:
        """Copies the known lines of the blocks, or the others; returns how many, and how many
        lines of the blocks it looked into were left out."""
        ranges = sifted_ranges(blocks, known=known)
        if not ranges:
            return 0, 0
        column = self._batch.columns.index(self._contract.key[-1])
        with self._source.open(ranges) as stream:
            sifted = Sifted(stream, blocks, column=column, known=known)
            return self._copy_stream(table, sifted), sifted.dropped

    def _copy(self, table: str, ranges: Sequence[Range] | None) -> int:
        """Streams the ranges into a table; returns the number of rows."""
        with self._source.open(ranges) as stream:
            return self._copy_stream(table, stream)

    def _copy_stream(self, table: str, stream: Readable) -> int:
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

    def _lock_table(self, *, alone: bool) -> None:
        """Takes the table's advisory lock until the end of the transaction."""
        function = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
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


def _blocks(cursor: Any, contract: Contract, groups: Sequence[Group]) -> list[Block]:
    """The groups, with the times that are loaded within their span."""
    if not groups:
        return []
    width = len(contract.key) - 1
    arrays: list[list[Any]] = [[group.key[i] for group in groups] for i in range(width)]
    arrays.append([group.min_time for group in groups])
    arrays.append([group.max_time for group in groups])
    arrays.append([group.rows for group in groups])
    cursor.execute(statements.known_times(contract), arrays)
    found = {place: times.encode().split() for place, times in cursor.fetchall()}
    blocks = []
    for place, group in enumerate(groups, 1):
        times = found.get(place, [])
        few = len(times) <= group.rows * statements.KNOWN_PER_ROW
        blocks.append(Block(group.range, frozenset(times) if few else None))
    return blocks
