"""The pipeline as a discrete-event simulation: where messages wait, and what is in use meanwhile.

Messages come as an even stream. What takes, holds and hands on is simulated batch by batch:

::

    queue --> poller gathers, Stage runs ----.
          \\-> one drain a period ------------+--> start --> map's places --> Transform, Validate
                                                                  --> Load, once PostgreSQL has room

Every function call holds one of the account's concurrent executions, a waiting Load too. Durations
are those that the bill is made of, spread at random (the same at each run); PostgreSQL is so many
writers, each as fast as the one measured. What a real account adds (cold starts, throttling with
back-off, slow neighbours) is not in here.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from workflow.cost.batches import batches_of, drain_capacity
from workflow.cost.durations import billed_seconds, database_seconds
from workflow.cost.quotas import quota
from workflow.cost.settings import Fleet, Pipeline
from workflow.cost.usage import BUSY_STATES, CHILD_TRANSITIONS, STATE_SECONDS

__all__ = ["Outcome", "fitted", "simulate"]

SPREAD = 0.15
"""Standard deviation of a duration, as a share of it."""
BATCHES = 400
"""At least so many batches are simulated ..."""
PERIODS = 20
"""... and so many windows or periods."""
BUSY = 0.9
"""Share of its time from which a part is what holds the others up."""
LONGEST_DRAIN = 0.8
"""Of the period: deleting and staging take some of it too."""
KEEPING_UP = 0.97
"""Share of what came in the second half that must have been loaded in it."""

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


@dataclass
class Outcome:
    """What was seen."""

    fleet: Fleet
    pipeline: Pipeline
    seconds: float
    """Simulated."""
    loaded_share: float = 0.0
    """Of the messages that came in the second half, how many were loaded in it."""
    backlog: float = 0.0
    """Messages in the queue at the end."""
    lags: list[float] = field(default_factory=list)
    """Seconds from a batch's oldest message to its rows."""
    concurrency: int = 0
    """Most function calls at once, those that had to wait included."""
    connections: int = 0
    """Most Loads at once: each has a connection of its own."""
    in_flight: float = 0.0
    """Most messages received and not deleted."""
    starts: float = 0.0
    """Executions a second."""
    transitions: float = 0.0
    """Standard, a second."""
    trigger_busy: float = 0.0
    """Share of the time that pollers worked rather than gathered, or that drains were under way."""
    database_busy: float = 0.0
    """Share of the writers' time."""

    @property
    def keeps_up(self) -> bool:
        """Whether the rows come as fast as the messages."""
        return self.loaded_share >= KEEPING_UP

    @property
    def lag(self) -> float:
        """Median of the lags; infinite where nothing was loaded."""
        ordered = sorted(self.lags)
        return ordered[len(ordered) // 2] if ordered else float("inf")

    def quotas(self) -> dict[str, float]:
        """Share of each of AWS's quotas that is used (1: met)."""
        used = {
            "iot_publish": self.fleet.messages,
            "iot_connection": self.fleet.messages / self.fleet.devices,
            "sqs_in_flight": self.in_flight,
            "lambda_concurrency": self.concurrency,
            "trigger_concurrency": self.pipeline.pollers * (self.pipeline.trigger == "queue"),
            "states_start": self.starts,
            "states_transitions": self.transitions,
        }
        return {key: amount / quota(key).most for key, amount in used.items()}


def fitted(fleet: Fleet, pipeline: Pipeline) -> Outcome:
    """The same with as many pollers and writers as it takes, each doubled while it is short.

    Ends without keeping up where that helps no more.
    """
    while True:
        outcome = simulate(fleet, pipeline)
        if outcome.keeps_up:
            return outcome
        before = pipeline
        if outcome.database_busy > BUSY:
            pipeline = replace(pipeline, database_writers=2 * pipeline.database_writers)
        if pipeline.trigger == "schedule":
            longest = LONGEST_DRAIN * pipeline.period_seconds
            pipeline = replace(pipeline, drain_seconds=min(longest, 2 * pipeline.drain_seconds))
        elif outcome.trigger_busy > BUSY:
            most = int(quota("trigger_concurrency").most)
            pipeline = replace(pipeline, pollers=min(most, 2 * pipeline.pollers))
        if pipeline == before:
            return outcome


def simulate(fleet: Fleet, pipeline: Pipeline, *, seed: int = 1) -> Outcome:
    """One run, long enough to see whether it keeps up."""
    batches = batches_of(fleet, pipeline)
    period = pipeline.window_seconds if pipeline.trigger == "queue" else pipeline.period_seconds
    seconds = max(BATCHES / batches.rate, PERIODS * min(period, 10 * batches.delay))
    run = _Run(fleet, pipeline, seconds, random.Random(seed))  # noqa: S311 - no secret is made of it
    run.begin()
    run.clock.run(seconds)
    return run.account()


@dataclass
class _Batch:
    messages: float
    oldest: float
    """When its oldest message came."""


class _Run:
    def __init__(
        self, fleet: Fleet, pipeline: Pipeline, seconds: float, chance: random.Random
    ) -> None:
        self.fleet, self.pipeline, self.chance = fleet, pipeline, chance
        self.clock = Clock()
        self.outcome = Outcome(fleet, pipeline, seconds)
        self.calls = Places(self.clock, quota("lambda_concurrency").most)
        self.writers = Places(self.clock, pipeline.database_writers)
        self.loads = Places(self.clock, float("inf"))
        # Without a window, a batch is as large as it can be.
        self.largest = batches_of(fleet, replace(pipeline, window_seconds=float("inf"))).messages
        self.usual = batches_of(fleet, pipeline).messages
        self.taken = 0.0
        self.flying = 0.0
        self.started = self.children = 0
        self.worked = 0.0
        self.loaded_late = 0.0
        self._next_start = 0.0

    def begin(self) -> None:
        """The first pollers, or the first period."""
        if self.pipeline.trigger == "schedule":
            self.clock.after(self.pipeline.period_seconds, self._tick)
            return
        delay = batches_of(self.fleet, self.pipeline).delay
        for number in range(self.pipeline.pollers):
            # They don't begin as one.
            self.clock.after(delay * number / self.pipeline.pollers, self._gather)

    def account(self) -> Outcome:
        """What was seen, in rates."""
        outcome, seconds = self.outcome, self.outcome.seconds
        outcome.backlog = self._waiting()
        outcome.loaded_share = self.loaded_late / (self.fleet.messages * seconds / 2)
        outcome.concurrency = self.calls.most
        outcome.connections = self.loads.most
        outcome.starts = self.started / seconds
        states = self.started * BUSY_STATES[self.pipeline.trigger]
        outcome.transitions = (states + self.children * CHILD_TRANSITIONS) / seconds
        pollers = self.pipeline.pollers if self.pipeline.trigger == "queue" else 1
        outcome.trigger_busy = min(1.0, self.worked / seconds / pollers)
        capacity = seconds * self.pipeline.database_writers
        outcome.database_busy = min(1.0, self.writers.held_seconds / capacity)
        return outcome

    def _spread(self, seconds: float) -> float:
        return seconds * max(0.2, self.chance.gauss(1, SPREAD))

    def _waiting(self) -> float:
        return self.fleet.messages * self.clock.now - self.taken

    def _seconds(self, name: str, messages: float) -> float:
        readings = messages * self.fleet.readings_per_message
        return self._spread(billed_seconds(name, messages, readings, self.pipeline))

    # The queue's trigger

    def _gather(self) -> None:
        """A poller: what waits already, and its share of what comes, until full or in time."""
        share = self.fleet.messages / self.pipeline.pollers
        oldest = self.taken / self.fleet.messages
        waiting = max(0.0, min(self.largest, self._waiting()))
        self._take(waiting)
        patience = min(self.pipeline.window_seconds, (self.largest - waiting) / share)

        def close() -> None:
            more = min(share * patience, max(0.0, self._waiting()))
            self._take(more)
            self._stage(_Batch(waiting + more, oldest))

        self.clock.after(max(patience, 0.001), close)

    def _stage(self, batch: _Batch) -> None:
        if batch.messages < 1:  # there are no parts of messages: this poller got none
            self.taken -= batch.messages
            self.flying -= batch.messages
            self._gather()
            return
        seconds = self._seconds("stage", batch.messages)
        self.worked += seconds

        def staged() -> None:
            self.calls.give()
            self.flying -= batch.messages
            self._start([batch])
            self._gather()

        self.calls.take(lambda: self.clock.after(seconds, staged))

    def _take(self, messages: float) -> None:
        self.taken += messages
        self.flying += messages
        self.outcome.in_flight = max(self.outcome.in_flight, self.flying)

    # The schedule

    def _tick(self) -> None:
        self.clock.after(self.pipeline.period_seconds, self._tick)
        self.calls.take(self._drain)

    def _drain(self) -> None:
        share = self.pipeline.drain_seconds / self.pipeline.period_seconds
        pace = drain_capacity(self.fleet, self.pipeline) / min(1.0, share)
        spare = pace - self.fleet.messages
        enough = self._waiting() / spare if spare > 0 else float("inf")
        seconds = min(self.pipeline.drain_seconds, enough)
        messages = min(pace * seconds, self._waiting() + self.fleet.messages * seconds)
        first = self.taken / self.fleet.messages
        self._take(messages)
        self.worked += seconds

        def staged() -> None:
            self.calls.give()
            self.flying -= messages
            number = max(1, round(messages / self.usual))
            each = messages / number
            gap = each / self.fleet.messages
            self._start([_Batch(each, first + gap * place) for place in range(number)])

        self.clock.after(self._spread(seconds), staged)

    # The workflow

    def _start(self, batches: list[_Batch]) -> None:
        """An execution, no sooner than StartExecution's rate allows."""
        now = self.clock.now
        begin = max(now, self._next_start)
        self._next_start = begin + 1 / quota("states_start").most
        self.started += 1
        places = Places(self.clock, self.pipeline.map_concurrency)

        def run() -> None:
            for batch in batches:
                self._child(batch, places)

        self.clock.after(begin - now + 2 * STATE_SECONDS, run)

    def _child(self, batch: _Batch, places: Places) -> None:
        self.children += 1

        def done() -> None:
            places.give()
            self.outcome.lags.append(self.clock.now - batch.oldest)
            if self.clock.now > self.outcome.seconds / 2:
                self.loaded_late += batch.messages

        def load() -> None:
            self._load(batch, done)

        def validate() -> None:
            self._call("validate", batch, load)

        places.take(lambda: self._call("transform", batch, validate))

    def _call(self, name: str, batch: _Batch, then: Action) -> None:
        seconds = self._seconds(name, batch.messages)

        def ended() -> None:
            self.calls.give()
            self.clock.after(STATE_SECONDS, then)

        self.calls.take(lambda: self.clock.after(seconds, ended))

    def _load(self, batch: _Batch, then: Action) -> None:
        """Holds its execution also while it waits for PostgreSQL."""
        readings = batch.messages * self.fleet.readings_per_message
        inside = database_seconds(batch.messages, readings)
        whole = billed_seconds("load", batch.messages, readings, self.pipeline)
        seconds, around = self._spread(inside), self._spread(whole - inside)

        def written() -> None:
            self.writers.give()
            self.loads.give()
            self.calls.give()
            then()

        def write() -> None:
            self.clock.after(seconds, written)

        def begin() -> None:
            self.clock.after(around, lambda: self.writers.take(write))

        self.calls.take(lambda: self.loads.take(begin))
