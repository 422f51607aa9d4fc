"""Loads batches again: as a replay, or as a repair where the database has lost what it had.

A replay skips batches that the ledger has loaded with the same contract. A repair loads every batch
that was loaded before, and is also what becomes of a replay for batches that an outcome says were
loaded and that the ledger doesn't know.

A batch that is loaded stays as it is while the pipeline has no more the contract it was loaded by.
Its readings are rows in that contract's table: all of them would be rejects as well, and its part
of the clean zone would be emptied. The same holds for what another contract of the pipeline has
loaded while it was the first one, which keys don't name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from etl.aws.target import Target
from etl.operations.batches import Batch
from etl.operations.contract_choice import has_several
from etl.operations.ledger_restoration import loaded_by, recorded, restore_ledger_rows
from etl.operations.reruns import RerunProgress, chunks, rerun
from telemetry.manifest import Purpose

__all__ = ["load_again", "loadable"]


def loadable(target: Target, batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches that can be loaded again: neither discarded, nor loaded by a contract that is not
    the one which would read them now."""
    if not has_several(target):
        yield from (one for one in batches if _has_contract(target, one))
        return
    for part in chunks(batches):
        known = [one for one in part if _has_contract(target, one)]
        unnamed = [one for one in known if one.status == "loaded" and one.raw.contract is None]
        by, others = loaded_by(target, unnamed), target.contracts.names[1:]
        yield from (one for one in known if by.get(one.raw.batch_id) not in others)


def _has_contract(target: Target, batch: Batch) -> bool:
    """False for a discarded batch, and for one that was loaded by a contract which the pipeline has
    no more."""
    if batch.status == "discarded":
        return False
    if batch.status != "loaded" or batch.raw.contract is None:
        return True
    return target.contracts.of_key(batch.raw.contract) is not None


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
