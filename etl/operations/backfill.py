"""A backfill loads all batches that were staged in a time range, one execution after the other.

Its id follows from the range and the deployed contract, and the names of its executions begin with
it. So a second call (after Ctrl-C, after a crash, on another machine) finds and follows the
execution that is still running, and skips the batches that this backfill has already processed:
their outcomes name the execution.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from etl.aws.target import Target
from etl.operations.batch_selection import batches_in
from etl.operations.batches import Batch
from etl.operations.executions import execution_arn
from etl.operations.reruns import RerunProgress, Tally, chunks, rerun, watch
from etl.operations.time_range import TimeRange

__all__ = ["BATCHES_PER_EXECUTION", "Backfill"]

BATCHES_PER_EXECUTION = 1000
"""Takes about two minutes, with ten batches in parallel and a second for each."""


@dataclass(frozen=True)
class Backfill:
    """All batches staged in a time range, loaded with the contract that is deployed now."""

    target: Target
    time_range: TimeRange
    digest: str

    @classmethod
    def of(cls, target: Target, time_range: TimeRange) -> Backfill:
        """The backfill of a time range with the deployed contract."""
        return cls(target, time_range, target.outputs["ContractDigest"])

    @property
    def id(self) -> str:
        """An id that is always the same for this time range and contract."""
        start, end = self.time_range.start.isoformat(), self.time_range.end.isoformat()
        identity = f"{start} {end} {self.digest}"
        return f"backfill-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"

    def all(self) -> Iterator[Batch]:
        """Every batch of the time range except the discarded ones."""
        return (b for b in batches_in(self.target, self.time_range) if b.status != "discarded")

    def left(self) -> Iterator[Batch]:
        """The batches that this backfill has not processed yet."""
        return (batch for batch in self.all() if not self.has_settled(batch))

    def has_settled(self, batch: Batch) -> bool:
        """True where one of its executions has settled the batch; failed batches are retried."""
        own = f"{self.id}-"
        return any(o.settled and o.execution.startswith(own) for o in batch.outcomes)

    def tallies(self) -> tuple[Tally, Tally]:
        """Counts of all batches of the time range, and of those that are left."""
        whole, left = Tally(), Tally()
        for batch in self.all():
            whole.add(batch)
            if not self.has_settled(batch):
                left.add(batch)
        return whole, left

    def running(self) -> list[str]:
        """Names of its executions that are still running since an earlier call was interrupted."""
        states = self.target.client("stepfunctions")
        pages = states.get_paginator("list_executions").paginate(
            stateMachineArn=self.target.outputs["StateMachineArn"], statusFilter="RUNNING"
        )
        names = (e["name"] for page in pages for e in page["executions"])
        return sorted(name for name in names if name.startswith(f"{self.id}-"))

    def run(
        self, size: int = BATCHES_PER_EXECUTION, concurrency: int | None = None
    ) -> Iterator[RerunProgress]:
        """Follow the executions that are running, then load the batches that are left.

        Starts one execution after the other, of up to ``size`` batches; yields their progress.
        """
        for name in self.running():
            yield from watch(self.target, execution_arn(self.target, name))
        for part in chunks(self.left(), size):
            yield from rerun(self.target, part, "replay", kind=self.id, concurrency=concurrency)
