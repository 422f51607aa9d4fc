"""Time from a device's message to its rows, by trigger: what the price of a configuration buys.

The waits are those of the configuration, the rest are the durations of the bill: the first
function, Step Functions' states, the start of the Distributed Map, and the functions of a batch.
Not in it: cold starts, the network, and EventBridge Scheduler's precision of a minute
(https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html), which may add up to a
minute once where the trigger is the schedule; a loop of drains is not affected by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from etl.cost.batches import Batches, cycle_seconds, streams_of
from etl.cost.durations import MAP_START_SECONDS, STATE_SECONDS, billed_seconds, child_seconds
from etl.cost.settings import Fleet, Pipeline

__all__ = ["Latency", "latency"]

STATES = 2
"""States from the first function to the Map."""


@dataclass(frozen=True)
class Latency:
    """Seconds from the arrival of a message until its rows are visible."""

    typical: float
    """The mean."""
    longest: float
    """The latency of the message that waits longest."""


def latency(fleet: Fleet, pipeline: Pipeline) -> Latency:
    """The latency of that configuration while it keeps up with the fleet.

    With both triggers it is the queue's, which takes most of the messages.
    """
    if pipeline.trigger != "both":
        ((_, _, batches),) = streams_of(fleet, pipeline)
        return _latency(fleet, pipeline, batches)
    (_, by_queue, batches), _ = streams_of(fleet, pipeline)
    return _latency(fleet, by_queue, batches)


def _latency(fleet: Fleet, pipeline: Pipeline, batches: Batches) -> Latency:
    rows = STATES * STATE_SECONDS + MAP_START_SECONDS
    if batches.start == "mapping":
        gathered = batches.messages * batches.rate / batches.executions
        rows += billed_seconds("stage", gathered, _readings(fleet, gathered), pipeline)
        # A window begins with the first message of its batch, so that this one waits longest.
        wait, turns = batches.delay, 1
        mean = wait / 2 * (1 + 1 / gathered)
    else:
        loop = batches.start == "drain"
        wait = cycle_seconds(fleet, pipeline) if loop else pipeline.period_seconds
        mean, taken = wait / 2, fleet.messages * wait
        turns = math.ceil(max(1.0, taken / batches.messages) / pipeline.map_concurrency)
        drain = billed_seconds("extract", taken, _readings(fleet, taken), pipeline)
        rows += min(drain, pipeline.drain_seconds)
    rows += turns * child_seconds(batches.messages, batches.readings, pipeline)
    return Latency(mean + rows, wait + rows)


def _readings(fleet: Fleet, messages: float) -> float:
    return messages * fleet.readings_per_message
