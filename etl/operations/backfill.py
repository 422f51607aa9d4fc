"""A backfill: all that was staged in a range of time, in pieces, one execution after the other.

Its id follows from the range and the deployed contract, and each of its executions bears it. So a
second call (after Ctrl-C, after a crash, on another machine) finds what still runs and follows it,
and leaves out what this backfill has settled already: the outcomes say by which execution.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from etl.aws.target import Target
from etl.operations.batch_selection import in_span
from etl.operations.batches import Batch
from etl.operations.executions import execution_arn
from etl.operations.reruns import Progress, Tally, parts, rerun, watch
from etl.operations.time_range import Span

__all__ = ["PIECE", "Backfill"]

PIECE = 1000
"""Batches of one execution: at ten in flight and a second each, a couple of minutes."""


@dataclass(frozen=True)
class Backfill:
    """Everything staged in a span, under the contract that is deployed now."""

    target: Target
    span: Span
    digest: str

    @classmethod
    def of(cls, target: Target, span: Span) -> Backfill:
        """The backfill of a span, under the deployed contract."""
        return cls(target, span, target.outputs["ContractDigest"])

    @property
    def id(self) -> str:
        """Always the same for this range and contract."""
        told = f"{self.span.start.isoformat()} {self.span.end.isoformat()} {self.digest}"
        return f"backfill-{hashlib.sha256(told.encode()).hexdigest()[:12]}"

    def all(self) -> Iterator[Batch]:
        """Every batch of the span but those that a person has given up."""
        return (b for b in in_span(self.target, self.span) if b.status != "discarded")

    def left(self) -> Iterator[Batch]:
        """The batches that this backfill has not settled yet."""
        return (batch for batch in self.all() if not self.has_settled(batch))

    def has_settled(self, batch: Batch) -> bool:
        """Whether one of its executions has dealt with the batch; what failed is tried again."""
        own = f"{self.id}-"
        return any(o.settled and o.execution.startswith(own) for o in batch.outcomes)

    def tallies(self) -> tuple[Tally, Tally]:
        """Counts of every batch of the span, and of those that are left."""
        whole, left = Tally(), Tally()
        for batch in self.all():
            whole.add(batch)
            if not self.has_settled(batch):
                left.add(batch)
        return whole, left

    def running(self) -> list[str]:
        """Names of its executions that still run: an earlier call was interrupted."""
        states = self.target.client("stepfunctions")
        pages = states.get_paginator("list_executions").paginate(
            stateMachineArn=self.target.outputs["StateMachineArn"], statusFilter="RUNNING"
        )
        names = (e["name"] for page in pages for e in page["executions"])
        return sorted(name for name in names if name.startswith(f"{self.id}-"))

    def carry_out(self, piece: int = PIECE, concurrency: int | None = None) -> Iterator[Progress]:
        """Follow what runs, then load what is left, piece by piece; yields progress of each."""
        for name in self.running():
            yield from watch(self.target, execution_arn(self.target, name))
        for part in parts(self.left(), piece):
            yield from rerun(self.target, part, "replay", kind=self.id, concurrency=concurrency)
