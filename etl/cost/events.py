"""The two parts of a discrete-event simulation: a clock, and resources with limited capacity."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable

__all__ = ["Action", "Clock", "Resource"]

Action = Callable[[], None]


class Clock:
    """Runs scheduled actions in the order of their time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Action]] = []
        self._order = itertools.count()

    def after(self, seconds: float, action: Action) -> None:
        """Schedules ``action`` for so many seconds from now."""
        heapq.heappush(self._due, (self.now + seconds, next(self._order), action))

    def run(self, until: float) -> None:
        """Runs everything that is due at or before that time."""
        while self._due and self._due[0][0] <= until:
            self.now, _, action = heapq.heappop(self._due)
            action()


class Resource:
    """A resource of limited capacity, granted in the order of the requests."""

    def __init__(self, clock: Clock, capacity: float) -> None:
        self._clock, self._capacity = clock, capacity
        self._waiting: deque[Action] = deque()
        # Units in use now, and the most that were in use or requested at once.
        self.in_use = self.peak = 0
        self._held = self._since = 0.0

    @property
    def held_seconds(self) -> float:
        """Units in use, summed over the seconds until now."""
        return self._held + self.in_use * (self._clock.now - self._since)

    def acquire(self, then: Action) -> None:
        """Runs ``then`` once a unit is free; it is held until :meth:`release`."""
        if self.in_use < self._capacity:
            self._change(1)
            then()
        else:
            self._waiting.append(then)
        self.peak = max(self.peak, self.in_use + len(self._waiting))

    def release(self) -> None:
        """Returns one unit, to the longest waiting request if there is one."""
        if self._waiting:
            self._waiting.popleft()()
        else:
            self._change(-1)

    def _change(self, units: int) -> None:
        self._held, self._since = self.held_seconds, self._clock.now
        self.in_use += units
