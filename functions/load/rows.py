"""Puts a batch's rows into the contract's table, within the caller's transaction.

::

                     ┌─ new ──────────▶ straight: COPY into the table
    lines of a batch ┤
                     └─ existing ─────▶ staged: COPY into a temporary table
                                        ──▶ settled, where the order of arrival decides
                                        ──▶ compared, where no row is updated (keep_first)
                                        ──▶ or INSERT ... ON CONFLICT DO UPDATE

The straight path is as fast as ``psql \\copy``, the staged path half as fast. For each group of
lines (a device, a range of time) the table is asked which times it has in that range. Mostly there
are none, and the group's bytes pass through untouched; otherwise its lines are compared one by one.
So only the lines near existing rows cost more, however late rows are spread. Readings whose key
exists are repeats or conflicts with its row, which is found by comparing the two in SQL
(``functions.load.conflicts``).

Which of two different readings is the row is decided by their arrival, not by the order of loading.
Where that matters, all other loads of the table are kept out, and the disputed keys are settled
before the merge (``functions.load.arrival_order``).

Another load may insert the same rows between that query and the COPY: then the straight COPY hits
the primary key, is rolled back to a savepoint, and all rows take the staged path, which handles any
conflict.

**Why this can't deadlock.** Each insert may wait for another transaction that has inserted the
same key. All loads insert in the order of their COPY object, ascending by the key, so there is no
cycle among them: a load that waits for a key holds only smaller ones. A load that takes both paths
passes through the keys twice, which would break this, and so does one that settles keys. So it
takes the lock on loads (:mod:`telemetry.ddl.locks`) exclusively, while loads that take one path
share it and run in parallel. With ``keep_first`` hardly any load takes both paths. A load that
finds out late that the order of arrival matters holds the lock shared: it is rolled back, and
begins again exclusively.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from functions.load import statements
from functions.load.arrival_order import ArrivalOrder, Settled
from functions.load.batch import Batch, Counts, Group, Range
from functions.load.conflict_policies import updates_rows
from functions.load.copy_filter import Block, FilteredCopy, ranges_to_read
from functions.load.copy_stream import copy_stream, find_blocks
from functions.load.dropped_rows import miscount
from functions.load.loaded_batches import ObjectReader
from functions.load.merge import RowsChangedError, StagedRows
from functions.load.schema_errors import require_columns
from functions.load.source import CopySource
from telemetry.contract import Contract
from telemetry.ddl import load_lock, qualified
from telemetry.logs import log

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

__all__ = ["insert_rows"]

STRAIGHT_SHARE = 0.25
"""Share of new rows below which the straight path isn't worth excluding other loads for."""


def insert_rows(
    cursor: Cursor,
    contract: Contract,
    batch: Batch,
    source: CopySource,
    groups: Sequence[Group],
    *,
    objects: ObjectReader | None = None,
    again: bool = False,
    exclusive: bool = False,
) -> Counts:
    """Inserts or updates rows, finds repeats and conflicts, and accounts for each accepted row.

    ``groups`` may be empty: then all rows take the staged path. ``objects`` opens those of other
    loaded batches. ``again``: the batch was loaded before. ``exclusive`` keeps all other loads of
    the table out.
    Raises :class:`~telemetry.errors.BatchCorruptError` where the COPY object holds other rows than
    the report says, :class:`~telemetry.errors.DatabaseRefusedError` where the table drops some, and
    :class:`RowsChangedError` where other loads have to be kept out: then begin again, exclusively.
    """
    order = ArrivalOrder(cursor, contract, batch, objects, again=again)
    insertion = _Insertion(cursor, contract, batch, source, order, exclusive=exclusive)
    if order.refills or not statements.splits_by_time(contract):
        groups = ()
    blocks = find_blocks(cursor, contract, groups)
    unsure = sum(
        group.rows
        for group, block in zip(groups, blocks, strict=True)
        if block.existing_times is None
    )
    existing = sum(len(block.existing_times) for block in blocks if block.existing_times)
    if not groups:
        counts = insertion.staged_only()
    elif not unsure and (not existing or not updates_rows(contract, batch.columns)):
        counts = insertion.straight_only(blocks)
    elif batch.accepted - unsure - existing >= STRAIGHT_SHARE * batch.accepted:
        counts = insertion.both_paths(blocks)
    else:
        counts = insertion.staged_only()
    if counts.total != batch.accepted:
        raise miscount(cursor, contract, batch, counts.total)
    return counts


class _Insertion:
    """One insertion, by the straight path, the staged path, or both."""

    def __init__(
        self,
        cursor: Cursor,
        contract: Contract,
        batch: Batch,
        source: CopySource,
        order: ArrivalOrder,
        *,
        exclusive: bool,
    ) -> None:
        self._cursor = cursor
        self._contract = contract
        self._batch = batch
        self._source = source
        self._order = order
        self._table = qualified(contract)
        self._staged_rows = StagedRows(cursor, contract, batch)
        self._exclusive = exclusive or self._staged_rows.merges_twice

    def straight_only(self, blocks: Sequence[Block]) -> Counts:
        """Copies new rows into the table and compares the existing ones; merges all of them
        instead if a new one turns out to exist."""
        has_values = not set(self._batch.columns) <= set(self._contract.key)
        compares = has_values and any(block.existing_times for block in blocks)
        staged = self._stage(blocks) if compares else 0
        self._lock(staged)
        copied = self._copy_straight(blocks)
        if copied is None:
            if not compares:
                return self._merge(self._stage())
            staged += self._copy_filtered(statements.STAGING, blocks, existing=False)[0]
            return self._merge(staged)
        settled = self._settle(staged)
        left = copied.unchanged - settled.staged
        lost = self._staged_rows.keep_lost() if compares and left else 0
        compared = Counts(copied.inserted, 0, left - lost, lost)
        self._check_order(compared if compares else Counts())
        return settled.counts + compared

    def staged_only(self) -> Counts:
        """Puts all rows through the staging table."""
        staged = self._stage()  # before the lock: no other session sees this table
        self._lock(staged)
        return self._merge(staged)

    def both_paths(self, blocks: Sequence[Block]) -> Counts:
        """Copies new rows, and puts the others through the staging table, as the only load."""
        staged = self._stage(blocks)
        self._exclusive = True
        self._lock_table(exclusive=True)
        copied = self._copy_straight(blocks)
        if copied is None:
            staged += self._copy_filtered(statements.STAGING, blocks, existing=False)[0]
        merged = self._merge(staged)
        inserted = copied.inserted if copied is not None else 0
        return replace(merged, inserted=merged.inserted + inserted)

    def _stage(self, blocks: Sequence[Block] | None = None) -> int:
        """Stages the existing lines of these blocks, or all lines; returns how many."""
        require_columns(self._contract, self._batch.columns)
        self._cursor.execute(statements.create_staging(self._contract, self._batch.columns))
        if blocks is None:
            return self._copy(statements.STAGING, None)
        return self._copy_filtered(statements.STAGING, blocks, existing=True)[0]

    def _lock(self, staged: int) -> None:
        """Locks the table: exclusively, if the order of arrival decides about a staged row."""
        if not self._exclusive and staged and self._order.matters():
            self._exclusive = self._order.is_disputed()
        self._lock_table(exclusive=self._exclusive)

    def _merge(self, staged: int) -> Counts:
        """Settles the disputed ones of the ``staged`` rows, and merges the others."""
        settled = self._settle(staged)
        merged = self._staged_rows.merge(staged - settled.staged)
        self._check_order(merged)
        return settled.counts + merged

    def _settle(self, staged: int) -> Settled:
        if not (staged and self._exclusive and self._order.matters()):
            return Settled()
        settled = self._order.settle()
        if settled.dropped:
            self._staged_rows.raise_missing(settled.dropped)
        return settled

    def _check_order(self, merged: Counts) -> None:
        """Checks that no row was merged whose value the order of arrival decides: another load may
        have committed it since the table was locked, which other loads share."""
        if self._exclusive or merged.total == merged.inserted or not self._order.matters():
            return
        if self._order.replaced(merged) or self._order.is_disputed():
            raise RowsChangedError(f"Another load has written the same rows of {self._table}.")

    def _copy_straight(self, blocks: Sequence[Block]) -> Counts | None:
        """Copies the new lines into the table, and counts those left out; returns ``None``, with
        nothing changed, if one of them exists after all."""
        from psycopg2 import errors

        self._cursor.execute("SAVEPOINT straight")
        try:
            copied, left_out = self._copy_filtered(self._table, blocks, existing=False)
        except errors.UniqueViolation as error:
            self._cursor.execute("ROLLBACK TO SAVEPOINT straight; RELEASE SAVEPOINT straight")
            log.info(
                "Another load inserted some of the rows: staging all of them",
                detail=str(error).strip(),
            )
            return None
        # Released, so that rows written from now on have the xmin of the staged ones.
        self._cursor.execute("RELEASE SAVEPOINT straight")
        return Counts(copied, 0, left_out)

    def _copy_filtered(
        self, table: str, blocks: Sequence[Block], *, existing: bool
    ) -> tuple[int, int]:
        """Copies the existing lines of the blocks, or the new ones; returns how many were copied,
        and how many lines were left out."""
        ranges = ranges_to_read(blocks, existing=existing)
        if not ranges:
            return 0, 0
        column = self._batch.columns.index(self._contract.key[-1])
        statement = statements.copy_in(table, self._batch.columns)
        with self._source.open(ranges) as stream:
            filtered = FilteredCopy(stream, blocks, column=column, existing=existing)
            return copy_stream(self._cursor, statement, filtered), filtered.dropped

    def _copy(self, table: str, ranges: Sequence[Range] | None) -> int:
        """Streams the ranges into a table; returns the number of rows."""
        with self._source.open(ranges) as stream:
            statement = statements.copy_in(table, self._batch.columns)
            return copy_stream(self._cursor, statement, stream)

    def _lock_table(self, *, exclusive: bool) -> None:
        """Locks out other loads until the end of the transaction: all, or the exclusive ones."""
        mode = "EXCLUSIVE" if exclusive else "ROW SHARE"
        self._cursor.execute(f"LOCK TABLE {load_lock(self._contract)} IN {mode} MODE")
