"""Work on a contract has a process of its own: limits stop it, and the next work is done again."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from dashboard.playground.process import MOST_WAITING, WorkError, WorkProcess
from telemetry.contract import parse_contract

PATIENCE = 240.0


@pytest.fixture
def work() -> Iterator[WorkProcess]:
    process = WorkProcess(int, seconds=PATIENCE)
    yield process
    process.close()


def test_it_is_done_in_another_process_that_stays(work: WorkProcess) -> None:
    first = work.run(os.getpid)
    assert first != os.getpid()
    assert work.run(os.getpid) == first


def test_what_takes_too_long_is_stopped(work: WorkProcess) -> None:
    before = work.run(os.getpid)
    work.seconds = 0.1
    with pytest.raises(WorkError, match=r"more than 0\.1 seconds"):
        work.run(time.sleep, 10_000)
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    work.seconds = PATIENCE
    assert work.run(os.getpid) != before


def test_what_needs_too_much_memory_is_stopped(work: WorkProcess) -> None:
    with pytest.raises(WorkError, match="too much memory"):
        work.run(bytes, 64 << 30)
    assert work.run(abs, -1) == 1


def test_a_process_that_died_is_replaced(work: WorkProcess) -> None:
    with pytest.raises(WorkError, match="stopped by the system"):
        work.run(os._exit, 3)
    assert work.run(abs, -1) == 1


def test_an_expected_error_keeps_its_message_and_another_is_a_sentence(work: WorkProcess) -> None:
    with pytest.raises(WorkError, match=r"x\.toml: topic: is missing"):
        work.run(parse_contract, b"", "x.toml")
    with pytest.raises(WorkError, match=r"Unexpected error in the check \(ValueError\)"):
        work.run(int, "x")


def test_few_may_wait(work: WorkProcess) -> None:
    work.run(abs, 0)
    with work._lock:  # as long as another work runs
        waiting = [threading.Thread(target=work.run, args=(abs, 1)) for _ in range(MOST_WAITING)]
        for thread in waiting:
            thread.start()
        while work._waiting._value:
            time.sleep(0.01)
        with pytest.raises(WorkError, match="still running"):
            work.run(abs, 2)
    for thread in waiting:
        thread.join()
    assert work.run(abs, -3) == 3


def test_nothing_is_left_after_the_end(work: WorkProcess) -> None:
    process = work.run(os.getpid)
    work.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(WorkError, match="stopping"):
        work.run(abs, 1)
