"""Runs batches through the workflow again, and reports progress.

An execution's name follows from its batches, their purpose and the deployed contract: a command
that is run again, after Ctrl-C or not, follows the execution that is running already. An execution
that has ended keeps its name for 90 days, so the next one of the same batches gets a number.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any

from etl.aws.target import Target
from etl.operations.batches import Batch, start_over
from etl.operations.contract_choice import deployed_digest
from etl.operations.executions import Execution, describe, execution_arn
from etl.operations.plurals import counted
from telemetry.manifest import MOST_BATCHES, Purpose

__all__ = [
    "RerunProgress",
    "Tally",
    "chunks",
    "concurrency_of",
    "execution_name",
    "rerun",
    "tally",
    "watch",
]

POLL_SECONDS = 1.0


@dataclass
class Tally:
    """Counts of batches, before they run through the workflow."""

    batches: int = 0
    messages: int = 0
    bytes: int = 0
    """Size of the staged objects, compressed."""
    by_status: Counter[str] = field(default_factory=Counter)
    """Numbers of batches by status: loaded, quarantined, discarded, failed or staged."""

    def add(self, batch: Batch) -> None:
        """Add one batch to the counts."""
        self.batches += 1
        self.messages += batch.raw.messages
        self.bytes += batch.size
        self.by_status[batch.status] += 1

    def __str__(self) -> str:
        if not self.batches:
            return "no micro-batches"
        statuses = ", ".join(
            f"{number:,} {status}" for status, number in sorted(self.by_status.items())
        )
        batches = counted(self.batches, "micro-batch")
        return f"{batches} of {counted(self.messages, 'message')} ({statuses})"


@dataclass(frozen=True)
class RerunProgress:
    """Progress of one execution, in batches."""

    execution: Execution
    total: int
    done: int
    """Batches that have ended, the failed ones included."""
    failed: int

    @property
    def ended(self) -> bool:
        """True once the execution is no longer running."""
        return self.execution.status != "RUNNING"


def tally(batches: Iterable[Batch]) -> Tally:
    """Counts of the batches."""
    found = Tally()
    for batch in batches:
        found.add(batch)
    return found


def concurrency_of(target: Target, chosen: int | None) -> int:
    """Number of batches to process in parallel: the chosen one, else the stack's parameter."""
    return chosen or int(target.parameters["MaxConcurrency"])


def chunks(batches: Iterable[Batch], size: int = MOST_BATCHES) -> Iterator[list[Batch]]:
    """The batches in lists of at most ``size``."""
    remaining = iter(batches)
    while chunk := list(islice(remaining, size)):
        yield chunk


def execution_name(kind: str, batches: Sequence[Batch], purpose: Purpose, digest: str) -> str:
    """The name of an execution, always the same for these batches, purpose and contracts."""
    identity = "\n".join([purpose, digest, *sorted(batch.key for batch in batches)])
    return f"{kind}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


def rerun(
    target: Target,
    batches: Sequence[Batch],
    purpose: Purpose,
    *,
    kind: str,
    concurrency: int | None = None,
) -> Iterator[RerunProgress]:
    """Run batches (at most ``MOST_BATCHES``) through the workflow, or follow the execution of them.

    Yields progress until the execution has ended.
    """
    name = execution_name(kind, batches, purpose, deployed_digest(target))
    yield from watch(target, _started(target, batches, purpose, name, concurrency), len(batches))


def watch(target: Target, arn: str, total: int = 0) -> Iterator[RerunProgress]:
    """Yields progress of an execution until it has ended.

    ``total`` is the number of batches until the map run reports its own.
    """
    while True:
        execution = describe(target, arn)
        counts = _item_counts(target, arn)
        failed = sum(counts.get(name, 0) for name in ("failed", "timedOut", "aborted"))
        yield RerunProgress(
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
    """ARN of the execution that is running already, or of a new one."""
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


def _item_counts(target: Target, arn: str) -> Mapping[str, Any]:
    states = target.client("stepfunctions")
    runs = states.list_map_runs(executionArn=arn)["mapRuns"]
    if not runs:
        return {}
    return states.describe_map_run(mapRunArn=runs[-1]["mapRunArn"])["itemCounts"]
