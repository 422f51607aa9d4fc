"""An estimate of the latency on AWS: waiting, then one part after another.

The parts are those of the model of costs (:mod:`etl.cost.durations`: durations measured on this
machine, AWS's answers assumed) and assumptions that are named here. Nothing of it was measured on
AWS. The percentiles are those of :data:`DRAWS` messages with random waiting, drawn from a fixed
seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from etl.cost.durations import billed_seconds
from etl.cost.settings import Pipeline

__all__ = [
    "COLD_SECONDS",
    "COLD_SHARE",
    "INVOKE_SECONDS",
    "Estimate",
    "estimated",
    "parts",
]

ARRIVAL_SECONDS = 0.1
"""Time from a device in the same region through broker and rule to the queue. Assumed."""
INVOKE_SECONDS = 0.02
"""Time that an invocation takes beside the function's own. Assumed."""
STATE_SECONDS = 0.05
"""Time that Step Functions takes for a state of a Standard execution. Assumed."""
STATES = 3
"""States before the map: two choices and the map itself."""
MAP_SECONDS = (0.3, 1.0)
"""Least and most time until a Distributed Map has started a child: in the whole seconds that a user
has published, children began within the second of ``MapRunStarted``, and the map ended six seconds
later, when rows are long visible (https://repost.aws/questions/QUn5oKgcnjRTemt39V9hdtyw, read
2026-11)."""
COLD_SHARE = 0.01
"""Share of invocations with a cold start: "typically under 1 %"
(https://aws.amazon.com/blogs/compute/operating-lambda-performance-optimization-part-1/, read
2026-11)."""
ENVIRONMENT_SECONDS = 0.25
"""Time for a new environment, before the function's modules are imported. Assumed; the same page:
cold starts take from under 100 ms to over 1 s."""
COLD_SECONDS = {
    name: ENVIRONMENT_SECONDS + imported
    for name, imported in {
        "stage": 0.12, "extract": 0.12, "transform": 0.225, "validate": 0.134, "load": 0.165,
    }.items()
}  # fmt: skip
"""The environment and the import of each function (docs/performance.md)."""
SPREAD = 0.35
"""Standard deviation of the logarithm of a function's duration: its p99 is 2.3 times its median.
Assumed."""
RATE, EACH = 10.0, 50
"""Messages per second and readings per message of the estimate."""
DRAWS = 20_000
SEED = 17


@dataclass(frozen=True)
class Estimate:
    """Estimated latency, in seconds."""

    p50: float
    p99: float


def _steps(pipeline: Pipeline) -> dict[str, float]:
    """Seconds of each function on the way of a message to its row, in order.

    A function is counted whole, though some of it comes after the row: no more is known of it.
    """
    first = "stage" if _has_mapping(pipeline) else "extract"
    messages = max(1.0, RATE * _interval(pipeline))
    return {
        name: billed_seconds(name, messages, messages * EACH, pipeline)
        for name in (first, "transform", "validate", "load")
    }


def _has_mapping(pipeline: Pipeline) -> bool:
    return pipeline.trigger != "schedule" and pipeline.delivery == "mapping"


def _interval(pipeline: Pipeline) -> float:
    """Seconds for which messages wait at most before they are taken from the queue."""
    return pipeline.period_seconds if pipeline.trigger == "schedule" else pipeline.window_seconds


def parts(pipeline: Pipeline) -> list[tuple[str, float, str]]:
    """Each part in order: its name, its median in seconds, and what that is based on."""
    least, most = MAP_SECONDS
    basis = "measured time and requests, AWS's answers assumed"
    functions = [
        (
            name.capitalize(),
            seconds + INVOKE_SECONDS,
            basis,
        )
        for name, seconds in _steps(pipeline).items()
    ]
    return [
        ("broker, rule and queue", ARRIVAL_SECONDS, "assumed"),
        ("waiting for the window's end", _interval(pipeline) / 2, "half of the window"),
        functions[0],
        ("states before the map", STATES * STATE_SECONDS, f"assumed, {STATES} states"),
        ("start of the map", (least + most) / 2, f"between {least} and {most} s"),
        *functions[1:],
    ]


@cache
def estimated(pipeline: Pipeline) -> Estimate:
    """The percentiles of a fleet's messages with this configuration of the pipeline."""
    source = random.Random(SEED)  # noqa: S311 - a simulation, not a secret
    steps = _steps(pipeline)
    drawn = sorted(_draw(source, _interval(pipeline), steps) for _ in range(DRAWS))
    return Estimate(_percentile(drawn, 0.5), _percentile(drawn, 0.99))


def _draw(source: random.Random, interval: float, steps: dict[str, float]) -> float:
    """The latency of one message."""
    seconds = ARRIVAL_SECONDS + source.uniform(0, interval) + STATES * STATE_SECONDS
    seconds += source.uniform(*MAP_SECONDS)
    for name, median in steps.items():
        seconds += INVOKE_SECONDS + median * source.lognormvariate(0, SPREAD)
        if source.random() < COLD_SHARE:
            seconds += COLD_SECONDS[name]
    return seconds


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
