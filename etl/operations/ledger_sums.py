"""Sums of the ledger and rows of the tables, in one snapshot of the database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.operations.reconciliation_counts import ContractCounts, Ledger
from etl.operations.table_life import count_rows
from telemetry.contract import ContractSet
from telemetry.ddl import ERASURES

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

__all__ = ["TableSums", "sum_tables"]

SNAPSHOTS = 5
"""Most snapshots that are begun, where partitions are being dropped."""


@dataclass(frozen=True)
class TableSums:
    """The ledger's sums and the rows, in all and of each contract where there are several."""

    ledger: Ledger
    rows: int
    contracts: tuple[ContractCounts, ...] = ()


def sum_tables(connection: Connection, contracts: ContractSet) -> TableSums:
    """The ledger's sums and the rows, of one snapshot; begins again where a partition is dropped
    in between."""
    from psycopg2.errors import UndefinedTable

    for attempt in range(1, SNAPSHOTS + 1):
        try:
            with connection.cursor() as cursor:
                return _counted_tables(cursor, contracts)
        except UndefinedTable:
            connection.rollback()
            if attempt == SNAPSHOTS:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _counted_tables(cursor: Cursor, contracts: ContractSet) -> TableSums:
    total = _read_ledger(cursor, contracts.names)
    counts = [count_rows(cursor, contract) for contract in contracts]
    ledger = replace(total, dropped=sum(dropped for dropped, _ in counts))
    rows = sum(present for _, present in counts)
    if len(contracts) == 1:
        return TableSums(ledger, rows)
    parts = tuple(
        ContractCounts(
            contract.name,
            contracts.key_name(contract),
            replace(_read_ledger(cursor, (contract.name,), alone=True), dropped=dropped),
            present,
        )
        for contract, (dropped, present) in zip(contracts, counts, strict=True)
    )
    return TableSums(ledger, rows, parts)


def _read_ledger(cursor: Cursor, contracts: tuple[str, ...], *, alone: bool = False) -> Ledger:
    """Sums over the ledger; rows of batches of contracts besides these are ``elsewhere``.

    ``alone``: only the batches of these contracts.
    """
    names = list(contracts)
    of_these = "WHERE contract = ANY(%(names)s)" if alone else ""
    cursor.execute(
        f"""
        SELECT count(*) AS batches, coalesce(sum(messages), 0) AS messages,
               coalesce(sum(read), 0) AS read, coalesce(sum(inserted), 0) AS inserted,
               coalesce(sum(updated), 0) AS updated, coalesce(sum(unchanged), 0) AS unchanged,
               coalesce(sum(duplicates), 0) AS duplicates, coalesce(sum(rejected), 0) AS rejected,
               coalesce(sum(conflicts), 0) AS conflicts,
               coalesce(sum(conflicts_in_table), 0) AS conflicts_in_table,
               coalesce(sum(set_aside), 0) AS set_aside,
               coalesce(sum(forgotten), 0) AS forgotten,
               coalesce(sum(inserted_before), 0) AS inserted_before,
               coalesce(sum(inserted + inserted_before)
                        FILTER (WHERE contract <> ALL(%(names)s)), 0) AS elsewhere,
               coalesce(sum(accepted) FILTER (WHERE status = 'quarantined'), 0) AS quarantined,
               coalesce(sum(accepted) FILTER (WHERE status = 'discarded'), 0) AS discarded
        FROM etl.ledger {of_these}
        """,  # noqa: S608 - our own condition
        {"names": names},
    )
    columns = [column.name for column in cursor.description or ()]
    [totals] = cursor.fetchall()
    sums = {name: int(value) for name, value in zip(columns, totals, strict=True)}
    cursor.execute(
        "SELECT key, sum(value::bigint) FROM etl.ledger, jsonb_each_text(rejected_by) "  # noqa: S608
        f"{of_these} GROUP BY key ORDER BY 2 DESC, 1",
        {"names": names},
    )
    rejected_by = {key: int(value) for key, value in cursor.fetchall()}
    cursor.execute(
        f"SELECT coalesce(sum(rows), 0) FROM {ERASURES} WHERE contract = ANY(%s)",  # noqa: S608
        (names,),
    )
    [(deleted,)] = cursor.fetchall()
    return Ledger(rejected_by=rejected_by, rows_forgotten=int(deleted), **sums)
