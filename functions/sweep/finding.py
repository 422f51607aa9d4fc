"""What a sweep looks at: running executions, and the listings of S3."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Any

from functions.sweep.batch_state import Batch, Running, Seen
from telemetry.clients import calling, client
from telemetry.errors import BatchCorruptError, BatchMissingError
from telemetry.layout import (
    OutcomeKey,
    day_prefix,
    manifest_key,
    outcome_key,
    outcomes_prefix,
    parse_outcome_key,
    parse_raw_key,
)
from telemetry.logs import log
from telemetry.manifest import parse_manifest
from telemetry.storage import get_object, list_objects

__all__ = ["last_errors", "listed", "running_executions"]

READERS = 16


def running_executions(bucket: str, state_machine: str) -> Running:
    """What the executions that run now deal with."""
    states = client("stepfunctions")
    with calling("stepfunctions", "list the running executions"):
        pages = states.get_paginator("list_executions").paginate(
            stateMachineArn=state_machine, statusFilter="RUNNING"
        )
        arns = [found["executionArn"] for page in pages for found in page["executions"]]
    running = Running()
    with ThreadPoolExecutor(READERS) as readers:
        for name, prefix, keys in readers.map(lambda arn: _dealt_with(bucket, arn), arns):
            running.names.add(name)
            running.keys |= keys
            if prefix:
                running.prefixes.add(prefix)
    return running


def _dealt_with(bucket: str, arn: str) -> tuple[str, str, set[str]]:
    """Name of an execution, the prefix it was told to list, and the keys of its manifest."""
    with calling("stepfunctions", f"describe {arn}"):
        found = client("stepfunctions").describe_execution(executionArn=arn)
    given = _parsed(found.get("input"))
    name, prefix = str(found["name"]), str(given.get("prefix") or "")
    manifest = str(given.get("manifest") or manifest_key(name))
    try:
        items = parse_manifest(get_object(bucket, manifest), manifest)
    except (BatchMissingError, BatchCorruptError):
        # Extract is still at it: what it has staged is covered by its name.
        return name, prefix, set()
    # Where there is a manifest it says exactly what is dealt with; a prefix may be wider.
    return name, "", {item.key for item in items}


def _parsed(text: Any) -> dict[str, Any]:
    try:
        given = json.loads(text or "{}")
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def listed(
    bucket: str, today: date, days: int
) -> tuple[list[Batch], list[tuple[OutcomeKey, datetime]]]:
    """Staged batches and outcomes of these days, and of tomorrow for a clock that is ahead.

    Raw objects first: so no outcome is missing that was there when its batch was seen.
    """
    prefixes = [day_prefix(today - timedelta(days=back)) for back in range(-1, days + 1)]
    with ThreadPoolExecutor(READERS) as readers:
        batches = [b for some in readers.map(lambda p: _batches(bucket, p), prefixes) for b in some]
        outcomes = [
            o for some in readers.map(lambda p: _outcomes(bucket, p), prefixes) for o in some
        ]
    return batches, outcomes


def _batches(bucket: str, prefix: str) -> list[Batch]:
    return [
        Batch(raw, stored.key, stored.size, stored.modified)
        for stored in list_objects(bucket, prefix)
        if (raw := parse_raw_key(stored.key)) is not None
    ]


def _outcomes(bucket: str, prefix: str) -> list[tuple[OutcomeKey, datetime]]:
    return [
        (outcome, stored.modified)
        for stored in list_objects(bucket, outcomes_prefix(prefix))
        if (outcome := parse_outcome_key(stored.key)) is not None
    ]


def last_errors(bucket: str, failed: Sequence[Seen]) -> dict[str, str]:
    """Names of the errors that these batches failed with last, by raw key."""
    with ThreadPoolExecutor(READERS) as readers:
        return dict(readers.map(lambda one: _last_error(bucket, one), failed))


def _last_error(bucket: str, one: Seen) -> tuple[str, str]:
    outcome = one.last_failure
    if outcome is None:
        return one.batch.key, ""
    key = outcome_key(outcome.raw_key, outcome.execution, outcome.status)
    try:
        content = json.loads(get_object(bucket, key))
    except (ValueError, BatchMissingError):
        log.error("An outcome can't be read", key=key)
        return one.batch.key, ""
    return one.batch.key, str(content.get("error")) if isinstance(content, dict) else ""
