"""Puts a batch's rows into the contract's table, within the caller's transaction.

::

                     ┌─ new ──────────▶ straight: COPY into the table
    lines of a batch ┤
                     └─ existing ─────▶ staged: COPY into a temporary table
                                        ──▶ compared, where no row is updated (keep_first)
                                        ──▶ or INSERT ... ON CONFLICT DO UPDATE

The straight path is as fast as ``psql \\copy``, the staged path half as fast. For each group of
lines (a device, a range of time) the table is asked which times it has in that range. Mostly there
are none, and the group's bytes pass through untouched; otherwise its lines are compared one by one.
So only the lines near existing rows cost more, however late rows are spread. Readings whose key
exists are repeats or conflicts with its row, which is found by comparing the two in SQL
(``functions.load.conflicts``).

Another load may insert the same rows between that query and the COPY: then the straight COPY hits
the primary key, is rolled back to a savepoint, and all rows take the staged path, which handles any
conflict.

**Why this can't deadlock.** Each insert may wait for another transaction that has inserted the
same key. All loads insert in the order of their COPY object, ascending by the key, so there is no
cycle among them: a load that waits for a key holds only smaller ones. A load that takes both paths
passes through the keys twice, which would break this. So it takes the table's advisory lock
exclusively, while loads that take one path share it and run in parallel. With ``keep_first`` hardly
any load takes both paths. A partitioned table can't return from one statement which rows were
inserted and which updated, so a policy that updates rows makes two passes and an exclusive lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.load import conflicts, statements
from functions.load.batch import Batch, Counts, Group, Range
from functions.load.conflict_policies import updates_rows
from functions.load.copy_filter import Block, FilteredCopy, ranges_to_read
from functions.load.dropped_rows import miscount, rows_dropped
from functions.load.source import CopySource, Readable
from telemetry.contract import Contract
from telemetry.ddl import qualified
from telemetry.logs import log

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

__all__ = ["RowsChangedError", "insert_rows"]

READ_BYTES = 1 << 18
"""Bytes of one read of the COPY stream; psycopg2's default, 8 KiB, costs a third of the speed."""

STRAIGHT_SHARE = 0.25
"""Share of new rows below which the straight path isn't worth excluding other loads for."""

TABLE_LOCKS = 0x7E1E
"""First half of the advisory locks on tables; the second half is a hash of the name."""


class RowsChangedError(Exception):
    """Raised where another load changed rows between the two statements of a merge."""


def insert_rows(
    cursor: Cursor,
    contract: Contract,
    batch: Batch,
    source: CopySource,
    groups: Sequence[Group],
    *,
    exclusive: bool = False,
) -> Counts:
    """Inserts or updates rows, finds repeats and conflicts, and accounts for each accepted row.

    ``groups`` may be empty: then all rows take the staged path. ``exclusive`` keeps all other loads
    of the table out.
    Raises :class:`~telemetry.errors.BatchCorruptError` where the COPY object holds other rows than
    the report says, :class:`~telemetry.errors.DatabaseRefusedError` where the table drops some, and
    :class:`RowsChangedError` where another load came in between: then begin again, exclusively.
    """
    insertion = _Insertion(cursor, contract, batch, source, exclusive=exclusive)
    if not statements.splits_by_time(contract):
        groups = ()
    blocks = _blocks(cursor, contract, groups)
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
        *,
        exclusive: bool,
    ) -> None:
        self._cursor = cursor
        self._contract = contract
        self._batch = batch
        self._source = source
        self._table = qualified(contract)
        self._exclusive = exclusive or self._updates_separately

    def straight_only(self, blocks: Sequence[Block]) -> Counts:
        """Copies new rows into the table and compares the existing ones; merges all of them
        instead if a new one turns out to exist."""
        compared = conflicts.compared_columns(self._contract, self._batch.columns)
        compares = bool(compared) and any(block.existing_times for block in blocks)
        staged = self._stage(blocks) if compares else 0
        self._lock_table(exclusive=self._exclusive)
        copied = self._copy_straight(blocks)
        if copied is None:
            if not compares:
                return self._merge(self._stage())
            staged += self._copy_filtered(statements.STAGING, blocks, existing=False)[0]
            return self._merge(staged)
        lost = self._keep_lost() if compares else 0
        return Counts(copied.inserted, 0, copied.unchanged - lost, lost)

    def staged_only(self) -> Counts:
        """Puts all rows through the staging table."""
        staged = self._stage()  # before the lock: no other session sees this table
        self._lock_table(exclusive=self._exclusive)
        return self._merge(staged)

    def both_paths(self, blocks: Sequence[Block]) -> Counts:
        """Copies new rows, and puts the others through the staging table, as the only load."""
        staged = self._stage(blocks)
        self._lock_table(exclusive=True)
        copied = self._copy_straight(blocks)
        if copied is None:
            staged += self._copy_filtered(statements.STAGING, blocks, existing=False)[0]
        merged = self._merge(staged)
        inserted = copied.inserted if copied is not None else 0
        return replace(merged, inserted=merged.inserted + inserted)

    def _stage(self, blocks: Sequence[Block] | None = None) -> int:
        """Stages the existing lines of these blocks, or all lines; returns how many."""
        self._cursor.execute(statements.create_staging(self._contract, self._batch.columns))
        if blocks is None:
            return self._copy(statements.STAGING, None)
        return self._copy_filtered(statements.STAGING, blocks, existing=True)[0]

    def _merge(self, staged: int) -> Counts:
        """Merges the ``staged`` rows, and checks that each of them is in the table afterwards."""
        contract, columns = self._contract, self._batch.columns
        if not updates_rows(contract, columns):
            self._cursor.execute(statements.insert_staged(contract, columns))
            inserted, updated = self._cursor.rowcount, 0
        elif self._updates_separately:
            inserted, updated = self._insert_then_update(staged)
        else:
            inserted, updated = self._upsert()
        unchanged = staged - inserted - updated
        if unchanged:
            self._check_presence()
        lost = 0
        # Under keep_last no row with other values stays; filled rows may contradict as well.
        filled = updated if contract.on_conflict == "fill_missing" else 0
        if (unchanged or filled) and contract.on_conflict != "keep_last":
            lost = self._keep_lost()
        return Counts(inserted, updated, unchanged - lost, lost)

    def _upsert(self) -> tuple[int, int]:
        contract, columns = self._contract, self._batch.columns
        if not conflicts.replaces_values(contract):
            self._cursor.execute(statements.upsert_staged(contract, columns))
            [(inserted, updated)] = self._cursor.fetchall()
            return inserted, updated
        existing, changing = self._keep_replaced()
        self._cursor.execute(statements.upsert_staged(contract, columns, all_new=not existing))
        [(inserted, updated)] = self._cursor.fetchall()
        self._check_replaced(updated, changing)
        return inserted, updated

    @property
    def _updates_separately(self) -> bool:
        """True if a merge is two statements, and so two passes through the keys."""
        contract = self._contract
        return contract.partition != "none" and updates_rows(contract, self._batch.columns)

    def _insert_then_update(self, staged: int) -> tuple[int, int]:
        contract, columns = self._contract, self._batch.columns
        self._cursor.execute(statements.insert_staged(contract, columns))
        inserted = self._cursor.rowcount
        if inserted == staged:
            return inserted, 0
        replaces = conflicts.replaces_values(contract)
        changing = self._keep_replaced()[1] if replaces else 0
        # The staging table has no statistics: the planner would scan the whole table.
        self._cursor.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
        self._cursor.execute(statements.update_staged(contract, columns))
        updated = self._cursor.rowcount
        if replaces:
            self._check_replaced(updated, changing)
        return inserted, updated

    def _keep_replaced(self) -> tuple[int, int]:
        """Keeps the values of rows that will be replaced; returns how many of the staged readings
        have an existing key, and how many of them will change their row."""
        statement = conflicts.keep_replaced(self._contract, self._batch.columns)
        self._cursor.execute(statement, self._origin)
        [(existing, changing)] = self._cursor.fetchall()
        return existing, changing

    def _check_replaced(self, updated: int, changing: int) -> None:
        """Checks that the rows that were updated are those whose values are kept.

        Another load may have committed a row of the same key between the two statements.
        """
        if updated == changing:
            return
        self._cursor.execute(statements.row_droppers(self._contract))
        droppers = [found for (found,) in self._cursor.fetchall()]
        if droppers:
            raise rows_dropped(self._contract, self._batch, changing - updated, droppers)
        raise RowsChangedError(f"Another load is changing the same rows of {self._table}.")

    def _keep_lost(self) -> int:
        """Keeps the staged readings that contradict a row that stays; returns their number."""
        contract, columns = self._contract, self._batch.columns
        if not conflicts.compared_columns(contract, columns):
            return 0
        self._cursor.execute(conflicts.keep_lost(contract, columns), self._origin)
        [(lost,)] = self._cursor.fetchall()
        return int(lost)

    @property
    def _origin(self) -> tuple[str, str, str]:
        batch = self._batch
        return batch.batch_id, batch.raw_key, batch.contract_digest

    def _check_presence(self) -> None:
        """Rows that were neither inserted nor updated must exist, unless a trigger or a row policy
        drops rows without an error. Where the table has neither, a conflict proves that they do.
        """
        self._cursor.execute(statements.row_droppers(self._contract))
        droppers = [found for (found,) in self._cursor.fetchall()]
        if not droppers:
            return
        self._cursor.execute(statements.missing_keys(self._contract))
        [(missing,)] = self._cursor.fetchall()
        if missing:
            raise rows_dropped(self._contract, self._batch, missing, droppers)

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
        with self._source.open(ranges) as stream:
            filtered = FilteredCopy(stream, blocks, column=column, existing=existing)
            return self._copy_stream(table, filtered), filtered.dropped

    def _copy(self, table: str, ranges: Sequence[Range] | None) -> int:
        """Streams the ranges into a table; returns the number of rows."""
        with self._source.open(ranges) as stream:
            return self._copy_stream(table, stream)

    def _copy_stream(self, table: str, stream: Readable) -> int:
        kept = _FailureKeepingStream(stream)
        statement = statements.copy_in(table, self._batch.columns)
        try:
            # The stub also asks for readline, which COPY doesn't call.
            self._cursor.copy_expert(statement, kept, size=READ_BYTES)  # type: ignore[arg-type]
        except Exception as error:
            # psycopg2 reports a failed read as a cancelled query and drops the exception.
            if kept.failure is not None:
                raise kept.failure from error
            raise
        return int(self._cursor.rowcount)

    def _lock_table(self, *, exclusive: bool) -> None:
        """Takes the table's advisory lock until the end of the transaction."""
        function = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
        self._cursor.execute(f"SELECT {function}(%s, hashtext(%s))", (TABLE_LOCKS, self._table))


class _FailureKeepingStream:
    """A stream that keeps the exception that ended a read."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.failure: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except Exception as error:
            self.failure = error
            raise


def _blocks(cursor: Cursor, contract: Contract, groups: Sequence[Group]) -> list[Block]:
    """The groups, with the times of existing rows within their range."""
    if not groups:
        return []
    width = len(contract.key) - 1
    arrays: list[list[Any]] = [[group.key[i] for group in groups] for i in range(width)]
    arrays.append([group.min_time for group in groups])
    arrays.append([group.max_time for group in groups])
    arrays.append([group.rows for group in groups])
    cursor.execute(statements.existing_times(contract), arrays)
    found = {place: times.encode().split() for place, times in cursor.fetchall()}
    blocks = []
    for place, group in enumerate(groups, 1):
        times = found.get(place, [])
        few = len(times) <= group.rows * statements.TIMES_PER_ROW
        blocks.append(Block(group.range, frozenset(times) if few else None))
    return blocks
