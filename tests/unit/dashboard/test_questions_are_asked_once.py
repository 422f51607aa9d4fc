"""However many pages are open, a question goes to the pipeline once; and no answer is an exception."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboard.cache import AnswerCache

LONG = 3_600.0
"""Seconds that an answer holds: longer than any machine stands still."""


def test_pages_that_ask_at_once_get_one_answer() -> None:
    cache, asked = AnswerCache(), []

    def question() -> int:
        asked.append(1)
        time.sleep(0.05)  # the other pages ask meanwhile
        return 7

    with ThreadPoolExecutor(16) as pages:
        answers = list(pages.map(lambda _: cache.get("k", LONG, question).value, range(64)))
    assert set(answers) == {7}
    assert len(asked) == 1


def test_an_answer_holds_so_long_and_no_longer() -> None:
    cache, numbers = AnswerCache(), iter(range(10))
    assert cache.get("k", LONG, lambda: next(numbers)).value == 0
    assert cache.get("k", LONG, lambda: next(numbers)).value == 0
    assert cache.get("k", 0, lambda: next(numbers)).value == 1
    cache.clear()
    assert cache.get("k", LONG, lambda: next(numbers)).value == 2


def test_a_failure_is_an_error_with_a_sentence() -> None:
    def question() -> int:
        raise ValueError("\x1b]0;owned\x07")

    answer = AnswerCache().get("k", LONG, question)
    assert answer.value is None
    assert answer.error is not None
    assert answer.error.detail == "\\x1b]0;owned\\x07"


def test_a_slow_answer_is_fetched_in_the_background() -> None:
    cache, gate = AnswerCache(), threading.Event()

    def question() -> int:
        gate.wait(120)
        return 7

    assert cache.get_in_background("k", LONG, question).at == 0, "it does not wait for the gate"
    gate.set()
    until = time.monotonic() + 120
    while cache.get_in_background("k", LONG, question).value is None and time.monotonic() < until:
        time.sleep(0.01)
    assert cache.get_in_background("k", LONG, question).value == 7
    cache.close()


def test_a_slow_question_does_not_hold_up_who_has_an_older_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dashboard.cache.STALE_SECONDS", LONG)
    cache, gate, asked = AnswerCache(), threading.Event(), threading.Event()
    cache.get("k", LONG, lambda: 1)

    def slow() -> int:
        asked.set()
        gate.wait(120)
        return 2

    asking = threading.Thread(target=cache.get, args=("k", 0, slow))
    asking.start()
    assert asked.wait(120)
    assert cache.get("k", 0, slow).value == 1, "it does not wait for the gate"
    gate.set()
    asking.join()


def test_an_answer_of_long_ago_is_waited_for_rather_than_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache, gate, asked = AnswerCache(), threading.Event(), threading.Event()
    cache.get("k", LONG, lambda: 1)
    monkeypatch.setattr("dashboard.cache.STALE_SECONDS", -1.0)  # as if time had passed

    def slow() -> int:
        asked.set()
        gate.wait(60)
        return 2

    with ThreadPoolExecutor(2) as pages:
        first = pages.submit(cache.get, "k", 0, slow)
        assert asked.wait(60)
        second = pages.submit(cache.get, "k", 0, lambda: 3)
        gate.set()
        assert first.result(60).value == 2
        assert second.result(60).value in (2, 3)


def test_an_old_answer_of_the_background_is_not_shown_as_if_it_were_of_now() -> None:
    cache = AnswerCache()
    cache.get("k", LONG, lambda: 1)
    assert cache.get_in_background("k", LONG, lambda: 2, longest=LONG).value == 1
    assert cache.get_in_background("k", LONG, lambda: 2, longest=-1).value is None
    cache.close()
