"""Batches through the workflow once more, and how far they are.

An execution's name follows from its batches, their purpose and the deployed contract: the same
command given twice, or again after Ctrl-C, follows the execution that runs already. One that has
ended keeps its name for 90 days, so the next of the same batches gets a number behind it.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice

from etl.aws.target import Target
from etl.operations.batches import Batch, start_over
from etl.operations.executions import Execution, describe, execution_arn
from telemetry.manifest import MOST_BATCHES, Purpose

__all__ = ["Progress", "Tally", "concurrency_of", "name_of", "parts", "rerun", "tally", "watch"]

POLL_SECONDS = 1.0


@dataclass
class Tally:
    """What is about to go through the workflow."""

    batches: int = 0
    messages: int = 0
    bytes: int = 0
    """Compressed."""
    by_status: Counter[str] = field(default_factory=Counter)
    """How they ended so far: loaded, quarantined, discarded, failed, or staged without an end."""

    def add(self, batch: Batch) -> None:
        """Count one more."""
        self.batches += 1
        self.messages += batch.raw.messages
        self.bytes += batch.size
        self.by_status[batch.status] += 1

    def __str__(self) -> str:
        if not self.batches:
            return "no micro-batches"
        told = ", ".join(
            f"{number:,} {status}" for status, number in sorted(self.by_status.items())
        )
        batches = f"{self.batches:,} micro-batch{'es' if self.batches != 1 else ''}"
        return f"{batches} of {self.messages:,} message{'s' if self.messages != 1 else ''} ({told})"


@dataclass(frozen=True)
class Progress:
    """How far one execution is, in batches."""

    execution: Execution
    total: int
    done: int
    """Those that failed included."""
    failed: int

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.execution.status != "RUNNING"


def tally(batches: Iterable[Batch]) -> Tally:
    """Counts of the batches."""
    found = Tally()
    for batch in batches:
        found.add(batch)
    return found


def concurrency_of(target: Target, wanted: int | None) -> int:
    """Batches in flight at once: as wanted, else the stack's parameter."""
    return wanted or int(target.parameters["MaxConcurrency"])


def parts(batches: Iterable[Batch], size: int = MOST_BATCHES) -> Iterator[list[Batch]]:
    """The batches in lists of at most so many."""
    left = iter(batches)
    while part := list(islice(left, size)):
        yield part


def name_of(kind: str, batches: Sequence[Batch], purpose: Purpose, digest: str) -> str:
    """Name of the execution over these batches, always the same for them."""
    told = "\n".join([purpose, digest, *sorted(batch.key for batch in batches)])
    return f"{kind}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def rerun(
    target: Target,
    batches: Sequence[Batch],
    purpose: Purpose,
    *,
    kind: str,
    concurrency: int | None = None,
) -> Iterator[Progress]:
    """Send batches (at most ``MOST_BATCHES``) through the workflow, or follow where they are in it.

    Yields progress until the execution has ended, which is the last.
    """
    name = name_of(kind, batches, purpose, target.outputs["ContractDigest"])
    yield from watch(target, _started(target, batches, purpose, name, concurrency), len(batches))


def watch(target: Target, arn: str, total: int = 0) -> Iterator[Progress]:
    """Progress of an execution until it has ended. ``total`` is known once its map has begun."""
    while True:
        execution = describe(target, arn)
        counts = _item_counts(target, arn)
        failed = sum(counts.get(name, 0) for name in ("failed", "timedOut", "aborted"))
        yield Progress(
            execution,
            total=counts.get("total", 0) or total,
            done=counts.get("succeeded", 0) + failed,
            failed=failed,
        )
        if execution.status != "RUNNING":
            return
        time.sleep(POLL_SECONDS)


def _started(
    target: Target, batches: Sequence[Batch], purpose: Purpose, name: str, concurrency: int | None
) -> str:
    """ARN of the execution: the one that runs, or a new one."""
    taken = target.client("stepfunctions").exceptions.ExecutionAlreadyExists
    for attempt in count(1):
        numbered = name if attempt == 1 else f"{name}-{attempt}"
        try:
            return start_over(target, batches, purpose, name=numbered, concurrency=concurrency)
        except taken:
            arn = execution_arn(target, numbered)
            if describe(target, arn).status == "RUNNING":  # with another concurrency
                return arn
    raise AssertionError("count() has no end")


def _item_counts(target: Target, arn: str) -> dict[str, int]:
    states = target.client("stepfunctions")
    runs = states.list_map_runs(executionArn=arn)["mapRuns"]
    if not runs:
        return {}
    return dict(states.describe_map_run(mapRunArn=runs[-1]["mapRunArn"])["itemCounts"])
