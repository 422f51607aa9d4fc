"""A discrete-event simulation of the pipeline: where messages wait, and which resources are in use.

Messages arrive at a constant rate. Each batch is followed through the pipeline:

::

    queue --> poller gathers, Stage runs ----.
          \\-> one drain a period or window --+--> start --> Map's slots --> Transform, Validate
                                                                  --> Load, once PostgreSQL has room

A loop of drains begins the next one when the window is over and all batches of the last one are
loaded. Where both triggers are on, the queue's is simulated with all messages.

Every function call holds one of the account's concurrent executions, also a Load that waits.
Durations are those of the bill, with random variation from a fixed seed. PostgreSQL is a number of
writers, each as fast as the measured one. Cold starts, throttling with backoff and noisy neighbours
are not simulated.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from etl.cost.batches import LOOP_SECONDS, batches_of, drain_capacity
from etl.cost.counts import batch_part, part
from etl.cost.durations import (
    MAP_END_SECONDS,
    MAP_START_SECONDS,
    STATE_SECONDS,
    billed_seconds,
    database_seconds,
)
from etl.cost.events import Action, Clock, Resource
from etl.cost.quotas import quota
from etl.cost.result import SimulationResult
from etl.cost.settings import Fleet, Pipeline

__all__ = ["simulate"]

SPREAD = 0.15
"""Standard deviation of a duration, as a share of it."""
BATCHES = 400
"""Batches that are simulated, where they don't take longer than :data:`LONGEST`."""
LONGEST, FEW_BATCHES = 1e6, 20
"""Simulated seconds for a fleet that sends hardly anything, or for so many batches of it."""
SECONDS = 30.0
"""Simulated time at least: the first batches take a few seconds until they are loaded."""
GATHERINGS = 40
"""Simulated time at least, as a multiple of the time that gathering one batch takes."""


def simulate(fleet: Fleet, pipeline: Pipeline, *, seed: int = 1) -> SimulationResult:
    """Simulates one run, long enough to see whether the pipeline keeps up."""
    if pipeline.trigger == "both":
        alone = simulate(fleet, replace(pipeline, trigger="queue"), seed=seed)
        return replace(alone, pipeline=pipeline)
    batches = batches_of(fleet, replace(pipeline, contracts=1))
    enough = min(BATCHES / batches.rate, max(LONGEST, FEW_BATCHES / batches.rate))
    seconds = max(SECONDS, enough, GATHERINGS * batches.delay)
    run = _Run(fleet, pipeline, seconds, random.Random(seed))  # noqa: S311 - no secret is made of it
    run.start()
    run.clock.run(seconds)
    return run.finish()


@dataclass
class _Batch:
    messages: float
    oldest: float
    """Time at which its oldest message arrived."""


class _Run:
    def __init__(
        self, fleet: Fleet, pipeline: Pipeline, seconds: float, generator: random.Random
    ) -> None:
        self.fleet, self.pipeline, self.random = fleet, pipeline, generator
        self.clock = Clock()
        self.result = SimulationResult(fleet, pipeline, seconds)
        self.calls = Resource(self.clock, quota("lambda_concurrency").limit)
        self.writers = Resource(self.clock, pipeline.database_writers)
        self.loads = Resource(self.clock, float("inf"))
        # Without a window, batches have their largest size; contracts share what is gathered.
        widest = replace(pipeline, delivery="mapping", window_seconds=float("inf"), contracts=1)
        self.largest = batches_of(fleet, widest).messages
        usual = batches_of(fleet, pipeline)
        self.way, self.usual = usual.start, usual.messages
        self.received = 0.0
        self.in_flight = 0.0
        self.started = self.children = self.drains = 0
        self.worked = 0.0
        self.loaded_late = 0.0
        self._next_start = 0.0

    def start(self) -> None:
        """Schedules the first pollers, or the first drain."""
        if self.way == "schedule":
            self.clock.after(self.pipeline.period_seconds, self._tick)
            return
        if self.way == "drain":
            self.clock.after(self.pipeline.window_seconds, self._turn)
            return
        delay = batches_of(self.fleet, self.pipeline).delay
        for number in range(self.pipeline.pollers):
            # Pollers do not all start at the same moment.
            self.clock.after(delay * number / self.pipeline.pollers, self._gather)

    def finish(self) -> SimulationResult:
        """Turns counts into rates; returns the result."""
        result, seconds = self.result, self.result.seconds
        result.backlog = self._waiting()
        result.loaded_share = self.loaded_late / (self.fleet.messages * seconds / 2)
        result.concurrency = self.calls.peak
        result.connections = self.loads.peak
        if self.way == "drain":
            self.started = max(1, round(seconds / LOOP_SECONDS))
        result.starts = self.started / seconds
        states = self.started * part(self.way, "execution").transitions
        states += self.drains * part(self.way, "drain").transitions
        states += self.children * batch_part().transitions
        result.transitions = states / seconds
        pollers = self.pipeline.pollers if self.way == "mapping" else 1
        result.trigger_busy = min(1.0, self.worked / seconds / pollers)
        capacity = seconds * self.pipeline.database_writers
        result.database_busy = min(1.0, self.writers.held_seconds / capacity)
        return result

    def _spread(self, seconds: float) -> float:
        return seconds * max(0.2, self.random.gauss(1, SPREAD))

    def _waiting(self) -> float:
        return self.fleet.messages * self.clock.now - self.received

    def _seconds(self, name: str, messages: float) -> float:
        readings = messages * self.fleet.readings_per_message
        return self._spread(billed_seconds(name, messages, readings, self.pipeline))

    # Queue trigger

    def _gather(self) -> None:
        """One poller gathers waiting messages and its share of new ones for one batch."""
        share = self.fleet.messages / self.pipeline.pollers
        # A window begins with a message, not with the part of one that has come by then.
        oldest = min((self.received + 1) / self.fleet.messages, self.clock.now)
        waiting = max(0.0, min(self.largest, self._waiting()))
        self._receive(waiting)
        wait = min(self.pipeline.window_seconds, (self.largest - waiting) / share)

        def close() -> None:
            more = min(share * wait, max(0.0, self._waiting()))
            self._receive(more)
            self._stage(_Batch(waiting + more, oldest))

        self.clock.after(max(wait, 0.001), close)

    def _stage(self, batch: _Batch) -> None:
        if batch.messages < 1:  # a fraction of a message: this poller got none
            self.received -= batch.messages
            self.in_flight -= batch.messages
            self._gather()
            return
        seconds = self._seconds("stage", batch.messages)
        self.worked += seconds

        def staged() -> None:
            self.calls.release()
            self.in_flight -= batch.messages
            parts = max(1, min(self.pipeline.contracts, int(batch.messages)))
            self._start([_Batch(batch.messages / parts, batch.oldest)] * parts, lambda: None)
            self._gather()

        self.calls.acquire(lambda: self.clock.after(seconds, staged))

    def _receive(self, messages: float) -> None:
        self.received += messages
        self.in_flight += messages
        self.result.in_flight = max(self.result.in_flight, self.in_flight)

    # Schedule, and loop of drains

    def _tick(self) -> None:
        self.clock.after(self.pipeline.period_seconds, self._tick)
        self.calls.acquire(lambda: self._drain(lambda: None))

    def _turn(self) -> None:
        """One drain of a loop, followed by the next one."""
        due = self.clock.now + self.pipeline.window_seconds
        self.drains += 1

        def loaded() -> None:
            self.clock.after(max(due - self.clock.now, MAP_END_SECONDS), self._turn)

        self.calls.acquire(lambda: self._drain(loaded))

    def _drain(self, loaded: Action) -> None:
        loops = self.way == "drain"
        period = self.pipeline.window_seconds if loops else self.pipeline.period_seconds
        share = self.pipeline.drain_seconds / period
        rate = drain_capacity(self.fleet, self.pipeline) / min(1.0, share)
        spare = rate - self.fleet.messages
        enough = self._waiting() / spare if spare > 0 else float("inf")
        seconds = min(self.pipeline.drain_seconds, enough)
        messages = min(rate * seconds, self._waiting() + self.fleet.messages * seconds)
        first = self.received / self.fleet.messages
        self._receive(messages)
        self.worked += seconds

        def staged() -> None:
            self.calls.release()
            self.in_flight -= messages
            number = max(1, round(messages / self.usual))
            each = messages / number
            gap = each / self.fleet.messages
            self._start([_Batch(each, first + gap * place) for place in range(number)], loaded)

        self.clock.after(self._spread(seconds), staged)

    # Workflow

    def _start(self, batches: list[_Batch], loaded: Action) -> None:
        """Starts an execution as soon as the quota on StartExecution allows, or goes on with one;
        ``loaded`` is run once all its batches are."""
        now = self.clock.now
        begin = now
        if self.way != "drain":
            begin = max(now, self._next_start)
            self._next_start = begin + 1 / quota("states_start").limit
            self.started += 1
        slots = Resource(self.clock, self.pipeline.map_concurrency)
        rest = len(batches)

        def one_loaded() -> None:
            nonlocal rest
            rest -= 1
            if not rest:
                loaded()

        def run() -> None:
            for batch in batches:
                self._child(batch, slots, one_loaded)

        self.clock.after(begin - now + 2 * STATE_SECONDS + MAP_START_SECONDS, run)

    def _child(self, batch: _Batch, slots: Resource, loaded: Action) -> None:
        self.children += 1

        def done() -> None:
            slots.release()
            loaded()
            self.result.lags.append(self.clock.now - batch.oldest)
            if self.clock.now > self.result.seconds / 2:
                self.loaded_late += batch.messages

        def load() -> None:
            self._load(batch, done)

        def validate() -> None:
            self._call("validate", batch, load)

        slots.acquire(lambda: self._call("transform", batch, validate))

    def _call(self, name: str, batch: _Batch, then: Action) -> None:
        seconds = self._seconds(name, batch.messages)

        def ended() -> None:
            self.calls.release()
            self.clock.after(STATE_SECONDS, then)

        self.calls.acquire(lambda: self.clock.after(seconds, ended))

    def _load(self, batch: _Batch, then: Action) -> None:
        """Runs Load, which holds its Lambda execution also while it waits for PostgreSQL."""
        readings = batch.messages * self.fleet.readings_per_message
        inside = database_seconds(batch.messages, readings)
        whole = billed_seconds("load", batch.messages, readings, self.pipeline)
        seconds, around = self._spread(inside), self._spread(whole - inside)

        def written() -> None:
            self.writers.release()
            self.loads.release()
            self.calls.release()
            then()

        def write() -> None:
            self.clock.after(seconds, written)

        def begin() -> None:
            self.clock.after(around, lambda: self.writers.acquire(write))

        self.calls.acquire(lambda: self.loads.acquire(begin))
