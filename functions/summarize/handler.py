"""Lambda function: judges an execution by how each of its batches ended.

Event: ``{"bucket", "prefix", "execution"}``. Result: see :func:`summary.summarize`.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from functions.summarize.summary import SUMMED, summarize
from telemetry import metrics, settings
from telemetry.entry import lambda_entry
from telemetry.layout import outcomes_prefix, parse_raw_key
from telemetry.logs import log
from telemetry.storage import get_object, list_objects
from telemetry.tracing import step

__all__ = ["handle"]

READERS = 16


@lambda_entry
def handle(event: dict[str, Any]) -> dict[str, Any]:
    """Compares what was staged with the outcomes."""
    bucket, prefix, execution = event["bucket"], event["prefix"], event["execution"]
    tolerated = settings.number("TOLERATED_FAILURE_SHARE", 0.0, most=1.0)
    with step("list staged"):
        staged = [o.key for o in list_objects(bucket, prefix) if parse_raw_key(o.key) is not None]
    with step("read outcomes"):
        outcomes = _read_outcomes(bucket, execution)
    result = summarize(staged, outcomes, execution=execution, prefix=prefix, tolerated=tolerated)
    _tell(result)
    return result


def _read_outcomes(bucket: str, execution: str) -> list[dict[str, Any]]:
    keys = [stored.key for stored in list_objects(bucket, outcomes_prefix(execution))]
    with ThreadPoolExecutor(READERS) as readers:
        return list(readers.map(lambda key: _read_outcome(bucket, key), keys))


def _read_outcome(bucket: str, key: str) -> dict[str, Any]:
    """An outcome; one that can't be read is none, so that its batch shows as failed."""
    try:
        content = json.loads(get_object(bucket, key))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        log.error("An outcome can't be read", key=key)
        return {}
    return content


def _tell(result: dict[str, Any]) -> None:
    told = {name: value for name, value in result.items() if name not in ("message", "failures")}
    log.info(result["message"], **told)
    metrics.count("BatchesLoaded", result["loaded"])
    metrics.count("BatchesFailed", result["failed"])
    for name in SUMMED:
        metrics.count(f"Readings{name.title().replace('_', '')}", result[name])
