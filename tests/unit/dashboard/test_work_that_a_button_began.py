"""Jobs that a button started: their progress, their number, and their failures."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest

from dashboard.jobs import MOST_RUNNING, Job, Jobs, TooManyJobsError
from etl.operations.executions import Execution
from etl.operations.redrive import MoveProgress
from etl.operations.reruns import RerunProgress


def step(name: str, status: str, done: int, failed: int = 0) -> RerunProgress:
    now = datetime.now(UTC)
    stopped = None if status == "RUNNING" else now
    execution = Execution(f"arn:{name}", name, status, now, stopped, {}, None, None, None)
    return RerunProgress(execution, 3, done, failed)


def ended(job: Job) -> Job:
    until = time.monotonic() + 120
    while job.running and time.monotonic() < until:
        time.sleep(0.005)
    return job


def test_executions_one_after_the_other_add_up() -> None:
    steps = [step("a", "RUNNING", 0), step("a", "SUCCEEDED", 3), step("b", "SUCCEEDED", 2)]
    job = ended(Jobs().start("again", 5, lambda job: job.follow(steps)))
    assert (job.done, job.status) == (5, "SUCCEEDED")
    assert [e.name for e in job.executions] == ["a", "b"]


def test_one_that_failed_makes_the_whole_fail() -> None:
    steps = [step("a", "FAILED", 3, failed=1), step("b", "SUCCEEDED", 2)]
    job = ended(Jobs().start("again", 5, lambda job: job.follow(steps)))
    assert (job.status, job.failed) == ("FAILED", 1)


def test_an_exception_is_reported_and_the_end_is_noticed() -> None:
    noticed = threading.Event()

    def work(_: Job) -> None:
        raise ConnectionError("gone")

    job = ended(Jobs(finished=noticed.set).start("again", 5, work))
    assert job.status == "FAILED"
    assert job.error is not None
    assert "gone" in job.error.detail
    assert noticed.wait(120)


def test_messages_that_are_left_are_reported() -> None:
    steps = [MoveProgress(1, 3, "RUNNING"), MoveProgress(2, 3, "COMPLETED", left=1)]
    job = ended(Jobs().start("back", 3, lambda job: job.follow_move(steps), noun="message"))
    assert job.status == "SUCCEEDED"
    assert job.summary == (
        "2 messages moved to the telemetry queue. "
        "1 message was left, because AWS IoT did not write it."
    )
    stopped = ended(
        Jobs().start("back", 3, lambda job: job.follow_move([MoveProgress(1, 3, "FAILED")]))
    )
    assert stopped.status == "FAILED"


def test_only_so_much_is_begun_at_once() -> None:
    jobs, gate = Jobs(), threading.Event()
    started = [jobs.start("x", 1, lambda _: gate.wait(120) and None) for _ in range(MOST_RUNNING)]
    with pytest.raises(TooManyJobsError, match="wait until one of them has ended"):
        jobs.start("x", 1, lambda _: None)
    gate.set()
    assert {ended(job).status for job in started} == {"SUCCEEDED"}
    assert jobs.get(started[0].number) is started[0]
    assert jobs.newest(1) == [started[-1]]
