"""Decides by arrival between readings of one key that came in different batches.

The policy of a contract is about the order in which messages arrived: (received_at, message id,
index). Batches are loaded in another order where several are loaded at once, one is loaded again,
or one waited. So where a loaded batch may hold a reading that came after the first one of this
batch, the keys whose row depends on the order are settled here::

    staged ──▶ disputed keys ──▶ readings of these, from the COPY objects of loaded batches
                                     ──▶ folded by the policy ──▶ the row

Values that are equal, greater (``keep_greatest``) or missing (``fill_missing``) need no order. The
ledger's ranges of time say which batches may hold a key, their groups where; mostly that is none.

A batch whose COPY object has expired can't be read. Then the existing row counts as a reading of
that batch, unless another batch explains it, and stays if in doubt. Nothing is lost by it: whatever
is not the row is in ``etl.conflicts``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from functions.load import order_statements as sql
from functions.load import settled_statements as settled
from functions.load.batch import Batch, Counts
from functions.load.conflict_policies import updates_rows
from functions.load.copy_stream import copy_stream, find_blocks
from functions.load.loaded_batches import (
    LoadedBatch,
    ObjectReader,
    PlacedLines,
    StoredBatch,
    array_positions,
    find_loaded,
)
from functions.load.statements import splits_by_time
from telemetry.contract import Contract
from telemetry.errors import BatchCorruptError, BatchMissingError
from telemetry.logs import log
from telemetry.places import place_at

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

__all__ = ["ArrivalOrder", "Settled"]

MOST_BATCHES = 1000
"""Most other batches whose readings are gathered for one load: about a minute's worth of requests.
Those that arrived longest ago count as batches that can't be read."""


@dataclass(frozen=True)
class Settled:
    """Staged readings whose key was disputed, and what became of them."""

    staged: int = 0
    """They are not staged any more."""
    counts: Counts = field(default_factory=Counts)
    dropped: int = 0
    """Rows that PostgreSQL accepted, and that are not in the table."""


class ArrivalOrder:
    """The order of one batch's readings among those of the other loaded batches."""

    def __init__(
        self,
        cursor: Cursor,
        contract: Contract,
        batch: Batch,
        objects: ObjectReader | None,
        *,
        again: bool = False,
    ) -> None:
        """``again``: the batch was loaded before; ``objects`` opens those of other batches."""
        self._cursor = cursor
        self._contract = contract
        self._batch = batch
        self._objects = objects
        self._again = again
        self._values = [name for name in batch.columns if name not in contract.key]
        self._unavailable: list[LoadedBatch] = []

    @property
    def refills(self) -> bool:
        """True if rows that are missing are to be put back."""
        return self._again and self._batch.purpose == "repair"

    def matters(self) -> bool:
        """True if another loaded batch may hold a reading that came later than one of this batch,
        or if this batch was loaded before."""
        if not self._decides:
            return False
        if self._again:
            return True
        batch = self._batch
        if batch.first_received_at is None:  # a report of before: in the order of loading
            return False
        times = [batch.min_time, batch.max_time] if sql.time_of_key(self._contract) else []
        values = [batch.batch_id, batch.first_received_at, *times]
        self._cursor.execute(sql.later_batches(self._contract), values)
        [(found,)] = self._cursor.fetchall()
        return bool(found)

    def is_disputed(self) -> bool:
        """True if the row of a staged key depends on the order."""
        statement = sql.any_disputed(
            self._contract, self._batch.columns, again=self._again, refill=self.refills
        )
        self._cursor.execute(statement)
        [(found,)] = self._cursor.fetchall()
        return bool(found)

    def replaced(self, merged: Counts) -> bool:
        """True if a merge has replaced values that the order should have decided about."""
        return bool(merged.updated) and (self._again or self._contract.on_conflict == "keep_last")

    def settle(self) -> Settled:
        """Writes the rows of the disputed keys, and takes these out of the staged ones.

        The caller keeps all other loads of the table out. Where a value of another batch can't be
        written any more, as after a change of the contract, nothing is changed, and the rows are
        left to the order of loading.
        """
        from psycopg2 import DataError, IntegrityError

        self._cursor.execute("SAVEPOINT ordering")
        try:
            settled = self._settle()
        except (DataError, IntegrityError) as error:
            self._cursor.execute("ROLLBACK TO SAVEPOINT ordering; RELEASE SAVEPOINT ordering")
            log.warning(
                "Readings of other batches can't be compared: these rows follow the order of "
                "loading",
                detail=str(error).strip(),
            )
            return Settled()
        self._cursor.execute("RELEASE SAVEPOINT ordering")
        return settled

    @property
    def _decides(self) -> bool:
        """True if there are values that the order could decide about."""
        contract, columns = self._contract, self._batch.columns
        first = contract.on_conflict == "keep_first"
        return bool(self._values) and (first or updates_rows(contract, columns))

    def _settle(self) -> Settled:
        cursor, contract, columns = self._cursor, self._contract, self._batch.columns
        cursor.execute(
            sql.create_disputed(contract, columns, again=self._again, refill=self.refills)
        )
        [(disputed,)] = cursor.fetchall()
        if not disputed:
            return Settled()
        cursor.execute(sql.create_gathered(contract, columns))
        self._gather_own()
        self._gather_others()
        cursor.execute(sql.index_gathered(contract))
        if self._unavailable:
            self._gather_present()
        cursor.execute(settled.create_settled(contract, columns))
        return self._write(disputed)

    def _write(self, disputed: int) -> Settled:
        """Writes the settled rows, after what they replace has been kept."""
        cursor, contract, columns = self._cursor, self._contract, self._batch.columns
        cursor.execute(settled.count_settled())
        [(inserted, updated, unchanged, lost, replaced)] = cursor.fetchall()
        origin = (self._batch.batch_id, self._batch.raw_key, self._batch.contract_digest)
        cursor.execute(settled.keep_losers(contract, columns), origin)
        cursor.execute(settled.keep_replaced_rows(contract, columns, again=self._again), origin)
        # The planner would scan the whole table.
        cursor.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
        cursor.execute(settled.update_settled(contract, columns))
        dropped = updated - cursor.rowcount
        if inserted:
            cursor.execute(settled.insert_settled(contract, columns))
            dropped += inserted - cursor.rowcount
        cursor.execute("SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on")
        cursor.execute(settled.unstage_disputed(contract))
        log.info("Settled by arrival", keys=disputed, updated=updated, inserted=inserted)
        return Settled(disputed, Counts(inserted, updated, unchanged, lost, replaced), dropped)

    def _gather_own(self) -> None:
        """The batch's own readings; without places, they count as the last ones to arrive."""
        batch = self._batch
        stored = self._stored(batch.raw_key, batch.contract_digest)
        if stored is not None and self._gather(stored, 0, batch.batch_id):
            return
        statement = sql.gather_staged(self._contract, batch.columns)
        self._cursor.execute(statement, (place_at((1 << 63) - 1),))

    def _gather_others(self) -> None:
        batch = self._batch
        # Under keep_last, a reading of this batch is later than all that came before it.
        only_later = self._contract.on_conflict == "keep_last" and not self._again
        since = batch.first_received_at if only_later else None
        found = find_loaded(self._cursor, self._contract, batch.batch_id, since)
        self._unavailable = found[MOST_BATCHES:]
        for loaded in found[:MOST_BATCHES]:
            stored = self._stored(loaded.raw_key, loaded.contract_digest)
            if stored is None or not self._gather(stored, loaded.number, loaded.batch_id):
                self._unavailable.append(loaded)

    def _gather_present(self) -> None:
        """Existing rows stand for the readings of batches that can't be read."""
        log.warning(
            "Batches can't be read: in doubt, the rows that may be theirs stay as they are",
            batches=len(self._unavailable),
            first=self._unavailable[0].batch_id,
        )
        gone = self._unavailable
        arrays = (
            [loaded.times[0] for loaded in gone],
            [loaded.times[1] for loaded in gone],
            [loaded.first_place for loaded in gone],
            [loaded.last_place for loaded in gone],
        )
        self._cursor.execute(sql.create_unavailable(), arrays)
        columns = self._batch.columns
        self._cursor.execute(sql.gather_present(self._contract, columns, again=self._again))

    def _stored(self, raw_key: str, contract_digest: str) -> StoredBatch | None:
        if self._objects is None:
            return None
        try:
            return StoredBatch(self._objects, raw_key, contract_digest)
        except BatchCorruptError:
            return None

    def _gather(self, stored: StoredBatch, origin: int, batch_id: str) -> bool:
        """Gathers the batch's readings of disputed keys; false where it can't be read."""
        from psycopg2 import DataError

        self._cursor.execute("SAVEPOINT gathering")
        try:
            self._copy(stored, origin)
        except (BatchMissingError, BatchCorruptError, DataError) as error:
            self._cursor.execute("ROLLBACK TO SAVEPOINT gathering; RELEASE SAVEPOINT gathering")
            log.info("A loaded batch can't be read", loaded=batch_id, detail=str(error).strip())
            return False
        self._cursor.execute("RELEASE SAVEPOINT gathering")
        return True

    def _copy(self, stored: StoredBatch, origin: int) -> None:
        """Copies the lines with a disputed key, and their places, into the gathered readings."""
        contract, cursor = self._contract, self._cursor
        groups = stored.groups(contract) if splits_by_time(contract) else None
        blocks = None
        if groups is not None:
            blocks = find_blocks(cursor, contract, groups, sql.DISPUTED)
            if all(block.existing_times == frozenset() for block in blocks):
                return
        footer = stored.footer()
        if not set(contract.key) <= set(footer.columns):
            return  # made with another key: none of its rows has one of these
        others = [name for name in footer.columns if name not in self._batch.columns]
        if others:
            cursor.execute(sql.add_gathered(others))
        fills = contract.on_conflict == "fill_missing"
        with stored.lines(footer, blocks) as stream:
            lines = PlacedLines(
                stream,
                stored.places(footer),
                origin,
                groups=groups or (),
                blocks=blocks,
                column=footer.columns.index(contract.key[-1]),
                values=array_positions(footer.columns, self._values) if fills else None,
            )
            copy_stream(cursor, sql.copy_gathered(footer.columns), lines)
        if blocks is None or any(block.existing_times is None for block in blocks):
            cursor.execute(sql.drop_undisputed(contract), (origin,))
