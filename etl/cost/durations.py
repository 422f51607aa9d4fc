"""Billed duration of each function for a micro-batch, from measurements.

``measured.json`` (written by ``python -m bench.durations``) has linear models of processor seconds,
database seconds, requests and bytes: an amount per call, per message and per reading. What can only
be measured on AWS is assumed here, by name:

- a Lambda vCPU is as fast as the processor of the machine that was measured;
- a function gets the share of one vCPU that its memory entitles it to (1,769 MB is a whole one),
  never a second one;
- AWS answers as slowly as :data:`S3_SECONDS` and its neighbours say; calls run one after another,
  except for Extract's, whose receivers run in parallel;
- no cold starts: a busy pipeline has few, and each costs the import time in docs/performance.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from etl.cost.settings import Pipeline
from functions.inventory import function

__all__ = [
    "billed_seconds",
    "database_seconds",
    "logged_bytes",
    "measurements",
    "object_bytes",
    "requests",
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


def requests(name: str, messages: float, readings: float) -> dict[str, float]:
    """AWS requests of one call of the function, by operation."""
    lines = measurements()["functions"][name]["requests"]
    return {operation: _evaluate(line, messages, readings) for operation, line in lines.items()}


def logged_bytes(name: str, messages: float, readings: float) -> float:
    """Bytes that one call writes to its log."""
    return _evaluate(measurements()["functions"][name]["logged_bytes"], messages, readings)


def object_bytes(kind: str, messages: float, readings: float) -> float:
    """Bytes of a micro-batch's object of this kind: raw, clean, copy, rejected, reports ..."""
    return _evaluate(measurements()["bytes"][kind], messages, readings)


def billed_seconds(name: str, messages: float, readings: float, pipeline: Pipeline) -> float:
    """Billed seconds of one call for a micro-batch of that size."""
    parts = measurements()["functions"][name]
    share = min(1.0, function(name).memory / MB_PER_VCPU)
    seconds = _evaluate(parts["cpu_seconds"], messages, readings) / share
    calls = sum(_SECONDS[o] * n for o, n in requests(name, messages, readings).items())
    if name == "extract":
        return seconds + calls / pipeline.receivers + EMPTY_SECONDS
    if name == "load":
        calls += CONNECT_SECONDS + _evaluate(parts["database_seconds"], messages, readings)
    return float(seconds + calls)


def database_seconds(messages: float, readings: float) -> float:
    """Seconds of one Load's transaction when nothing else runs on the server."""
    return _evaluate(measurements()["functions"]["load"]["database_seconds"], messages, readings)
