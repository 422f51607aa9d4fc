"""The ledger: one row per micro-batch, in the same transaction as the batch's rows.

Because of it a batch may be loaded twice, or by two loads at once, and counts once.
"""

# ruff: noqa: S608 - the only name in the statements is a constant

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.load.batch import Batch, Counts
from telemetry.ddl import BATCH_LOCKS, BATCH_SLOTS, LEDGER
from telemetry.errors import SchemaBehindError
from telemetry.layout import Status

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

__all__ = ["Entry", "find", "lock", "write"]

_COLUMNS = (
    "batch_id", "raw_key", "execution", "contract", "contract_digest", "status", "messages",
    "read", "accepted", "duplicates", "conflicts", "rejected", "set_aside", "rejected_by",
    "inserted", "inserted_before", "updated", "unchanged", "conflicts_in_table", "loads",
    "min_time", "max_time", "first_received_at", "last_received_at",
    "forgotten",
)  # fmt: skip
_WRITE = f"""
INSERT INTO {LEDGER} ({", ".join(_COLUMNS)})
VALUES ({", ".join(f"%({name})s" for name in _COLUMNS)})
ON CONFLICT (batch_id) DO UPDATE SET loaded_at = now(),
    {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])}
"""

_LOCK = f"""
SELECT FROM {BATCH_LOCKS} WHERE slot = hashtext(%s) & {BATCH_SLOTS - 1} FOR UPDATE"""

_FIND = f"""
SELECT batch_id, raw_key, status, contract_digest, read, accepted, duplicates, rejected, set_aside,
       inserted, updated, unchanged, inserted_before, loads, conflicts, conflicts_in_table,
       forgotten
FROM {LEDGER} WHERE batch_id = %s"""


@dataclass(frozen=True)
class Entry:
    """The ledger's row of a batch; counts are in readings."""

    batch_id: str
    raw_key: str
    status: Status
    """``loaded``, ``quarantined`` or ``discarded``."""
    contract_digest: str
    read: int
    accepted: int
    duplicates: int
    rejected: int
    set_aside: int
    inserted: int
    updated: int
    unchanged: int
    inserted_before: int = 0
    """Rows that earlier loads of this batch inserted, less those that a repair inserted again. It
    is negative where the repair inserted rows that another batch had inserted before."""
    loads: int = 1
    """Number of loads: 1, plus each time that a loaded batch was loaded again."""
    conflicts: int = 0
    """Conflicts within the batch."""
    conflicts_in_table: int = 0
    """Accepted readings that lost against an existing row."""
    forgotten: int = 0
    """Readings that an erasure has removed."""


def lock(cursor: Cursor, batch_id: str) -> None:
    """Waits until no other transaction is loading this batch, and keeps others out.

    Two batches of the same slot may wait for each other, which is harmless. Raises
    :class:`~telemetry.errors.SchemaBehindError` where the slot is missing.
    """
    cursor.execute(_LOCK, (batch_id,))
    if cursor.rowcount != 1:
        raise SchemaBehindError(
            f"{BATCH_LOCKS} lacks the slot of the batch {batch_id}, so nothing was loaded. The "
            "migration of a deployment adds it: deploy again."
        )


def find(cursor: Cursor, batch_id: str) -> Entry | None:
    """The batch's row, or ``None``. Call :func:`lock` first, or it may appear a moment later."""
    cursor.execute(_FIND, (batch_id,))
    row = cursor.fetchone()
    return Entry(*row) if row is not None else None


def write(
    cursor: Cursor,
    batch: Batch,
    counts: Counts,
    previous: Entry | None = None,
    *,
    returned: int = 0,
) -> Entry:
    """Writes the batch's row, in place of ``previous``, whose readings stay in the table.

    ``returned``: those of the inserted rows that retention had dropped before.
    """
    loaded_before = previous is not None and previous.status == "loaded"
    before = previous.inserted + previous.inserted_before if previous is not None else 0
    if loaded_before and batch.purpose == "repair":  # rows inserted again are counted already
        before -= counts.inserted - returned
    entry = Entry(
        batch_id=batch.batch_id,
        raw_key=batch.raw_key,
        status=batch.status,
        contract_digest=batch.contract_digest,
        read=batch.read,
        accepted=batch.accepted,
        duplicates=batch.duplicates,
        rejected=batch.rejected,
        set_aside=batch.set_aside,
        inserted=counts.inserted,
        updated=counts.updated,
        unchanged=counts.unchanged,
        inserted_before=before,
        loads=previous.loads + 1 if previous is not None and loaded_before else 1,
        conflicts=batch.conflicts,
        conflicts_in_table=counts.conflicts_in_table,
        forgotten=batch.forgotten,
    )
    values = {**vars(batch), **vars(entry), "rejected_by": json.dumps(batch.rejected_by)}
    cursor.execute(_WRITE, {name: values[name] for name in _COLUMNS})
    return entry
