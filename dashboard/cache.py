"""A cache of answers about the pipeline: each question is asked once for all pages that are open.

An answer holds a value or a :class:`PageError`, never an exception: a page that lacks one answer
still shows the others.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from dashboard.errors import PageError, page_error

__all__ = ["Answer", "AnswerCache"]

MOST_ANSWERS = 400
STALE_SECONDS = 10.0
"""Seconds past its time after which an answer is waited for rather than shown once more."""
T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """The result of a question: a value or an error, or neither while none has come yet."""

    value: T | None = None
    error: PageError | None = None
    at: float = 0.0
    """Epoch seconds when it came; 0 where none has come yet."""
    took: float = 0.0
    """Seconds that it took to get."""

    @property
    def age(self) -> float:
        """Seconds since it came."""
        return time.time() - self.at


@dataclass
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: Answer[Any] = field(default_factory=Answer)
    fetching: bool = False


class AnswerCache:
    """Answers by key; safe to use from several threads."""

    def __init__(self, workers: int = 4) -> None:
        """``workers`` is how many answers are fetched in the background at once."""
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="answers")

    def get(self, key: Hashable, max_age: float, question: Callable[[], T]) -> Answer[T]:
        """The answer, at most ``max_age`` seconds old.

        One caller asks. Others that come meanwhile get the previous answer; they wait where
        there is none, or where it is so old that it may no longer be true.
        """
        entry = self._entry(key)
        if _is_fresh(entry, max_age):
            return entry.answer
        too_old = not entry.answer.at or entry.answer.age > max_age + STALE_SECONDS
        if not entry.lock.acquire(blocking=too_old):
            return entry.answer
        try:
            if not _is_fresh(entry, max_age):
                entry.answer = _fetch(question)
            return entry.answer
        finally:
            entry.lock.release()

    def get_in_background(
        self,
        key: Hashable,
        max_age: float,
        question: Callable[[], T],
        longest: float = float("inf"),
    ) -> Answer[T]:
        """The previous answer, at once; where it is too old, a new one is fetched meanwhile.

        One that is older than ``longest`` seconds is not shown: nothing is known until then.
        """
        entry = self._entry(key)
        with self._lock:
            due = not entry.fetching and not _is_fresh(entry, max_age)
            entry.fetching = entry.fetching or due
        if due:

            def fetch() -> None:
                try:
                    entry.answer = _fetch(question)
                finally:
                    entry.fetching = False

            self._workers.submit(fetch)
        return entry.answer if entry.answer.age <= longest else Answer()

    def clear(self) -> None:
        """Forget every answer."""
        with self._lock:
            self._entries.clear()

    def close(self) -> None:
        """Fetch nothing more in the background."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _entry(self, key: Hashable) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > MOST_ANSWERS:
                self._entries.popitem(last=False)
            return entry


def _is_fresh(entry: _Entry, max_age: float) -> bool:
    return bool(entry.answer.at) and entry.answer.age < max_age


def _fetch(question: Callable[[], T]) -> Answer[T]:
    start = time.monotonic()
    try:
        value, error = question(), None
    except Exception as failure:
        value, error = None, page_error(failure)
    return Answer(value, error, time.time(), time.monotonic() - start)
