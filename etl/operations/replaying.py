"""Loads batches again: as a replay, or as a repair where the database has lost what it had.

A replay skips batches that the ledger has loaded with the same contract. A repair loads every batch
that was loaded before, and is also what becomes of a replay for batches that an outcome says were
loaded and that the ledger doesn't know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from etl.aws.target import Target
from etl.operations.batches import Batch
from etl.operations.ledger_restoration import recorded, restore_ledger_rows
from etl.operations.reruns import RerunProgress, rerun
from telemetry.manifest import Purpose

__all__ = ["load_again"]


def load_again(
    target: Target,
    batches: Sequence[Batch],
    *,
    kind: str,
    repair: bool = False,
    concurrency: int | None = None,
) -> Iterator[RerunProgress]:
    """Run batches through the workflow, as one execution for each purpose; yields their progress.

    ``repair`` loads again what the ledger has loaded with the same contract.
    """
    known = recorded(target, [batch for batch in batches if batch.settled])
    unrecorded = [b for b in batches if b.settled and b.raw.batch_id not in known]
    restore_ledger_rows(target, unrecorded)
    lost = {batch.key for batch in unrecorded}
    groups: dict[Purpose, list[Batch]] = {"replay": [], "repair": []}
    for batch in batches:
        again = batch.status == "loaded" and (repair or batch.key in lost)
        groups["repair" if again else "replay"].append(batch)
    for purpose, group in groups.items():
        if group:
            yield from rerun(target, group, purpose, kind=kind, concurrency=concurrency)
