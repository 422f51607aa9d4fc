"""The two things that a discrete-event simulation is made of: a clock, and places to wait for."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable

__all__ = ["Action", "Clock", "Places"]

Action = Callable[[], None]


class Clock:
    """Does things in order of time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Action]] = []
        self._order = itertools.count()

    def after(self, seconds: float, action: Action) -> None:
        """``action`` so many seconds from now."""
        heapq.heappush(self._due, (self.now + seconds, next(self._order), action))

    def run(self, until: float) -> None:
        """Everything that is due before then."""
        while self._due and self._due[0][0] <= until:
            self.now, _, action = heapq.heappop(self._due)
            action()


class Places:
    """So many places, taken in the order of asking; knows how many were in use or asked for."""

    def __init__(self, clock: Clock, number: float) -> None:
        self._clock, self._number = clock, number
        self._waiting: deque[Action] = deque()
        self.used = self.most = 0
        self._held = self._since = 0.0

    @property
    def held_seconds(self) -> float:
        """Places times seconds in use until now."""
        return self._held + self.used * (self._clock.now - self._since)

    def take(self, then: Action) -> None:
        """``then`` runs once there is a place, which it holds until :meth:`give`."""
        if self.used < self._number:
            self._tally(1)
            then()
        else:
            self._waiting.append(then)
        self.most = max(self.most, self.used + len(self._waiting))

    def give(self) -> None:
        """A place is free again."""
        if self._waiting:
            self._waiting.popleft()()
        else:
            self._tally(-1)

    def _tally(self, more: int) -> None:
        self._held, self._since = self.held_seconds, self._clock.now
        self.used += more
