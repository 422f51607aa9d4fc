"""Stages the messages that the event source mapping delivers, and starts an execution for them.

The ids follow from the messages: the same messages delivered again overwrite their object with the
same content, and start the same execution, which Step Functions refuses to do twice.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from functions.extract.batches import Accumulator, BatchLimits, Line, MicroBatch
from functions.extract.envelope import read_envelope
from functions.extract.staging import put_batch, write_manifest
from telemetry.clients import client
from telemetry.entry import identify
from telemetry.errors import TelemetryError
from telemetry.layout import raw_prefix
from telemetry.logs import log
from telemetry.manifest import ExecutionInput, Item
from telemetry.tracing import start_options

__all__ = ["Arrival", "stage_arrival"]


@dataclass
class Arrival:
    """Result of one delivery of messages."""

    staged: list[Item] = field(default_factory=list)
    messages: int = 0
    """Number of staged messages."""
    failed: list[str] = field(default_factory=list)
    """Ids of the messages that stay in the queue."""
    oldest: float | None = None
    """Epoch seconds at which the oldest message was sent to the queue."""

    @property
    def batches(self) -> int:
        """Number of staged objects."""
        return len(self.staged)


def stage_arrival(
    records: Sequence[dict[str, Any]],
    bucket: str,
    state_machine: str,
    limits: BatchLimits,
    concurrency: int,
) -> Arrival:
    """Stages the records and starts an execution over them; never raises for an AWS failure."""
    ordered = sorted(records, key=lambda record: str(record["messageId"]))
    name, oldest = _name(ordered), _oldest(ordered)
    identify(execution=name)
    prefix = raw_prefix(name, oldest)
    arrival = _stage(ordered, bucket, prefix, name, limits)
    arrival.oldest = oldest.timestamp()
    if not arrival.staged:
        return arrival
    try:
        given = write_manifest(bucket, prefix, name, arrival.staged, concurrency)
    except TelemetryError as error:
        log.error("Could not write the manifest", error=type(error).__name__, cause=str(error))
    else:
        if _start(state_machine, name, given):
            return arrival
    # Staged but not started. The messages are delivered again, perhaps beside others; loading is
    # idempotent, and the sweep finds the objects that this delivery left behind.
    arrival.failed = [record["messageId"] for record in ordered]
    return arrival


def _stage(
    records: Sequence[dict[str, Any]], bucket: str, prefix: str, name: str, limits: BatchLimits
) -> Arrival:
    batches = _split(records, limits)
    arrival = Arrival()
    for number, batch in enumerate(batches):
        batch_id = name if len(batches) == 1 else f"{name}-{number:04d}"
        try:
            arrival.staged.append(put_batch(bucket, prefix, batch_id, batch))
        except TelemetryError as error:
            log.error("Could not stage a micro-batch", error=type(error).__name__, cause=str(error))
            arrival.failed += batch.receipts
        else:
            arrival.messages += len(batch.lines)
    return arrival


def _split(records: Iterable[dict[str, Any]], limits: BatchLimits) -> list[MicroBatch]:
    """The records as micro-batches, with message ids in the place of receipts.

    No time limit applies: it would split the same records differently the next time.
    """
    accumulator = Accumulator(replace(limits, seconds=math.inf))
    batches = accumulator.add(_line(record["messageId"], record["body"]) for record in records)
    return [*batches, *accumulator.rest()]


def _line(message_id: str, body: str) -> Line:
    envelope = read_envelope(message_id, body)
    return Line(envelope.line, message_id, envelope.contract)


def _start(state_machine: str, name: str, given: ExecutionInput) -> bool:
    """Starts the execution; returns whether it has been started, now or before."""
    states = client("stepfunctions")
    try:
        states.start_execution(
            stateMachineArn=state_machine,
            name=name,
            input=json.dumps(given.as_dict()),
            **start_options(name),
        )
    except states.exceptions.ExecutionAlreadyExists:
        log.info("Messages were delivered again: their execution exists", execution=name)
    except Exception as error:
        log.error("Could not start an execution", error=type(error).__name__, cause=str(error))
        return False
    return True


def _name(records: Sequence[dict[str, Any]]) -> str:
    ids = "\n".join(str(record["messageId"]) for record in records)
    return f"esm-{hashlib.sha256(ids.encode()).hexdigest()[:20]}"


def _oldest(records: Sequence[dict[str, Any]]) -> datetime:
    """Time at which the oldest message was sent: unlike the time now, the same the next time."""
    sent = min(int(record["attributes"]["SentTimestamp"]) for record in records)
    return datetime.fromtimestamp(sent / 1000, UTC)
