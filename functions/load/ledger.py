"""The ledger: one row per micro-batch, in the same transaction as the batch's rows.

It is why a batch may be loaded twice, or by two at once, and counts once.
"""

# ruff: noqa: S608 - the only name in the statements is a constant

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from functions.load.batch import Batch, Counts
from telemetry.ddl import LEDGER

__all__ = ["Entry", "find", "lock", "write"]

BATCH_LOCKS = 0x7E1D
"""First half of the advisory locks on batches; the second half is a hash of the id."""

_WRITE = f"""
INSERT INTO {LEDGER} AS present (
    batch_id, raw_key, execution, contract, contract_digest, status, messages, read, accepted,
    duplicates, rejected, set_aside, rejected_by, inserted, updated, unchanged, min_time, max_time
) VALUES (
    %(batch_id)s, %(raw_key)s, %(execution)s, %(contract)s, %(contract_digest)s, %(status)s,
    %(messages)s, %(read)s, %(accepted)s, %(duplicates)s, %(rejected)s, %(set_aside)s,
    %(rejected_by)s, %(inserted)s, %(updated)s, %(unchanged)s, %(min_time)s, %(max_time)s
) ON CONFLICT (batch_id) DO UPDATE SET
    execution = excluded.execution, contract = excluded.contract,
    contract_digest = excluded.contract_digest, status = excluded.status,
    messages = excluded.messages, read = excluded.read, accepted = excluded.accepted,
    duplicates = excluded.duplicates, rejected = excluded.rejected,
    set_aside = excluded.set_aside, rejected_by = excluded.rejected_by,
    inserted = excluded.inserted, updated = excluded.updated, unchanged = excluded.unchanged,
    min_time = excluded.min_time, max_time = excluded.max_time, loaded_at = now()
WHERE present.status = 'quarantined'
"""

_FIND = f"""
SELECT batch_id, raw_key, status, read, accepted, duplicates, rejected, set_aside,
       inserted, updated, unchanged
FROM {LEDGER} WHERE batch_id = %s"""


@dataclass(frozen=True)
class Entry:
    """What the ledger says of a batch; counts are in readings."""

    batch_id: str
    raw_key: str
    status: str
    """``loaded`` or ``quarantined``."""
    read: int
    accepted: int
    duplicates: int
    rejected: int
    set_aside: int
    inserted: int
    updated: int
    unchanged: int


def lock(cursor: Any, batch_id: str) -> None:
    """Waits until no other transaction is loading this batch, and keeps others out.

    Two batches with the same hash wait for one another now and then, which is harmless.
    """
    cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (BATCH_LOCKS, batch_id))


def find(cursor: Any, batch_id: str) -> Entry | None:
    """The batch's row, or ``None``. Ask under :func:`lock`, or it may appear a moment later."""
    cursor.execute(_FIND, (batch_id,))
    row = cursor.fetchone()
    return Entry(*row) if row is not None else None


def write(cursor: Any, batch: Batch, counts: Counts) -> Entry:
    """Writes the batch's row. One that says ``quarantined`` is replaced, one that says ``loaded``
    never."""
    status = "quarantined" if batch.quarantined else "loaded"
    values = {
        **vars(batch),
        **vars(counts),
        "status": status,
        "rejected_by": json.dumps(batch.rejected_by),
    }
    cursor.execute(_WRITE, values)
    return Entry(
        batch_id=batch.batch_id,
        raw_key=batch.raw_key,
        status=status,
        read=batch.read,
        accepted=batch.accepted,
        duplicates=batch.duplicates,
        rejected=batch.rejected,
        set_aside=batch.set_aside,
        inserted=counts.inserted,
        updated=counts.updated,
        unchanged=counts.unchanged,
    )
