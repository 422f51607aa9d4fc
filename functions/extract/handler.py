"""Lambda functions that bring messages from the queue into S3.

``drain``, two states of the workflow. Event: ``{"execution", "started"}`` drains the queue; with
``"request": {"prefix", "purpose"?, "concurrency"?}`` it lists that prefix instead (replay).
Result: a :class:`~telemetry.manifest.ExecutionInput`, made from a listing, so that a retried
attempt finds the batches that a dead one had staged.

``stage``, called by the queue. Event: ``{"Records": [...]}``. Result:
``{"batchItemFailures": [{"itemIdentifier"}]}``: those messages stay in the queue.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from functions.extract.arrival import stage_arrival
from functions.extract.batches import BatchLimits
from functions.extract.draining import Drained
from functions.extract.draining import drain as drain_queue
from functions.extract.queue import Queue
from functions.extract.staging import Stager, list_staged, require_staged, write_manifest
from telemetry import metrics, settings
from telemetry.entry import lambda_entry, seconds_left
from telemetry.errors import ConfigurationError
from telemetry.layout import raw_prefix
from telemetry.logs import log
from telemetry.manifest import purpose_of
from telemetry.tracing import step

__all__ = ["drain", "stage"]

RECEIVING_SHARE = 0.45
"""Share of the time left; deleting the messages takes about as long as receiving them."""


@lambda_entry
def drain(event: dict[str, Any]) -> dict[str, Any]:
    """Drains the queue into the execution's prefix, and returns what is staged there."""
    bucket, execution = settings.text("DATA_BUCKET"), str(event["execution"])
    request = event.get("request") or {}
    if request.get("prefix"):
        return _listed(bucket, execution, request)
    prefix = raw_prefix(execution, _started(event))
    stager = Stager(bucket, prefix, execution)
    with step("drain queue"):
        done = drain_queue(
            Queue(settings.text("QUEUE_URL")),
            stager.stage,
            _limits(),
            receivers=settings.whole_number("DRAIN_RECEIVERS", 8, least=1),
            seconds=min(settings.number("DRAIN_SECONDS", 20), seconds_left() * RECEIVING_SHARE),
        )
    _report(done)
    with step("list staged"):
        items = list_staged(bucket, prefix)
        return write_manifest(
            bucket, prefix, execution, items, settings.max_concurrency()
        ).as_dict()


@lambda_entry
def stage(event: dict[str, Any]) -> dict[str, Any]:
    """Stages the messages that the queue delivered, and starts an execution for them."""
    records = event.get("Records") or []
    if not records:
        return {"batchItemFailures": []}
    arrival = stage_arrival(
        records,
        settings.text("DATA_BUCKET"),
        settings.text("STATE_MACHINE_ARN"),
        _limits(),
        settings.max_concurrency(),
    )
    _report(
        Drained(
            messages=arrival.messages,
            batches=arrival.batches,
            not_deleted=len(arrival.failed),
            oldest=arrival.oldest,
        )
    )
    return {"batchItemFailures": [{"itemIdentifier": name} for name in arrival.failed]}


def _listed(bucket: str, execution: str, request: dict[str, Any]) -> dict[str, Any]:
    """The batches under the prefix that an operator named; the queue is not touched."""
    prefix = str(request["prefix"])
    with step("list staged"):
        items = require_staged(bucket, prefix, purpose_of(request, "replay"))
        asked = request.get("concurrency")
        concurrency = settings.max_concurrency() if asked is None else max(1, int(asked))
        return write_manifest(bucket, prefix, execution, items, concurrency).as_dict()


def _limits() -> BatchLimits:
    default = BatchLimits()
    return BatchLimits(
        bytes=settings.whole_number("BATCH_BYTES", default.bytes, least=1),
        messages=settings.whole_number("BATCH_MESSAGES", default.messages, least=1),
        seconds=settings.number("BATCH_SECONDS", default.seconds),
    )


def _started(event: dict[str, Any]) -> datetime:
    try:
        started = datetime.fromisoformat(str(event["started"]))
    except ValueError:
        raise ConfigurationError(
            f"The event's 'started' must be ISO 8601, not {event['started']!r}."
        ) from None
    return started if started.tzinfo else started.replace(tzinfo=UTC)


def _report(done: Drained) -> None:
    log.info("Staged", messages=done.messages, batches=done.batches, not_deleted=done.not_deleted)
    metrics.record("MessagesStaged", done.messages)
    metrics.record("BatchesStaged", done.batches)
    metrics.record("MessagesNotDeleted", done.not_deleted)
    if done.oldest is not None:
        metrics.record("QueueSeconds", max(0.0, round(time.time() - done.oldest, 3)))
