"""The drain loop: one execution drains the queue once in each window, until its interval is over.

Step Functions charges for each state that a Standard execution enters, so one execution for many
drains costs less than an execution for each. A schedule starts it with::

    {"drains": {"scheduled": "2026-11-23T10:00:00Z", "every": 25, "seconds": 600}}

Between two drains its state is in the answer of Extract, which is the input of the next call::

    {..., "again": {"at": "2026-11-23T10:01:25.000Z", "until": "2026-11-23T10:11:00.000Z",
                    "every": 25.0, "drain": 1, "loaded": [0]}}

EventBridge Scheduler starts anywhere within a minute, so the interval of a start begins one minute
after its time: the intervals of two starts neither overlap nor leave a gap
(https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html, read 2026-11). Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from telemetry.errors import ConfigurationError
from telemetry.manifest import MOST_DRAINS

__all__ = ["PRECISION", "DrainLoop", "loop_of"]

PRECISION = timedelta(seconds=60)
"""EventBridge Scheduler starts up to this much later than scheduled."""


@dataclass(frozen=True, kw_only=True)
class DrainLoop:
    """One drain of a loop, and what the ones after it need to know."""

    due: datetime
    """Time for which the drain is planned; it may come later."""
    until: datetime
    """End of the interval: no drain begins after it."""
    every: float
    """Seconds from one drain to the next."""
    drain: int = 0
    """Number of the drain in its execution, from 0."""
    loaded: tuple[int, ...] = ()
    """Numbers of the earlier drains that staged batches; each has a manifest of its own."""
    waited: bool = True
    """False for the first call, which may come before the interval begins."""

    def too_early(self, now: datetime) -> bool:
        """True if the drain has to wait for its time.

        Only the first call asks: after a wait of the state machine it is time, whatever the clock
        of this machine says.
        """
        return not self.waited and now < self.due

    def is_over(self, now: datetime) -> bool:
        """True if the interval has ended: another execution drains the queue now."""
        return now >= self.until

    def same_drain(self) -> DrainLoop:
        """This drain, after a wait until its time."""
        return replace(self, waited=True)

    def next_drain(self, now: datetime, *, staged: bool) -> DrainLoop | None:
        """The drain after this one, which began now; ``None`` where this is the last one.

        A drain that took longer than the window is followed by the next one at once; drains that
        were missed are not made up for.
        """
        window = timedelta(seconds=self.every)
        due = (self.due if now < self.due + window else now) + window
        if due >= self.until or self.drain + 1 >= MOST_DRAINS:
            return None
        loaded = self.with_this(staged=staged)
        return replace(self, due=due, drain=self.drain + 1, loaded=loaded, waited=True)

    def with_this(self, *, staged: bool) -> tuple[int, ...]:
        """Numbers of all drains so far that staged batches."""
        return (*self.loaded, self.drain) if staged else self.loaded

    def as_dict(self) -> dict[str, Any]:
        """The loop as JSON members; ``at`` is the time that the state machine waits for."""
        return {
            "at": _text(self.due),
            "until": _text(self.until),
            "every": self.every,
            "drain": self.drain,
            "loaded": list(self.loaded),
        }


def loop_of(given: Any, started: datetime) -> DrainLoop | None:
    """The loop in the input of the Extract state, ``None`` where it is to drain once.

    ``started``: start of the execution; the interval begins with it where ``scheduled`` is not a
    time. Raises :class:`ConfigurationError` for an input that can't be used.
    """
    if not isinstance(given, Mapping):
        return None
    try:
        if (again := given.get("again")) is not None:
            return _continued(again)
        if (drains := given.get("drains")) is not None:
            return _begun(drains, started)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ConfigurationError(
            'A drain loop\'s input is {"drains": {"every": SECONDS, "seconds": SECONDS, '
            f'"scheduled": TIME}}}}: {type(error).__name__}: {error}.'
        ) from error
    return None


def _begun(drains: Mapping[str, Any], started: datetime) -> DrainLoop:
    seconds, every = _positive(drains["seconds"]), _positive(drains["every"])
    try:
        begin = _time(drains["scheduled"]) + PRECISION
    except (KeyError, ValueError):  # started by hand, or by a scheduler that fills in no times
        begin = started
    return DrainLoop(
        due=begin,
        until=begin + timedelta(seconds=seconds),
        # The history of the execution has to stay within its limit.
        every=max(every, seconds / MOST_DRAINS),
        waited=False,
    )


def _continued(again: Mapping[str, Any]) -> DrainLoop:
    return DrainLoop(
        due=_time(again["at"]),
        until=_time(again["until"]),
        every=_positive(again["every"]),
        drain=int(again["drain"]),
        loaded=tuple(int(number) for number in again["loaded"]),
    )


def _positive(value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{value!r} is not a number above 0")
    return number


def _time(text: Any) -> datetime:
    time = datetime.fromisoformat(str(text))
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
