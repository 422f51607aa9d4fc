"""Long work that a button started: each job has a thread, and a page that shows its progress.

An execution keeps running without the control room. Its name follows from its batches, so the same
button, or the same command, finds it again.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dashboard.errors import PageError, page_error
from etl.operations.executions import Execution
from etl.operations.redrive import MoveProgress
from etl.operations.reruns import RerunProgress
from telemetry.errors import UserError

__all__ = ["Job", "Jobs", "TooManyJobsError"]

MOST_RUNNING = 4
MOST_KEPT = 50


class TooManyJobsError(UserError):
    """Raised when as many jobs run as may run at once."""


@dataclass
class Job:
    """Batches that are processed again, or messages that are moved back to the queue."""

    number: int
    title: str
    total: int
    """Number of items."""
    noun: str = "batch"
    """Name of one item."""
    verb: str = "processed"
    """Past participle of the action on the items, such as ``processed``."""
    reason: str = ""
    """Reject reason that the job was started from, if it was."""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None
    done: int = 0
    failed: int = 0
    executions: list[Execution] = field(default_factory=list)
    """The job's executions, each as it was last seen."""
    summary: str = ""
    """A sentence about the result, where there is more to say than the numbers."""
    error: PageError | None = None

    @property
    def running(self) -> bool:
        """True until it has ended."""
        return self.ended is None

    @property
    def status(self) -> str:
        """``RUNNING``, ``SUCCEEDED`` or ``FAILED``."""
        if self.running:
            return "RUNNING"
        well = self.error is None and all(e.status == "SUCCEEDED" for e in self.executions)
        return "SUCCEEDED" if well else "FAILED"

    def follow(self, steps: Iterable[RerunProgress]) -> None:
        """Record the progress of executions, one after the other, until the last ends."""
        before = 0
        for step in steps:
            if self.executions and self.executions[-1].arn == step.execution.arn:
                self.executions[-1] = step.execution
            else:
                self.executions.append(step.execution)
            self.done = before + step.done
            self.failed = max(self.failed, step.failed)
            if step.ended:
                before += step.done

    def follow_move(self, steps: Iterable[MoveProgress]) -> None:
        """Record the progress of a redrive until it ends."""
        last = MoveProgress(0, self.total, "RUNNING")
        for last in steps:
            self.done, self.total = last.moved, max(self.total, last.to_move)
        self.summary = f"{_messages(last.moved)} moved to the telemetry queue."
        if last.left == 1:
            self.summary += " 1 message was left, because AWS IoT did not write it."
        elif last.left:
            self.summary += (
                f" {last.left:,} messages were left, because AWS IoT did not write them."
            )
        if last.status != "COMPLETED":
            why = last.failure or "It was cancelled."
            self.error = PageError("aws", f"The move ended with status {last.status}", why)


def _messages(number: int) -> str:
    return f"{number:,} message{'' if number == 1 else 's'}"


class Jobs:
    """The jobs of this run of the control room."""

    def __init__(self, finished: Callable[[], None] = lambda: None) -> None:
        """``finished`` is called after each job, which has changed the pipeline."""
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._finished = finished

    def start(
        self,
        title: str,
        total: int,
        work: Callable[[Job], None],
        *,
        noun: str = "batch",
        verb: str = "processed",
        reason: str = "",
    ) -> Job:
        """Start a job and return at once. Raises :class:`TooManyJobsError`."""
        with self._lock:
            if sum(job.running for job in self._jobs.values()) >= MOST_RUNNING:
                raise TooManyJobsError(
                    f"{MOST_RUNNING} jobs are running: wait until one of them has ended."
                )
            job = Job(next(self._numbers), title, total, noun, verb, reason)
            self._jobs[job.number] = job
            while len(self._jobs) > MOST_KEPT:
                self._jobs.popitem(last=False)
        threading.Thread(target=self._run, args=(job, work), daemon=True).start()
        return job

    def _run(self, job: Job, work: Callable[[Job], None]) -> None:
        try:
            work(job)
        except Exception as error:
            job.error = page_error(error)
        job.ended = datetime.now(UTC)
        self._finished()

    def get(self, number: int) -> Job | None:
        """The job with this number, or ``None``."""
        return self._jobs.get(number)

    def newest(self, most: int = 5) -> list[Job]:
        """The newest jobs, newest first."""
        with self._lock:
            return list(reversed(self._jobs.values()))[:most]
