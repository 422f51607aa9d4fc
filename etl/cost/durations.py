"""How long each function is billed for a micro-batch, from what was measured of it.

``measured.json`` (written by ``python -m bench.durations``) has straight lines: processor seconds,
database seconds, requests and bytes, so much a call, a message and a reading. What can't be
measured off AWS is assumed here, by name:

- a Lambda processor is as fast as the machine's that was measured;
- a function gets its memory's share of one processor (1,769 MB is a whole one), and no second one;
- AWS answers as slowly as :data:`S3_SECONDS` and the others say; calls wait for each other, but
  for Extract's, whose receivers share them;
- no cold starts: a busy pipeline has few, and each costs the import told in docs/performance.md.
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
    "measured",
    "object_bytes",
    "requests",
]

WHOLE_PROCESSOR = 1769
"""MB of memory that come with one processor
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html, read 2026-11)."""
S3_SECONDS = 0.03
SQS_SECONDS = 0.015
START_SECONDS = 0.05
CONNECT_SECONDS = 0.03
"""Of a connection to PostgreSQL over TLS."""
EMPTY_SECONDS = 1.0
"""A receiver's last, empty answer: Extract polls for a second."""

_SECONDS = {
    "GetObject": S3_SECONDS,
    "PutObject": S3_SECONDS,
    "ListObjectsV2": S3_SECONDS,
    "ReceiveMessage": SQS_SECONDS,
    "DeleteMessageBatch": SQS_SECONDS,
    "StartExecution": START_SECONDS,
}


@cache
def measured() -> dict[str, Any]:
    """What was measured, as written by the bench."""
    found: dict[str, Any] = json.loads(
        Path(__file__).with_name("measured.json").read_text(encoding="utf-8")
    )
    return found


def _on(line: Mapping[str, float], messages: float, readings: float) -> float:
    return line["call"] + line["message"] * messages + line["reading"] * readings


def requests(name: str, messages: float, readings: float) -> dict[str, float]:
    """Calls to AWS of one call of the function, by operation."""
    lines = measured()["functions"][name]["requests"]
    return {operation: _on(line, messages, readings) for operation, line in lines.items()}


def logged_bytes(name: str, messages: float, readings: float) -> float:
    """Bytes that one call logs."""
    return _on(measured()["functions"][name]["logged_bytes"], messages, readings)


def object_bytes(kind: str, messages: float, readings: float) -> float:
    """Size of an object of a micro-batch: raw, clean, copy, rejected, reports ..."""
    return _on(measured()["bytes"][kind], messages, readings)


def billed_seconds(name: str, messages: float, readings: float, pipeline: Pipeline) -> float:
    """Of one call, for a micro-batch of that size."""
    parts = measured()["functions"][name]
    share = min(1.0, function(name).memory / WHOLE_PROCESSOR)
    seconds = _on(parts["cpu_seconds"], messages, readings) / share
    calls = sum(_SECONDS[o] * n for o, n in requests(name, messages, readings).items())
    if name == "extract":
        return seconds + calls / pipeline.receivers + EMPTY_SECONDS
    if name == "load":
        calls += CONNECT_SECONDS + _on(parts["database_seconds"], messages, readings)
    return float(seconds + calls)


def database_seconds(messages: float, readings: float) -> float:
    """Of one Load's transaction, alone on the server."""
    return _on(measured()["functions"]["load"]["database_seconds"], messages, readings)
