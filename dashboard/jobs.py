"""Long work that a button began: a thread each, watched by a page of its own.

What is under way in the workflow goes on without the control room: an execution's name follows
from its batches, so the same button, or the same command, follows it again.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dashboard.errors import Trouble, trouble_of
from etl.operations.executions import Execution
from etl.operations.redrive import MoveProgress
from etl.operations.reruns import RerunProgress
from telemetry.errors import UserError

__all__ = ["Job", "Jobs", "TooManyJobsError"]

MOST_RUNNING = 4
MOST_REMEMBERED = 50


class TooManyJobsError(UserError):
    """Raised when so much is under way already that a person should wait."""


@dataclass
class Job:
    """Batches on their way through the workflow once more, or messages on their way back."""

    number: int
    title: str
    total: int
    """How many of ``noun`` there are."""
    noun: str = "batch"
    reason: str = ""
    """What the rejects were rejected for that it is to repair, where that began it."""
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None
    done: int = 0
    failed: int = 0
    executions: list[Execution] = field(default_factory=list)
    """Each as it was last seen."""
    said: str = ""
    """What is to be said of its end."""
    trouble: Trouble | None = None

    @property
    def running(self) -> bool:
        """Whether it is under way."""
        return self.ended is None

    @property
    def status(self) -> str:
        """``RUNNING``, ``SUCCEEDED`` or ``FAILED``."""
        if self.running:
            return "RUNNING"
        well = self.trouble is None and all(e.status == "SUCCEEDED" for e in self.executions)
        return "SUCCEEDED" if well else "FAILED"

    def see(self, steps: Iterable[RerunProgress]) -> None:
        """Follow the work to its end."""
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

    def see_moving(self, steps: Iterable[MoveProgress]) -> None:
        """Follow messages on their way back to the queue, to the end."""
        last = MoveProgress(0, self.total, "RUNNING")
        for last in steps:
            self.done, self.total = last.moved, max(self.total, last.to_move)
        self.said = f"{last.moved:,} moved to the telemetry queue."
        if last.left:
            self.said += f" {last.left:,} are not as IoT writes them, and stay."
        if last.status != "COMPLETED":
            why = last.failure or "somebody stopped it"
            self.trouble = Trouble("aws", f"The move ended as {last.status}", why)


class Jobs:
    """Those of this run of the control room."""

    def __init__(self, finished: Callable[[], None] = lambda: None) -> None:
        """``finished`` is called after each, as much has changed then."""
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._finished = finished

    def begin(
        self,
        title: str,
        total: int,
        work: Callable[[Job], None],
        *,
        noun: str = "batch",
        reason: str = "",
    ) -> Job:
        """Begin work and return at once. Raises :class:`TooManyJobsError`."""
        with self._lock:
            if sum(job.running for job in self._jobs.values()) >= MOST_RUNNING:
                raise TooManyJobsError(
                    f"{MOST_RUNNING} of these are under way: wait until one has ended."
                )
            job = Job(next(self._numbers), title, total, noun, reason)
            self._jobs[job.number] = job
            while len(self._jobs) > MOST_REMEMBERED:
                self._jobs.popitem(last=False)
        threading.Thread(target=self._carry_out, args=(job, work), daemon=True).start()
        return job

    def _carry_out(self, job: Job, work: Callable[[Job], None]) -> None:
        try:
            work(job)
        except Exception as error:
            job.trouble = trouble_of(error)
        job.ended = datetime.now(UTC)
        self._finished()

    def get(self, number: int) -> Job | None:
        """A job by its number."""
        return self._jobs.get(number)

    def newest(self, most: int = 5) -> list[Job]:
        """The newest first."""
        with self._lock:
            return list(reversed(self._jobs.values()))[:most]
