"""Loads one batch: rows and ledger row in one transaction, once, however often it is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.load import ledger
from functions.load.batch import Batch, Counts, Group
from functions.load.rollup_invalidation import RollupInvalidation
from functions.load.rows import insert_rows
from functions.load.source import CopySource
from telemetry.contract import Contract
from telemetry.database import database_errors
from telemetry.tracing import step

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

__all__ = ["Loaded", "is_settled", "load_batch"]

# SET LOCAL pins the connection behind RDS Proxy, and so does the temporary table. That does no
# harm: a connection here lives for one transaction.
_PREPARE = """
SET LOCAL statement_timeout = {statement};
SET LOCAL lock_timeout = {lock};
SET LOCAL idle_in_transaction_session_timeout = {statement};
SET LOCAL client_min_messages = 'warning';
"""

LONGEST_SECONDS = 240.0
"""Longest statement; a load that needs more is retried and fails as a batch."""


@dataclass(frozen=True)
class Loaded:
    """Result of a load."""

    entry: ledger.Entry
    repeated: bool
    """The ledger had the batch already, and nothing was done."""


def load_batch(
    connection: Connection,
    contract: Contract,
    batch: Batch,
    source: CopySource,
    groups: Callable[[], Sequence[Group]],
    *,
    seconds: float = LONGEST_SECONDS,
) -> Loaded:
    """Loads the batch and commits, or raises with the transaction rolled back.

    ``groups`` is called only when rows have to be inserted. A batch that the ledger has settled is
    answered from there (:func:`is_settled`). ``seconds`` is the time that the caller has left: the
    server cancels a statement before, so that none runs on without its caller.
    """
    with database_errors(), connection, connection.cursor() as cursor:
        cursor.execute(_prepare(seconds))
        ledger.lock(cursor, batch.batch_id)
        existing = ledger.find(cursor, batch.batch_id)
        if existing is not None and is_settled(existing, batch):
            return Loaded(existing, repeated=True)
        counts = Counts()
        if batch.accepted and batch.status == "loaded":
            with step("insert rows"):
                counts = _insert(cursor, contract, batch, source, groups())
        entry = ledger.write(cursor, batch, counts, existing)
    return Loaded(entry, repeated=False)


def _insert(
    cursor: Cursor, contract: Contract, batch: Batch, source: CopySource, groups: Sequence[Group]
) -> Counts:
    """Inserts the rows, and marks the ranges of time that they changed."""
    invalidation = RollupInvalidation(cursor, contract, groups)
    counts = insert_rows(cursor, contract, batch, source, groups)
    if counts.inserted or counts.updated:
        invalidation.mark()
    return counts


def is_settled(entry: ledger.Entry, batch: Batch) -> bool:
    """True if the ledger's row of a batch stays as it is, so that nothing is left to do.

    * loaded: only a replay under another contract loads the batch again;
    * discarded: only a release loads it;
    * quarantined: the row is replaced where the verdict or the contract has changed.
    """
    same_contract = entry.contract_digest == batch.contract_digest
    if entry.status == "loaded":
        return batch.purpose != "replay" or batch.status != "loaded" or same_contract
    if entry.status == "discarded":
        return batch.purpose != "release" or batch.status != "loaded"
    return batch.status == "quarantined" and same_contract


def _prepare(seconds: float) -> str:
    """Settings of the transaction; PostgreSQL takes them in milliseconds, and 0 means unlimited."""
    statement = max(1000, int(min(seconds * 0.9, LONGEST_SECONDS) * 1000))
    return _PREPARE.format(statement=statement, lock=statement // 2)
