"""Explains rows that PostgreSQL accepted and that are not in the table. Nothing was loaded then."""

from __future__ import annotations

from typing import Any

from functions.load import statements
from functions.load.batch import Batch
from telemetry.contract import Contract
from telemetry.ddl import qualified
from telemetry.errors import BatchCorruptError, DatabaseRefusedError, TelemetryError

__all__ = ["miscount", "row_droppers", "rows_dropped"]


def rows_dropped(
    contract: Contract, batch: Batch, missing: int, droppers: list[str]
) -> DatabaseRefusedError:
    """The error for rows that the table's own triggers, rules or policies dropped."""
    rows, are = ("1 row", "is") if missing == 1 else (f"{missing} rows", "are")
    return DatabaseRefusedError(
        f"The table {qualified(contract)} drops rows without an error: {rows} of the batch "
        f"{batch.batch_id} {are} not in it after they were inserted. It has "
        f"{_listed(droppers)}. Nothing was loaded: remove what drops rows, or let it raise an "
        f"error, and replay the batch from {batch.raw_key}."
    )


def miscount(cursor: Any, contract: Contract, batch: Batch, total: int) -> TelemetryError:
    """The error for a load that brought another number of rows than the report says.

    Fewer rows, and a table that may drop some: the COPY object's checksum holds, so it did.
    """
    droppers = row_droppers(cursor, contract)
    if droppers and total < batch.accepted:
        return rows_dropped(contract, batch, batch.accepted - total, droppers)
    return BatchCorruptError(
        f"The COPY object {batch.copy_key} brought {total} rows and the report says "
        f"{batch.accepted}: nothing was loaded. Replay the batch from {batch.raw_key}."
    )


def row_droppers(cursor: Any, contract: Contract) -> list[str]:
    """Names of all that may drop a row of the table without an error."""
    cursor.execute(statements.row_droppers(contract))
    return [found for (found,) in cursor.fetchall()]


def _listed(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
