"""Sizes and rates of the micro-batches that each trigger makes of a stream of messages.

**Mapping.** Each poller gathers a batch of its own during the window, so the messages of a window
are divided among the pollers, which is the cautious assumption. A batch is closed sooner at
Lambda's 6 MB or at its largest number of messages.

**Schedule.** One drain per period receives as fast as it can until the queue is empty or its time
is over. The rest waits for the next drain.

**Drain.** An execution every ten minutes drains once per window, loads what it found, and waits for
the next window. A drain that takes longer than the window is followed by the next one at once.

**Both.** The schedule's executions take messages that the queue trigger would have had a moment
later, see :func:`scheduled_share`.

A batch has messages of one contract: with several contracts, each trigger makes at least one
batch for each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from etl.cost.counts import Start
from etl.cost.durations import (
    EMPTY_SECONDS,
    MAP_END_SECONDS,
    MAP_START_SECONDS,
    billed_seconds,
    child_seconds,
    measurements,
)
from etl.cost.settings import Fleet, Pipeline

__all__ = [
    "LOOP_SECONDS",
    "Batches",
    "batches_of",
    "body_bytes",
    "cycle_seconds",
    "drain_capacity",
    "payload_bytes",
    "scheduled_share",
    "streams_of",
]

INVOCATION_BYTES = 6_291_456
"""Lambda's limit for the payload of a synchronous invocation, which holds the trigger's batch."""
RECORD_BYTES = 700
"""Bytes that Lambda adds to a message: ids, receipt, attributes, ARN. Assumed from its docs."""
ENVELOPE_BYTES = 155
"""Bytes that the topic rule adds to a payload, with topic and client id (measured: bytes.body)."""
BASE64 = 4 / 3
LOOP_SECONDS = 600.0
"""Interval at which an execution starts that drains the queue once per window."""


@dataclass(frozen=True)
class Batches:
    """The micro-batches of a stream that one trigger makes."""

    start: Start
    """The way in which their executions start."""
    messages: float
    """Messages in a batch."""
    readings: float
    """Readings in a batch."""
    rate: float
    """Batches per second."""
    executions: float
    """Executions per second that find messages."""
    idle_executions: float
    """Executions per second that find an empty queue."""
    delay: float
    """Longest time in seconds that a message waits until its batch is closed."""
    drains: float = 0.0
    """Drains per second of executions with several of them that find messages."""
    idle_drains: float = 0.0
    """The same that find an empty queue."""


def payload_bytes(fleet: Fleet) -> float:
    """Bytes of one message as the device sends it."""
    line = measurements()["bytes"]["payload"]
    if fleet.reading_bytes is not None:
        return float(line["message"]) / BASE64 + fleet.reading_bytes * fleet.readings_per_message
    return float((line["message"] + line["reading"] * fleet.readings_per_message) / BASE64)


def body_bytes(fleet: Fleet) -> float:
    """Bytes of one message in the queue: the payload in base64 and its envelope."""
    return payload_bytes(fleet) * BASE64 + ENVELOPE_BYTES


def streams_of(fleet: Fleet, pipeline: Pipeline) -> tuple[tuple[Fleet, Pipeline, Batches], ...]:
    """Each trigger of the pipeline with its share of the fleet's messages, and its batches."""
    if pipeline.trigger != "both":
        return ((fleet, pipeline, batches_of(fleet, pipeline)),)
    share = scheduled_share(fleet, pipeline)
    by_queue, by_schedule = (replace(pipeline, trigger=t) for t in ("queue", "schedule"))
    rest, taken = (replace(fleet, rate=fleet.rate * part) for part in (1 - share, share))
    return (
        (rest, by_queue, batches_of(rest, by_queue)),
        (taken, by_schedule, batches_of(taken, by_schedule)),
    )


def scheduled_share(fleet: Fleet, pipeline: Pipeline) -> float:
    """Share of the messages that the schedule's executions take where both triggers are on.

    Lambda's pollers hold what arrives, so that a scheduled drain gets its receivers' share of the
    messages that arrive until all of them have polled for a second in vain. Between two drains of
    a loop the messages wait in the queue: a scheduled drain takes all that wait, those of half a
    window on average.
    """
    if pipeline.delivery == "drain":
        return min(0.99, pipeline.window_seconds / 2 / pipeline.period_seconds)
    all_of_them = pipeline.receivers + pipeline.pollers
    rate = fleet.messages / all_of_them
    # Mean time until a Poisson process pauses for so long.
    quiet = math.expm1(min(50.0, rate * EMPTY_SECONDS)) / rate
    seconds = min(pipeline.drain_seconds, quiet)
    return pipeline.receivers / all_of_them * min(1.0, seconds / pipeline.period_seconds)


def batches_of(fleet: Fleet, pipeline: Pipeline) -> Batches:
    """The micro-batches that the pipeline's trigger makes of the fleet's messages; with both
    triggers those of the queue's, which takes most."""
    if pipeline.trigger == "schedule":
        return _scheduled(fleet, pipeline)
    if pipeline.trigger == "both":
        return streams_of(fleet, pipeline)[0][2]
    return _drained(fleet, pipeline) if pipeline.delivery == "drain" else _mapped(fleet, pipeline)


def _mapped(fleet: Fleet, pipeline: Pipeline) -> Batches:
    most = min(pipeline.trigger_batch, INVOCATION_BYTES / (body_bytes(fleet) + RECORD_BYTES))
    gathered = fleet.messages * pipeline.window_seconds / pipeline.pollers
    gathered = max(1.0, min(most, gathered))
    messages = max(1.0, gathered / pipeline.contracts)
    return Batches(
        start="mapping",
        messages=messages,
        readings=messages * fleet.readings_per_message,
        rate=fleet.messages / messages,
        executions=fleet.messages / gathered,
        idle_executions=0.0,
        delay=min(pipeline.window_seconds, gathered * pipeline.pollers / fleet.messages),
    )


def _in_batches(fleet: Fleet, pipeline: Pipeline, arrivals: float) -> float:
    """Messages in a batch where one drain receives so many."""
    line_bytes = body_bytes(fleet) + 60  # the message id
    most = min(pipeline.batch_messages, pipeline.batch_bytes / line_bytes)
    number = max(pipeline.contracts, math.ceil(arrivals / most))
    return max(1.0, arrivals / number)


def _found(arrivals: float) -> float:
    """Probability that something arrives: arrivals are random (a Poisson process)."""
    return -math.expm1(-arrivals)


def _drained(fleet: Fleet, pipeline: Pipeline) -> Batches:
    cycle = cycle_seconds(fleet, pipeline)
    arrivals = fleet.messages * cycle
    messages = _in_batches(fleet, pipeline, arrivals)
    loops = 1 / max(LOOP_SECONDS, cycle)
    busy = _found(fleet.messages * LOOP_SECONDS)
    found = _found(arrivals) / cycle
    return Batches(
        start="drain",
        messages=messages,
        readings=messages * fleet.readings_per_message,
        rate=fleet.messages / messages,
        executions=loops * busy,
        idle_executions=loops * (1 - busy),
        delay=cycle + billed_seconds("extract", 0, 0, pipeline),
        drains=found,
        idle_drains=1 / cycle - found,
    )


def cycle_seconds(fleet: Fleet, pipeline: Pipeline) -> float:
    """Seconds from one drain of a loop to the next: the window, or as long as a drain takes."""
    cycle, each = pipeline.window_seconds, fleet.readings_per_message
    for _ in range(20):
        taken = fleet.messages * cycle
        messages = _in_batches(fleet, pipeline, taken)
        turns = math.ceil(taken / messages / pipeline.map_concurrency)
        drain = billed_seconds("extract", taken, taken * each, pipeline)
        loads = turns * child_seconds(messages, messages * each, pipeline)
        needed = min(drain, pipeline.drain_seconds) + loads + MAP_START_SECONDS + MAP_END_SECONDS
        cycle = max(pipeline.window_seconds, needed)
        if cycle == pipeline.window_seconds or cycle > LOOP_SECONDS:
            break
    return min(cycle, LOOP_SECONDS)


def _scheduled(fleet: Fleet, pipeline: Pipeline) -> Batches:
    arrivals = fleet.messages * pipeline.period_seconds
    messages = _in_batches(fleet, pipeline, arrivals)
    busy = _found(arrivals) / pipeline.period_seconds
    return Batches(
        start="schedule",
        messages=messages,
        readings=messages * fleet.readings_per_message,
        rate=fleet.messages / messages,
        executions=busy,
        idle_executions=1 / pipeline.period_seconds - busy,
        delay=pipeline.period_seconds + pipeline.drain_seconds,
    )


def drain_capacity(fleet: Fleet, pipeline: Pipeline) -> float:
    """Messages per second that drains can receive, averaged over the time from one to the next."""
    each = fleet.readings_per_message
    few, many = (billed_seconds("extract", n, n * each, pipeline) for n in (0, 1_000))
    rate = 1_000 / (many - few)
    loops = pipeline.trigger != "schedule"
    period = pipeline.window_seconds if loops else pipeline.period_seconds
    return rate * min(1.0, pipeline.drain_seconds / period)
