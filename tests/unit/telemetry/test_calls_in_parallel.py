"""Calls are made at the same time, all of them to their end, and the first error is raised."""

from __future__ import annotations

import threading
import time

import pytest

from telemetry.parallel import MOST_THREADS, run_in_parallel


def test_the_calls_meet() -> None:
    meeting = threading.Barrier(3)
    run_in_parallel([lambda: meeting.wait(60)] * 3)  # breaks unless all are under way at once


@pytest.mark.parametrize("number", [0, 1, 3 * MOST_THREADS])
def test_each_call_is_made_once(number: int) -> None:
    made: list[int] = []
    run_in_parallel([lambda n=n: made.append(n) for n in range(number)])  # type: ignore[misc]
    assert sorted(made) == list(range(number))


@pytest.mark.parametrize("number", [1, 3])
def test_the_error_of_the_first_is_raised_once_all_have_ended(number: int) -> None:
    ended: list[str] = []

    def fail(text: str) -> None:
        raise ValueError(text)

    def take_long() -> None:
        time.sleep(0.1)
        ended.append("slow")

    calls = [lambda: fail("first"), lambda: fail("second"), take_long][:number]
    with pytest.raises(ValueError, match="first"):
        run_in_parallel(calls)
    assert ended == ["slow"] * (number - 1 > 1)
