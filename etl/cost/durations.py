"""Billed duration of each function for a micro-batch, from measurements.

``measured.json`` (written by ``python -m bench.durations``) has linear models of processor seconds,
database seconds and bytes: an amount per call, per message and per reading. The requests of a call
are those of a recorded run (:mod:`etl.cost.counts`). What can only be measured on AWS is assumed
here, by name:

- a Lambda vCPU is as fast as the processor of the machine that was measured;
- a function gets the share of one vCPU that its memory entitles it to (1,769 MB is a whole one),
  never a second one;
- AWS answers as slowly as :data:`S3_SECONDS` and its neighbours say; calls run one after another,
  except for Extract's, whose receivers run in parallel;
- Step Functions needs :data:`STATE_SECONDS` for a state, and :data:`MAP_START_SECONDS` until a
  Distributed Map has started its children;
- no cold starts: a busy pipeline has few, and each costs the import time in docs/performance.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from etl.cost.counts import children_functions, requests
from etl.cost.settings import Pipeline
from functions.inventory import function

__all__ = [
    "MAP_END_SECONDS",
    "MAP_START_SECONDS",
    "STATE_SECONDS",
    "billed_seconds",
    "child_seconds",
    "database_seconds",
    "measured_requests",
    "measurements",
    "object_bytes",
]

MB_PER_VCPU = 1769
"""MB of memory that come with one vCPU
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html, read 2026-11)."""
S3_SECONDS = 0.03
SQS_SECONDS = 0.015
START_SECONDS = 0.05
CONNECT_SECONDS = 0.03
"""Time to connect to PostgreSQL over TLS."""
EMPTY_SECONDS = 1.0
"""Time of a receiver's last, empty answer: Extract polls for a second."""
STATE_SECONDS = 0.05
"""Time that Step Functions itself takes for a state. Assumed."""
MAP_START_SECONDS, MAP_END_SECONDS = 1.0, 6.0
"""Time until a Distributed Map has started its children, and from their end to its own; it bills
nothing. A Map of 100 children that do nothing took more than 7 s, and its children the first of
them (https://repost.aws/questions/QUn5oKgcnjRTemt39V9hdtyw, read 2026-11). Rows are in the table
before the Map ends, so that only a loop of drains waits for its end."""

TRANSFORM_ROUNDS = 3
"""Transform reads the raw object, writes its objects at the same time, and then the report."""

_SECONDS = {
    "GetObject": S3_SECONDS,
    "PutObject": S3_SECONDS,
    "ListObjectsV2": S3_SECONDS,
    "ReceiveMessage": SQS_SECONDS,
    "DeleteMessageBatch": SQS_SECONDS,
    "StartExecution": START_SECONDS,
}


@cache
def measurements() -> dict[str, Any]:
    """The measurements, as written by the bench."""
    found: dict[str, Any] = json.loads(
        Path(__file__).with_name("measured.json").read_text(encoding="utf-8")
    )
    return found


def _evaluate(line: Mapping[str, float], messages: float, readings: float) -> float:
    return line["call"] + line["message"] * messages + line["reading"] * readings


def measured_requests(name: str, messages: float, readings: float) -> dict[str, float]:
    """AWS requests of one call when the durations were measured, by operation."""
    lines = measurements()["functions"][name]["requests"]
    return {operation: _evaluate(line, messages, readings) for operation, line in lines.items()}


def object_bytes(kind: str, messages: float, readings: float) -> float:
    """Bytes of a micro-batch's object of this kind: raw, clean, copy, rejected, reports ..."""
    return _evaluate(measurements()["bytes"][kind], messages, readings)


def billed_seconds(name: str, messages: float, readings: float, pipeline: Pipeline) -> float:
    """Billed seconds of one call for a micro-batch of that size."""
    parts = measurements()["functions"][name]
    share = min(1.0, function(name).memory / MB_PER_VCPU)
    seconds = _evaluate(parts["cpu_seconds"], messages, readings) / share
    calls = sum(_SECONDS.get(o, S3_SECONDS) * n for o, n in requests(name, messages).items())
    if name == "extract":
        return seconds + calls / pipeline.receivers + EMPTY_SECONDS
    if name == "transform":
        calls = TRANSFORM_ROUNDS * S3_SECONDS
    if name == "load":
        calls += CONNECT_SECONDS + _evaluate(parts["database_seconds"], messages, readings)
    return float(seconds + calls)


def child_seconds(messages: float, readings: float, pipeline: Pipeline) -> float:
    """Seconds of the Express execution of one batch."""
    return sum(
        billed_seconds(name, messages, readings, pipeline) + STATE_SECONDS
        for name in children_functions()
    )


def database_seconds(messages: float, readings: float) -> float:
    """Seconds of one Load's transaction when nothing else runs on the server."""
    return _evaluate(measurements()["functions"]["load"]["database_seconds"], messages, readings)
