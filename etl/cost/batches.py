"""Sizes and rates of the micro-batches that each trigger makes of a stream of messages.

**Queue trigger.** Each poller gathers a batch of its own during the window, so the messages of a
window are divided among the pollers, which is the cautious assumption. A batch is closed sooner at
Lambda's 6 MB or at its largest number of messages.

**Schedule.** One drain per period receives as fast as it can until the queue is empty or its time
is over. The rest waits for the next drain.

A batch has messages of one contract: with several contracts, either trigger makes at least one
batch for each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from etl.cost.durations import billed_seconds, measurements
from etl.cost.settings import Fleet, Pipeline

__all__ = ["Batches", "batches_of", "body_bytes", "drain_capacity", "payload_bytes"]

INVOCATION_BYTES = 6_291_456
"""Lambda's limit for the payload of a synchronous invocation, which holds the trigger's batch."""
RECORD_BYTES = 700
"""Bytes that Lambda adds to a message: ids, receipt, attributes, ARN. Assumed from its docs."""
ENVELOPE_BYTES = 155
"""Bytes that the topic rule adds to a payload, with topic and client id (measured: bytes.body)."""
BASE64 = 4 / 3


@dataclass(frozen=True)
class Batches:
    """The micro-batches of a stream."""

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


def payload_bytes(fleet: Fleet) -> float:
    """Bytes of one message as the device sends it."""
    line = measurements()["bytes"]["payload"]
    if fleet.reading_bytes is not None:
        return float(line["message"]) / BASE64 + fleet.reading_bytes * fleet.readings_per_message
    return float((line["message"] + line["reading"] * fleet.readings_per_message) / BASE64)


def body_bytes(fleet: Fleet) -> float:
    """Bytes of one message in the queue: the payload in base64 and its envelope."""
    return payload_bytes(fleet) * BASE64 + ENVELOPE_BYTES


def batches_of(fleet: Fleet, pipeline: Pipeline) -> Batches:
    """The micro-batches that the pipeline's trigger makes of the fleet's messages."""
    if pipeline.trigger == "schedule":
        return _scheduled(fleet, pipeline)
    most = min(pipeline.trigger_batch, INVOCATION_BYTES / (body_bytes(fleet) + RECORD_BYTES))
    gathered = fleet.messages * pipeline.window_seconds / pipeline.pollers
    gathered = max(1.0, min(most, gathered))
    messages = max(1.0, gathered / pipeline.contracts)
    delay = min(pipeline.window_seconds, gathered * pipeline.pollers / fleet.messages)
    return Batches(
        messages,
        messages * fleet.readings_per_message,
        fleet.messages / messages,
        fleet.messages / gathered,
        0.0,
        delay,
    )


def _scheduled(fleet: Fleet, pipeline: Pipeline) -> Batches:
    arrivals = fleet.messages * pipeline.period_seconds
    line_bytes = body_bytes(fleet) + 60  # the message id
    most = min(pipeline.batch_messages, pipeline.batch_bytes / line_bytes)
    number = max(pipeline.contracts, math.ceil(arrivals / most))
    # Arrivals are random (a Poisson process): some periods see no message.
    busy = (1 - math.exp(-arrivals)) / pipeline.period_seconds
    messages = max(1.0, arrivals / number)
    return Batches(
        messages,
        messages * fleet.readings_per_message,
        fleet.messages / messages,
        busy,
        1 / pipeline.period_seconds - busy,
        pipeline.period_seconds + pipeline.drain_seconds,
    )


def drain_capacity(fleet: Fleet, pipeline: Pipeline) -> float:
    """Messages per second that scheduled drains can receive, averaged over the whole period."""
    each = fleet.readings_per_message
    few, many = (billed_seconds("extract", n, n * each, pipeline) for n in (0, 1_000))
    rate = 1_000 / (many - few)
    return rate * min(1.0, pipeline.drain_seconds / pipeline.period_seconds)
