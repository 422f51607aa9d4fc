"""Loads one batch: rows and ledger row in one transaction, once, however often it is asked to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from functions.load import ledger
from functions.load.batch import Batch, Counts, Group
from functions.load.rows import insert_rows
from functions.load.source import CopySource
from telemetry.contract import Contract
from telemetry.database import database_errors
from telemetry.tracing import step

__all__ = ["Loaded", "load_batch"]

# SET LOCAL pins the connection behind RDS Proxy, and so does the temporary table. That is all the
# same to us: a connection here lives for one transaction.
_PREPARE = """
SET LOCAL statement_timeout = '240s';
SET LOCAL lock_timeout = '60s';
SET LOCAL idle_in_transaction_session_timeout = '60s';
SET LOCAL client_min_messages = 'warning';
"""


@dataclass(frozen=True)
class Loaded:
    """How a load ended."""

    entry: ledger.Entry
    repeated: bool
    """The ledger had the batch already: nothing was done."""


def load_batch(
    connection: Any,
    contract: Contract,
    batch: Batch,
    source: CopySource,
    groups: Callable[[], Sequence[Group]],
) -> Loaded:
    """Loads the batch and commits, or raises with the transaction rolled back.

    ``groups`` is asked only when rows have to be inserted. A batch that the ledger has as loaded
    is answered from there; one it has as quarantined is loaded if its verdict is better now.
    """
    with database_errors(), connection, connection.cursor() as cursor:
        cursor.execute(_PREPARE)
        ledger.lock(cursor, batch.batch_id)
        known = ledger.find(cursor, batch.batch_id)
        if known is not None and (known.status == "loaded" or batch.quarantined):
            return Loaded(known, repeated=True)
        counts = Counts()
        if batch.accepted and not batch.quarantined:
            with step("insert rows"):
                counts = insert_rows(cursor, contract, batch, source, groups())
        entry = ledger.write(cursor, batch, counts)
    return Loaded(entry, repeated=False)
