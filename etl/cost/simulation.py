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

import random
from dataclasses import dataclass, replace

from etl.cost.batches import batches_of, drain_capacity
from etl.cost.durations import billed_seconds, database_seconds
from etl.cost.events import Action, Clock, Places
from etl.cost.quotas import quota
from etl.cost.result import Outcome
from etl.cost.settings import Fleet, Pipeline
from etl.cost.usage import BUSY_STATES, CHILD_TRANSITIONS, STATE_SECONDS

__all__ = ["fitted", "simulate"]

SPREAD = 0.15
"""Standard deviation of a duration, as a share of it."""
BATCHES = 400
"""At least so many batches are simulated ..."""
GATHERINGS = 40
"""... and so many times what it takes to gather one."""
BUSY = 0.9
"""Share of its time from which a part is what holds the others up."""
LONGEST_DRAIN = 0.8
"""Of the period: deleting and staging take some of it too."""


def fitted(fleet: Fleet, pipeline: Pipeline) -> Outcome:
    """The same with as many pollers and writers as it takes, each doubled while it is short.

    What is nearly always busy is short too: a longer run would see its queue grow. Ends without
    keeping up where doubling helps no more.
    """
    while True:
        outcome = simulate(fleet, pipeline)
        busy = max(outcome.database_busy, outcome.trigger_busy)
        if outcome.keeps_up and (pipeline.trigger == "schedule" or busy <= BUSY):
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
    seconds = max(BATCHES / batches.rate, GATHERINGS * batches.delay)
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
