"""Limits of processor time and memory within which a function of someone else is run.

Time is that of the processor, so a busy machine costs no message anything. The limits need the
main thread (Lambda runs handlers in it) and a system that has them; elsewhere there are none.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

try:
    import resource
except ImportError:  # pragma: no cover - Windows
    resource = None  # type: ignore[assignment]

__all__ = ["SECONDS", "Limits", "TimeLimitError"]

SECONDS = 1.0
"""Processor time for one payload; Transform has 60 s for a batch."""
AGAIN = 0.25
"""Seconds after which a function that caught the first exception is interrupted again."""
MEMORY = 256 << 20
"""Bytes that a function may take beside what the process holds; Transform has 2 GB."""
STATM = Path("/proc/self/statm")
PAGE = 4096
MEASURED_EVERY = 200
"""Calls after which it is measured again what the process holds."""
T = TypeVar("T")


class TimeLimitError(BaseException):
    """Raised within a function that takes too much time; no ``except Exception`` catches it."""


class _Alarm:
    """The signal's handler, which stays in place: it raises only while a function is run."""

    def __init__(self) -> None:
        self.armed = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        if self.armed:
            raise TimeLimitError


_alarm = _Alarm()


class Limits:
    """Runs one function again and again, each call within the limits."""

    def __init__(self) -> None:
        self._calls = 0
        self._memory: tuple[int, int] | None = None
        """Limits of memory as they were, and are again after a call."""
        self._lowered: tuple[int, int] | None = None

    def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """The result of the function.

        Raises what it raises, :class:`TimeLimitError` or ``MemoryError``. A call of C that never
        returns to Python isn't interrupted: Lambda's own time limit ends it.
        """
        if threading.current_thread() is not threading.main_thread():
            return function(*arguments)
        try:
            try:
                self._set()
                return function(*arguments)
            finally:
                self._lift()
        except TimeLimitError:  # which may have come just before the limits were lifted
            self._lift()
            raise

    def _set(self) -> None:
        if self._calls % MEASURED_EVERY == 0:
            self._measure()
        self._calls += 1
        if self._lowered is not None:
            resource.setrlimit(resource.RLIMIT_AS, self._lowered)
        _alarm.armed = True
        signal.setitimer(signal.ITIMER_PROF, SECONDS, AGAIN)

    def _lift(self) -> None:
        """Lifts the limits; doing so twice changes nothing."""
        _alarm.armed = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        if self._memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, self._memory)

    def _measure(self) -> None:
        """Puts the handler in place, and finds out what the process holds and may hold."""
        signal.signal(signal.SIGPROF, _alarm)
        self._memory = self._lowered = None
        if resource is None or not STATM.exists():
            return
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = int(STATM.read_bytes().split()[0]) * PAGE + MEMORY
        if soft == resource.RLIM_INFINITY or soft > most:
            self._memory, self._lowered = (soft, hard), (most, hard)
