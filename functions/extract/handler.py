"""Lambda functions that bring messages from the queue into S3.

``drain``, two states of the workflow. Event: ``{"execution", "started", "input"}`` drains the
queue; with ``"request": {"prefix", "purpose"?, "concurrency"?}`` it lists that prefix instead
(replay). Result: a :class:`~telemetry.manifest.ExecutionInput`, made from a listing, so that a
retried attempt finds the batches that a dead one had staged. Where ``input``, that of the state,
asks for a drain loop (:mod:`functions.extract.drain_loop`), the result has one member more:
``again``, the next drain, or after the last one ``whole``, the manifest of all drains together.

``stage``, called by the queue. Event: ``{"Records": [...]}``. Result:
``{"batchItemFailures": [{"itemIdentifier"}]}``: those messages stay in the queue.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from functions.extract.arrival import stage_arrival
from functions.extract.batches import BatchLimits
from functions.extract.drain_loop import DrainLoop, loop_of
from functions.extract.draining import Drained
from functions.extract.draining import drain as drain_queue
from functions.extract.queue import Queue
from functions.extract.staging import (
    Stager,
    batch_name,
    list_staged,
    require_staged,
    write_manifest,
    write_whole_manifest,
)
from telemetry import metrics, settings
from telemetry.entry import lambda_entry, seconds_left
from telemetry.errors import ConfigurationError
from telemetry.layout import raw_prefix
from telemetry.logs import log
from telemetry.manifest import ExecutionInput, Item, purpose_of
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
    started = _started(event)
    prefix, loop = raw_prefix(execution, started), loop_of(event.get("input"), started)
    if loop is not None:
        return _drained_in_a_loop(bucket, prefix, execution, loop)
    _drain(Stager(bucket, prefix, batch_name(execution)))
    with step("list staged"):
        items = list_staged(bucket, prefix)
        return _manifest(bucket, prefix, execution, items).as_dict()


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


def _drained_in_a_loop(bucket: str, prefix: str, execution: str, loop: DrainLoop) -> dict[str, Any]:
    """One drain of several, and what follows it."""
    now = datetime.now(UTC)
    name = batch_name(execution, loop.drain)
    own_prefix = f"{prefix}{name}"
    if loop.too_early(now):
        given = _manifest(bucket, own_prefix, execution, ())
        return {**given.as_dict(), "again": loop.same_drain().as_dict()}
    if not loop.is_over(now):
        _drain(Stager(bucket, prefix, name))
    with step("list staged"):
        # Also at the end, as a dead attempt may have staged before it.
        items = list_staged(bucket, own_prefix)
    following = loop.next_drain(now, staged=bool(items))
    if following is not None:
        given = _manifest(bucket, own_prefix, execution, items, loop.drain)
        return {**given.as_dict(), "again": following.as_dict()}
    if not loop.loaded:  # the only drain with batches, if any: its manifest is the execution's
        return _manifest(bucket, own_prefix, execution, items).as_dict()
    given = _manifest(bucket, own_prefix, execution, items, loop.drain)
    drains = loop.with_this(staged=bool(items))
    return {**given.as_dict(), "whole": write_whole_manifest(bucket, execution, drains)}


def _drain(stager: Stager) -> None:
    with step("drain queue"):
        done = drain_queue(
            Queue(settings.text("QUEUE_URL")),
            stager.stage,
            _limits(),
            receivers=settings.whole_number("DRAIN_RECEIVERS", 8, least=1),
            seconds=min(settings.number("DRAIN_SECONDS", 20), seconds_left() * RECEIVING_SHARE),
        )
    _report(done)


def _manifest(
    bucket: str, prefix: str, execution: str, items: Sequence[Item], drain: int | None = None
) -> ExecutionInput:
    concurrency = settings.max_concurrency()
    return write_manifest(bucket, prefix, execution, items, concurrency, drain)


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
