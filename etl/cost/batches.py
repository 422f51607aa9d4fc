"""How a stream of messages becomes micro-batches and executions: pure arithmetic.

**Queue trigger.** Each of its pollers gathers a batch of its own for the window, so a window's
messages are shared out among them, which is the cautious way to count; a batch ends sooner at
Lambda's 6 MB or at its most messages.

**Schedule.** One drain a period takes what has come, as fast as it can, for as long as it may; what
is left waits for the next one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from etl.cost.durations import billed_seconds, measured
from etl.cost.settings import Fleet, Pipeline

__all__ = ["Batches", "batches_of", "body_bytes", "drain_capacity", "payload_bytes"]

INVOCATION_BYTES = 6_291_456
"""Lambda's limit of a synchronous invocation's payload, which the trigger's batches are."""
RECORD_BYTES = 700
"""What Lambda adds to a message: ids, receipt, attributes, ARN. Assumed from its documentation."""
ENVELOPE_BYTES = 155
"""What the topic rule adds to the payload, topic and client id included (measured: bytes.body)."""
BASE64 = 4 / 3


@dataclass(frozen=True)
class Batches:
    """The micro-batches of a stream."""

    messages: float
    """In a batch."""
    readings: float
    """In a batch."""
    rate: float
    """Batches a second."""
    executions: float
    """A second, that found something."""
    idle_executions: float
    """A second, that found nothing."""
    delay: float
    """Seconds that a message waits until its batch is closed, at most."""


def payload_bytes(fleet: Fleet) -> float:
    """Of one message as the device sends it."""
    line = measured()["bytes"]["payload"]
    if fleet.reading_bytes is not None:
        return float(line["message"]) / BASE64 + fleet.reading_bytes * fleet.readings_per_message
    return float((line["message"] + line["reading"] * fleet.readings_per_message) / BASE64)


def body_bytes(fleet: Fleet) -> float:
    """Of one message in the queue: the payload in base64 and its envelope."""
    return payload_bytes(fleet) * BASE64 + ENVELOPE_BYTES


def batches_of(fleet: Fleet, pipeline: Pipeline) -> Batches:
    """What the trigger makes of the fleet's messages."""
    if pipeline.trigger == "schedule":
        return _scheduled(fleet, pipeline)
    most = min(pipeline.trigger_batch, INVOCATION_BYTES / (body_bytes(fleet) + RECORD_BYTES))
    gathered = fleet.messages * pipeline.window_seconds / pipeline.pollers
    messages = max(1.0, min(most, gathered))
    rate = fleet.messages / messages
    delay = min(pipeline.window_seconds, messages * pipeline.pollers / fleet.messages)
    readings = messages * fleet.readings_per_message
    return Batches(messages, readings, rate, rate, 0.0, delay)


def _scheduled(fleet: Fleet, pipeline: Pipeline) -> Batches:
    come = fleet.messages * pipeline.period_seconds
    line_bytes = body_bytes(fleet) + 60  # the message id
    most = min(pipeline.batch_messages, pipeline.batch_bytes / line_bytes)
    number = max(1, math.ceil(come / most))
    # Messages come when they like: some periods see none.
    busy = (1 - math.exp(-come)) / pipeline.period_seconds
    messages = max(1.0, come / number)
    return Batches(
        messages,
        messages * fleet.readings_per_message,
        fleet.messages / messages,
        busy,
        1 / pipeline.period_seconds - busy,
        pipeline.period_seconds + pipeline.drain_seconds,
    )


def drain_capacity(fleet: Fleet, pipeline: Pipeline) -> float:
    """Messages a second that scheduled drains can take, waiting between them included."""
    each = fleet.readings_per_message
    few, many = (billed_seconds("extract", n, n * each, pipeline) for n in (0, 1_000))
    a_second = 1_000 / (many - few)
    return a_second * min(1.0, pipeline.drain_seconds / pipeline.period_seconds)
