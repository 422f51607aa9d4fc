"""Counts the rows that a repair brings back though retention had dropped them.

A repair puts back rows that are missing, which the ledger counts already. Those that retention
dropped aren't missing: the record of retention (:mod:`telemetry.ddl.retention`) has their number,
so that they count once more, until the next maintenance drops and records them again.
"""

# ruff: noqa: S608 - the statements are made of quoted names

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telemetry.contract import Contract
from telemetry.ddl import RETENTION, in_dropped_range, load_lock, qualified, quote_name

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

__all__ = ["ReturnedRows"]


class ReturnedRows:
    """The rows in ranges that retention has dropped, as they are now, for one transaction.

    Where there are such ranges, all other loads of the table, and the maintenance, are kept out
    until the transaction ends: what the table gains is then of this one.
    """

    def __init__(self, cursor: Cursor, contract: Contract) -> None:
        self._cursor = cursor
        self._contract = contract
        self._until = self._dropped_until()
        if self._until is not None:
            cursor.execute(f"LOCK TABLE {load_lock(contract)} IN EXCLUSIVE MODE")
        self._before = self._present()

    def gained(self) -> int:
        """Number of rows that these ranges have gained since."""
        return self._present() - self._before

    def _dropped_until(self) -> Any:
        """End of the latest dropped range; ``None`` where nothing was dropped."""
        self._cursor.execute(
            f"SELECT max(to_time) FROM {RETENTION} WHERE relation = %s AND status <> 'kept'",
            (qualified(self._contract),),
        )
        [(until,)] = self._cursor.fetchall()
        return until

    def _present(self) -> int:
        if self._until is None:
            return 0
        # The bound lets PostgreSQL leave out the partitions of the time since.
        self._cursor.execute(
            f"SELECT count(*) FROM {qualified(self._contract)} AS present "
            f"WHERE present.{quote_name(self._contract.key[-1])} < %s "
            f"AND {in_dropped_range(self._contract, 'present')}",
            (self._until,),
        )
        [(rows,)] = self._cursor.fetchall()
        return int(rows)
