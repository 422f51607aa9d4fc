"""Loads one batch: rows and ledger row in one transaction, once, however often it is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from functions.load import ledger
from functions.load.batch import Batch, Counts, Group
from functions.load.loaded_batches import ObjectReader
from functions.load.merge import RowsChangedError
from functions.load.returned_rows import ReturnedRows
from functions.load.rollup_invalidation import RollupInvalidation
from functions.load.rows import insert_rows
from functions.load.source import CopySource
from telemetry.contract import Contract
from telemetry.database import database_errors
from telemetry.errors import DatabaseBusyError
from telemetry.tracing import step

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

__all__ = ["Finding", "Loaded", "is_settled", "load_batch"]

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


ATTEMPTS = 3
"""Transactions for a batch that other loads get in the way of, before the workflow waits. From the
second one on they are kept out, so that only a writer that takes no lock can come in between."""


@dataclass(frozen=True)
class Finding:
    """Conflicts with existing rows, above the contract's limit; as the findings of Validate."""

    measured: float
    """Share of the batch's readings (0..1)."""
    limit: float
    sentence: str
    check: str = "conflict_share_in_table"
    level: str = "quarantine"


class _TooManyConflictsError(Exception):
    """Rolls the transaction back; the argument is the finding."""


@dataclass(frozen=True)
class Loaded:
    """Result of a load."""

    entry: ledger.Entry
    repeated: bool
    """The ledger had the batch already, and nothing was done."""
    finding: Finding | None = None
    """The finding that put the batch into quarantine, where this load did."""


def load_batch(
    connection: Connection,
    contract: Contract,
    batch: Batch,
    source: CopySource,
    groups: Callable[[], Sequence[Group]],
    *,
    objects: ObjectReader | None = None,
    seconds: float = LONGEST_SECONDS,
) -> Loaded:
    """Loads the batch and commits, or raises with the transaction rolled back.

    ``groups`` is called only when rows have to be inserted. ``objects`` opens the COPY objects of
    other loaded batches, where the order of arrival decides; without it none can be read. A batch
    that the ledger has settled is answered from there (:func:`is_settled`). ``seconds`` is the time
    that the caller has left: the server cancels a statement before, so that none runs on without
    its caller.

    Where too many readings conflict with existing rows, the transaction is rolled back, and a
    second one enters the batch in the ledger as quarantined.
    """
    load = partial(_load_once, connection, contract, source, groups, objects, seconds)
    for attempt in range(ATTEMPTS):
        exclusive = attempt > 0
        try:
            return load(batch, exclusive=exclusive)
        except RowsChangedError as error:
            changed = error
        except _TooManyConflictsError as error:
            held = replace(batch, status="quarantined")
            loaded = load(held)
            return replace(loaded, finding=error.args[0])
    raise DatabaseBusyError(str(changed)) from changed


def _load_once(
    connection: Connection,
    contract: Contract,
    source: CopySource,
    groups: Callable[[], Sequence[Group]],
    objects: ObjectReader | None,
    seconds: float,
    batch: Batch,
    *,
    exclusive: bool = False,
) -> Loaded:
    """Loads the batch in one transaction; ``exclusive`` keeps other loads of the table out."""
    with database_errors(), connection, connection.cursor() as cursor:
        cursor.execute(_prepare(seconds))
        ledger.lock(cursor, batch.batch_id)
        existing = ledger.find(cursor, batch.batch_id)
        if existing is not None and is_settled(existing, batch):
            return Loaded(existing, repeated=True)
        counts, returned = Counts(), 0
        if batch.accepted and batch.status == "loaded":
            again = existing is not None and existing.status == "loaded"
            repairs = again and batch.purpose == "repair"
            dropped_ranges = ReturnedRows(cursor, contract) if repairs else None
            with step("insert rows"):
                insert = partial(insert_rows, objects=objects, again=again, exclusive=exclusive)
                counts = _insert(cursor, contract, batch, source, groups(), insert)
            if dropped_ranges is not None:
                returned = dropped_ranges.gained()
            # Loaded before, the batch conflicts with itself where the contract has changed since.
            finding = None if again else _too_many_conflicts(contract, batch, counts)
            if finding is not None:
                raise _TooManyConflictsError(finding)
        entry = ledger.write(cursor, batch, counts, existing, returned=returned)
    return Loaded(entry, repeated=False)


def _insert(
    cursor: Cursor,
    contract: Contract,
    batch: Batch,
    source: CopySource,
    groups: Sequence[Group],
    insert: Callable[[Cursor, Contract, Batch, CopySource, Sequence[Group]], Counts],
) -> Counts:
    """Inserts the rows, and marks the ranges of time that they changed."""
    invalidation = RollupInvalidation(cursor, contract, groups)
    counts = insert(cursor, contract, batch, source, groups)
    if counts.inserted or counts.updated:
        invalidation.mark()
    return counts


def _too_many_conflicts(contract: Contract, batch: Batch, counts: Counts) -> Finding | None:
    """The finding that puts the batch into quarantine; an operator's release overrules it."""
    checks, judged = contract.checks, batch.read - batch.set_aside - batch.forgotten
    few = judged < max(1, checks.min_readings)
    if few or batch.purpose in ("release", "repair"):
        return None
    # A row that another reading should never have been is as much of a conflict.
    corrects = contract.on_conflict in ("keep_last", "keep_greatest")
    conflicts = counts.conflicts_in_table + (0 if corrects else counts.replaced)
    share = conflicts / judged
    if share <= checks.conflict_share:
        return None
    return Finding(
        round(share, 6),
        checks.conflict_share,
        f"{share * 100:.3g}% of {judged} readings have the key of an existing row and other "
        f"values, more than {checks.conflict_share * 100:.3g}%: the key of the contract is "
        "probably too small. Nothing was loaded.",
    )


def is_settled(entry: ledger.Entry, batch: Batch) -> bool:
    """True if the ledger's row of a batch stays as it is, so that nothing is left to do.

    * loaded: a replay under another contract loads the batch again, and a repair always does;
    * discarded: only a release loads it;
    * quarantined: the row is replaced where the verdict or the contract has changed.
    """
    same_contract = entry.contract_digest == batch.contract_digest
    if entry.status == "loaded":
        again = batch.purpose == "repair" or (batch.purpose == "replay" and not same_contract)
        return batch.status != "loaded" or not again
    if entry.status == "discarded":
        return batch.purpose != "release" or batch.status != "loaded"
    return batch.status == "quarantined" and same_contract


def _prepare(seconds: float) -> str:
    """Settings of the transaction; PostgreSQL takes them in milliseconds, and 0 means unlimited."""
    statement = max(1000, int(min(seconds * 0.9, LONGEST_SECONDS) * 1000))
    return _PREPARE.format(statement=statement, lock=statement // 2)
