"""Reads what a sweep decides from: running executions, staged batches, and recorded errors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial

from functions.sweep.batch_state import Running
from telemetry.batches import Batch, batches_below
from telemetry.clients import calling, client
from telemetry.errors import BatchCorruptError, BatchMissingError
from telemetry.layout import day_prefix, manifest_key, outcome_key
from telemetry.logs import log
from telemetry.manifest import parse_input, parse_manifest
from telemetry.storage import get_object, list_objects

__all__ = ["last_errors", "running_executions", "staged_batches"]

READERS = 16


def running_executions(bucket: str, state_machine: str) -> Running:
    """The batches that the running executions process."""
    states = client("stepfunctions")
    with calling("stepfunctions", "list the running executions"):
        pages = states.get_paginator("list_executions").paginate(
            stateMachineArn=state_machine, statusFilter="RUNNING"
        )
        arns = [found["executionArn"] for page in pages for found in page["executions"]]
    running = Running()
    with ThreadPoolExecutor(READERS) as readers:
        for name, prefix, keys in readers.map(lambda arn: _batches_of(bucket, arn), arns):
            running.names.add(name)
            running.keys |= keys
            if prefix:
                running.prefixes.add(prefix)
    return running


def _batches_of(bucket: str, arn: str) -> tuple[str, str, set[str]]:
    """Name of an execution, the prefix in its input, and the keys in its manifest."""
    with calling("stepfunctions", f"describe {arn}"):
        found = client("stepfunctions").describe_execution(executionArn=arn)
    given = parse_input(found.get("input"))
    name, prefix = str(found["name"]), str(given.get("prefix") or "")
    manifest = str(given.get("manifest") or manifest_key(name))
    try:
        items = parse_manifest(get_object(bucket, manifest), manifest, given.get("manifest_sha256"))
    except (BatchMissingError, BatchCorruptError):
        # Extract is still running: the batches that it has staged are covered by its name. Those of
        # a damaged manifest may be loaded twice, which counts them once.
        return name, prefix, set()
    # Where there is a manifest it names exactly the batches; a prefix may hold more.
    return name, "", {item.key for item in items}


def staged_batches(bucket: str, days: Iterable[date]) -> list[Batch]:
    """Batches of these days with their outcomes."""
    prefixes = [day_prefix(day) for day in days]

    def below(prefix: str) -> list[Batch]:
        return batches_below(partial(list_objects, bucket), prefix)

    with ThreadPoolExecutor(READERS) as readers:
        return [batch for batches in readers.map(below, prefixes) for batch in batches]


def last_errors(bucket: str, failed: Sequence[Batch]) -> dict[str, str]:
    """Name of the error that each batch failed with last, by raw key."""
    with ThreadPoolExecutor(READERS) as readers:
        return dict(readers.map(lambda batch: _last_error(bucket, batch), failed))


def _last_error(bucket: str, batch: Batch) -> tuple[str, str]:
    last = batch.failures[-1]
    key = outcome_key(batch.key, last.execution, last.status)
    try:
        content = json.loads(get_object(bucket, key))
    except (ValueError, BatchMissingError):
        log.error("An outcome can't be read", key=key)
        return batch.key, ""
    return batch.key, str(content.get("error")) if isinstance(content, dict) else ""
