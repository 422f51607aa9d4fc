"""Merges the staged rows into the contract's table, by the contract's policy.

A partitioned table can't return from one statement which rows were inserted and which updated, so a
policy that updates rows takes two statements there, and an exclusive lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.load import conflicts, statements
from functions.load.batch import Batch, Counts
from functions.load.conflict_policies import updates_rows
from functions.load.dropped_rows import row_droppers, rows_dropped
from telemetry.contract import Contract
from telemetry.ddl import qualified

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

__all__ = ["RowsChangedError", "StagedRows"]


class RowsChangedError(Exception):
    """Raised where another load changed rows between the two statements of a merge, or where the
    order of arrival matters and other loads have to be kept out."""


class StagedRows:
    """The staged rows of one batch."""

    def __init__(self, cursor: Cursor, contract: Contract, batch: Batch) -> None:
        self._cursor = cursor
        self._contract = contract
        self._batch = batch

    @property
    def merges_twice(self) -> bool:
        """True if a merge is two statements, and so two passes through the keys."""
        contract = self._contract
        return contract.partition != "none" and updates_rows(contract, self._batch.columns)

    def merge(self, staged: int) -> Counts:
        """Merges the ``staged`` rows, and checks that each of them is in the table afterwards."""
        contract, columns = self._contract, self._batch.columns
        if not updates_rows(contract, columns):
            self._cursor.execute(statements.insert_staged(contract, columns))
            inserted, updated = self._cursor.rowcount, 0
        elif self.merges_twice:
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
            lost = self.keep_lost()
        return Counts(inserted, updated, unchanged - lost, lost)

    def keep_lost(self) -> int:
        """Keeps the staged readings that contradict a row that stays; returns their number."""
        contract, columns = self._contract, self._batch.columns
        if not conflicts.compared_columns(contract, columns):
            return 0
        self._cursor.execute(conflicts.keep_lost(contract, columns), self._origin)
        [(lost,)] = self._cursor.fetchall()
        return int(lost)

    def raise_missing(self, missing: int) -> None:
        """Raises for rows that PostgreSQL accepted and that are not in the table."""
        droppers = row_droppers(self._cursor, self._contract)
        if droppers:
            raise rows_dropped(self._contract, self._batch, missing, droppers)
        table = qualified(self._contract)
        raise RowsChangedError(f"Another load is changing the same rows of {table}.")

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
        if updated != changing:
            self.raise_missing(changing - updated)

    @property
    def _origin(self) -> tuple[str, str, str]:
        batch = self._batch
        return batch.batch_id, batch.raw_key, batch.contract_digest

    def _check_presence(self) -> None:
        """Rows that were neither inserted nor updated must exist, unless a trigger or a row policy
        drops rows without an error. Where the table has neither, a conflict proves that they do.
        """
        droppers = row_droppers(self._cursor, self._contract)
        if not droppers:
            return
        self._cursor.execute(statements.missing_keys(self._contract))
        [(missing,)] = self._cursor.fetchall()
        if missing:
            raise rows_dropped(self._contract, self._batch, missing, droppers)
