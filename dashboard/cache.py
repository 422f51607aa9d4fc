"""Each question is asked once for all pages that are open, and answered from memory until then.

An answer is a value or a trouble, never an exception: a page draws what could not be had.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from dashboard.errors import Trouble, trouble_of

__all__ = ["Answer", "Shared"]

MOST_ANSWERS = 400
T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What came of a question: exactly one of ``value`` and ``trouble``, or neither yet."""

    value: T | None = None
    trouble: Trouble | None = None
    at: float = 0.0
    """Epoch seconds; 0: it was not asked yet."""
    took: float = 0.0
    """Seconds."""

    @property
    def age(self) -> float:
        """Seconds since it was asked."""
        return time.time() - self.at


@dataclass
class _Question:
    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: Answer[Any] = field(default_factory=Answer)
    asked: bool = False


class Shared:
    """Answers by key."""

    def __init__(self, workers: int = 4) -> None:
        self._questions: OrderedDict[Hashable, _Question] = OrderedDict()
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="asking")

    def ask(self, key: Hashable, seconds: float, question: Callable[[], T]) -> Answer[T]:
        """The answer, at most so many seconds old.

        One caller asks, those who come meanwhile get the answer of before or wait for the first.
        """
        found = self._question(key)
        if self._fresh(found, seconds):
            return found.answer
        if not found.lock.acquire(blocking=not found.answer.at):
            return found.answer
        try:
            if not self._fresh(found, seconds):
                found.answer = _asked(question)
            return found.answer
        finally:
            found.lock.release()

    def ask_behind(self, key: Hashable, seconds: float, question: Callable[[], T]) -> Answer[T]:
        """The answer of before, at once; a newer one is fetched meanwhile. For what takes long."""
        found = self._question(key)
        with self._lock:
            due = not found.asked and not self._fresh(found, seconds)
            found.asked = found.asked or due
        if due:

            def fetch() -> None:
                try:
                    found.answer = _asked(question)
                finally:
                    found.asked = False

            self._workers.submit(fetch)
        return found.answer

    def forget(self) -> None:
        """Ask everything anew, after something was done."""
        with self._lock:
            self._questions.clear()

    def close(self) -> None:
        """Ask nothing more."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _question(self, key: Hashable) -> _Question:
        with self._lock:
            found = self._questions.setdefault(key, _Question())
            self._questions.move_to_end(key)
            while len(self._questions) > MOST_ANSWERS:
                self._questions.popitem(last=False)
            return found

    @staticmethod
    def _fresh(question: _Question, seconds: float) -> bool:
        return bool(question.answer.at) and question.answer.age < seconds


def _asked(question: Callable[[], T]) -> Answer[T]:
    begin = time.monotonic()
    try:
        value, trouble = question(), None
    except Exception as error:
        value, trouble = None, trouble_of(error)
    return Answer(value, trouble, time.time(), time.monotonic() - begin)
