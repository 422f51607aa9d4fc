"""Lambda function: the result of an execution, from the outcomes of its batches.

Event: ``{"bucket", "manifest", "execution", "input"}``; ``input`` is that of the execution, or what
Extract made of it. Where Extract drained several times, ``input["whole"]`` names the manifest of
all drains, and ``manifest`` is that of the last one. Result: see :func:`summary.summarize`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from functions.summarize.summary import summarize
from telemetry import metrics, settings
from telemetry.entry import lambda_entry
from telemetry.layout import outcomes_prefix, parse_outcome_key
from telemetry.logs import log
from telemetry.manifest import parse_manifest
from telemetry.storage import get_object, list_objects
from telemetry.tracing import step

__all__ = ["handle", "listed_prefixes"]

READERS = 16
LISTED_APART = 8
"""Most folders of one day that are listed one by one."""


@lambda_entry
def handle(event: dict[str, Any]) -> dict[str, Any]:
    """Compares the manifest with the outcomes.

    Raises ``BatchCorruptError`` where the manifest is not the one that was written.
    """
    bucket, execution = event["bucket"], event["execution"]
    given = event.get("input", {})
    whole = given.get("whole") or {**given, "manifest": event["manifest"]}
    manifest, sha256 = whole["manifest"], whole.get("manifest_sha256")
    tolerated = settings.number("TOLERATED_FAILURE_SHARE", 0.0, most=1.0)
    with step("read manifest"):
        items = parse_manifest(get_object(bucket, manifest), manifest, sha256)
        batches = [item.key for item in items]
    with step("read outcomes"):
        outcomes = _read_outcomes(bucket, execution, batches)
    result = summarize(batches, outcomes, execution=execution, tolerated=tolerated)
    _report(result)
    return result


def listed_prefixes(batches: Iterable[str]) -> list[str]:
    """Prefixes of outcomes that together hold those of all batches.

    Executions of the queue trigger stage a batch or two each: a day with many of them is listed as
    a whole, a thousand keys at a time; otherwise each execution's folder is listed.
    """
    by_day: dict[str, set[str]] = {}
    for key in batches:
        folder = key.rpartition("/")[0]
        by_day.setdefault(folder.rpartition("/")[0], set()).add(folder)
    return [
        outcomes_prefix(f"{place}/")
        for day, folders in sorted(by_day.items())
        for place in (sorted(folders) if len(folders) <= LISTED_APART else [day])
    ]


def _read_outcomes(bucket: str, execution: str, batches: list[str]) -> list[dict[str, Any]]:
    """The outcomes of this execution, of its batches."""
    wanted = set(batches)

    def names(prefix: str) -> list[str]:
        listed = ((o.key, parse_outcome_key(o.key)) for o in list_objects(bucket, prefix))
        return [
            key
            for key, parts in listed
            if parts and parts.execution == execution and parts.raw_key in wanted
        ]

    with ThreadPoolExecutor(READERS) as readers:
        found = readers.map(names, listed_prefixes(batches))
        keys = [key for some in found for key in some]
        return list(readers.map(lambda key: _read_outcome(bucket, key), keys))


def _read_outcome(bucket: str, key: str) -> dict[str, Any]:
    """An outcome; one that can't be parsed is empty, so that its batch counts as failed."""
    try:
        content = json.loads(get_object(bucket, key))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        log.error("An outcome can't be read", key=key)
        return {}
    return content


def _report(result: dict[str, Any]) -> None:
    counts = {name: value for name, value in result.items() if name not in ("message", "failures")}
    log.info(result["message"], **counts)
    # Readings are counted by Load, as they are settled.
    metrics.record("BatchesLoaded", result["loaded"])
    metrics.record("BatchesFailed", result["failed"])
    metrics.record("BatchesQuarantined", result["quarantined"])
