"""When a drain loop drains, waits and ends, for any times of start and any duration of a drain."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.extract.drain_loop import PRECISION, DrainLoop, loop_of
from telemetry.errors import ConfigurationError
from telemetry.manifest import MOST_DRAINS

SCHEDULED = datetime(2026, 11, 23, 23, 55, tzinfo=UTC)
SECONDS = st.floats(0, 90, allow_nan=False)


def asked(**more: Any) -> dict[str, Any]:
    drains = {"scheduled": "2026-11-23T23:55:00Z", "every": 25, "seconds": 600, **more}
    return {"drains": drains}


def begun(started: datetime = SCHEDULED, **more: Any) -> DrainLoop:
    loop = loop_of(asked(**more), started)
    assert loop is not None
    return loop


def drains_of(start: datetime, durations: list[float], every: float = 25) -> list[datetime]:
    """Times of the drains of one execution, each of which takes so long, with its map."""
    loop: DrainLoop | None = begun(every=every)
    now, found = start, []
    for duration in durations:
        assert loop is not None
        if loop.too_early(now):
            loop = loop.same_drain()
            now = loop.due
        if not loop.is_over(now):
            found.append(now)
        through = json.loads(json.dumps({"again": loop.as_dict()}))  # as the state machine does
        copied = loop_of(through, start)
        assert copied is not None
        loop = copied.next_drain(now, staged=True)
        if loop is None:
            return found
        now = max(now + timedelta(seconds=duration), loop.due)
    return found


def test_without_being_asked_there_is_no_loop() -> None:
    for given_ in (None, {}, [], "text", {"prefix": "raw/"}, {"bucket": "b", "batches": 1}):
        assert loop_of(given_, SCHEDULED) is None


def test_the_interval_begins_a_minute_after_the_scheduled_time() -> None:
    loop = begun()
    assert loop.too_early(SCHEDULED + timedelta(seconds=59))
    assert not loop.too_early(SCHEDULED + PRECISION)
    assert loop.until == SCHEDULED + timedelta(seconds=660)
    # After the wait it drains even where the clock of the function is behind.
    assert not loop.same_drain().too_early(SCHEDULED)


@given(st.floats(0, 59.9), st.lists(SECONDS, min_size=70, max_size=70), st.floats(10, 120))
def test_drains_stay_in_the_interval_and_are_a_window_or_a_drain_apart(
    late: float, durations: list[float], every: float
) -> None:
    found = drains_of(SCHEDULED + timedelta(seconds=late), durations, every)
    begin, until = SCHEDULED + PRECISION, SCHEDULED + PRECISION + timedelta(seconds=600)
    assert found[0] == begin
    assert all(begin <= time < until for time in found)
    assert len(found) <= MOST_DRAINS
    longest = max(every, *durations) + 0.01
    apart = [(after - before).total_seconds() for before, after in itertools.pairwise(found)]
    assert all(0 <= seconds <= longest + every for seconds in apart)
    assert (until - found[-1]).total_seconds() <= longest + every


def test_two_starts_neither_overlap_nor_leave_a_gap() -> None:
    first, second = begun(), begun(scheduled="2026-11-24T00:05:00Z")
    assert first.until == second.due


def test_quick_drains_come_in_each_window() -> None:
    found = drains_of(SCHEDULED, [1.0] * 30)
    assert len(found) == 24
    assert {(b - a).total_seconds() for a, b in itertools.pairwise(found)} == {25.0}


def test_a_drain_that_takes_longer_is_followed_by_the_next_one_at_once() -> None:
    found = drains_of(SCHEDULED, [1.0, 60.0, 1.0, 1.0])
    begin = found[0]
    assert [(time - begin).total_seconds() for time in found] == [0, 25, 85, 110]


def test_a_start_that_comes_late_drains_what_is_left_and_one_too_late_nothing() -> None:
    assert len(drains_of(SCHEDULED + timedelta(seconds=635), [1.0] * 9)) == 1
    assert drains_of(SCHEDULED + timedelta(seconds=660), [1.0] * 9) == []


@pytest.mark.parametrize("scheduled", ["<aws.scheduler.scheduled-time>", "soon", None, 7])
def test_a_time_that_is_none_is_the_start_of_the_execution(scheduled: Any) -> None:
    started = SCHEDULED + timedelta(hours=1)
    loop = begun(started, scheduled=scheduled)
    assert (loop.due, loop.until) == (started, started + timedelta(seconds=600))
    assert not loop.too_early(started)
    drains = asked()["drains"]
    del drains["scheduled"]
    assert loop_of({"drains": drains}, started) == loop


def test_the_history_bounds_the_number_of_drains() -> None:
    assert begun(every=1).every == 600 / MOST_DRAINS
    assert len(drains_of(SCHEDULED, [0.0] * 100, every=1)) == MOST_DRAINS


@pytest.mark.parametrize(
    "drains",
    [
        {}, [], "x", {"every": 25}, {"every": 0, "seconds": 600}, {"every": "x", "seconds": 1},
        {"every": 25, "seconds": float("nan")}, {"every": 25, "seconds": 1e300},
        {"every": None, "seconds": 60},
    ],
)  # fmt: skip
def test_an_input_that_can_not_be_used_is_refused(drains: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"A drain loop's input is"):
        loop_of({"drains": drains}, SCHEDULED)


def test_drains_with_batches_are_remembered() -> None:
    loop = begun()
    second = loop.next_drain(loop.due, staged=True)
    assert second is not None
    third = second.next_drain(second.due, staged=False)
    assert third is not None
    assert (second.loaded, third.loaded, third.drain) == ((0,), (0,), 2)
    assert third.with_this(staged=True) == (0, 2)
