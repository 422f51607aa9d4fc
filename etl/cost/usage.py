"""What a month takes of every service, in the units that AWS bills: pure, from fleet and settings.

Where a figure is neither measured nor AWS's rule, it is a named constant here, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from etl.cost.batches import Batches, batches_of, body_bytes, payload_bytes
from etl.cost.durations import billed_seconds, logged_bytes, object_bytes, requests
from etl.cost.settings import SECONDS_A_MONTH, Fleet, Pipeline
from functions.inventory import function

__all__ = ["Group", "Use", "monthly_use"]

Group = Literal["messaging", "devices", "rules", "readings", "storage", "fixed", "optional"]
"""``messaging``: what IoT asks for messages. ``devices``: connections. ``rules``: IoT's rules
engine. ``readings``: all else that grows with readings. ``storage``: what is kept of them.
``fixed``: what an idle stack costs. ``optional``: database and network."""

IOT_UNIT, SQS_UNIT = 5 * 1024, 64 * 1024
SQS_BATCH = 10
MONTH_DAYS = 730 / 24
GB = 1e9
SMALL_OBJECT = 128 * 1024
"""Bytes below which S3's lifecycle moves no object to a colder class
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html)."""

BUSY_STATES = {"queue": 6, "schedule": 7}
"""Standard transitions of an execution: Already staged?, (Extract,) Anything staged?, Load batches,
Summarize, How did it end?, All loaded."""
IDLE_STATES = 4
"""Already staged?, Extract, Anything staged?, Nothing to do."""
CHILD_TRANSITIONS = 1
"""For the start of a map's child. Cautious: no page says that a child that is Express costs it."""
EXPRESS_GB = 64 / 1024
"""Billed in chunks of 64 MB; definition and payload of ours are some kilobytes."""
STATE_SECONDS = 0.05
"""What Step Functions itself takes for a state. Assumed."""
CHILD_EVENTS, PARENT_EVENTS, EVENT_BYTES = 17, 30, 1_000
"""Logged at level ALL with data; the size is assumed."""
MAP_PUTS = 3
"""The manifest of the batches, and the two objects that the map's ResultWriter leaves."""
MAP_GETS = 2
"""The map and Summarize read the manifest."""
TRACES = 2
"""Of an execution: its own, and that of what started it. AWS samples more than one a second."""
OBJECTS_A_KEY_REQUEST = 100
"""With a bucket key S3 asks KMS for up to 99 % fewer data keys
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html, read 2026-11)."""
POLL_SECONDS = 20.0
"""The queue's poller waits so long for a first message."""
SWEEPS_A_DAY, SWEEP_DAYS, SWEEP_GB, LIST_KEYS = 96, 15, 0.5, 1_000
"""The sweep lists raw/ and outcomes/ of so many days."""
SWEEP_SECONDS_A_LIST = 0.1
METRICS, ALARMS, DASHBOARDS, SECRETS, MAILS = 39, 20, 1, 2, 100
"""Of one stack, without the alarm on silence. Mails: when something fails. Assumed."""
SECRET_READS = 1_000
"""Load reads its secret once in the life of a process."""
QUEUE_KEY_REQUESTS = 2_880
"""SQS asks KMS once an hour and caller: see ``infrastructure.core.ingest.KEY_REUSE_SECONDS``."""


@dataclass(frozen=True)
class Use:
    """So much of something in a month."""

    price: str
    """Key of :data:`etl.cost.prices.PRICES`."""
    amount: float
    group: Group


def monthly_use(fleet: Fleet, pipeline: Pipeline) -> list[Use]:
    """Everything that a month takes, database and network aside."""
    batches = batches_of(fleet, pipeline)
    return [
        *_iot(fleet),
        *_queue(fleet, pipeline, batches),
        *_functions(pipeline, batches),
        *_workflow(pipeline, batches),
        *_requests(pipeline, batches),
        *_sweep(batches),
        *_storage(fleet, pipeline, batches),
        *_logs(pipeline, batches),
        *_fixed(),
    ]


def _a_month(rate: float) -> float:
    return rate * SECONDS_A_MONTH


def _units(size: float, unit: int) -> int:
    return max(1, math.ceil(size / unit))


def _iot(fleet: Fleet) -> Iterator[Use]:
    messages = _a_month(fleet.messages)
    units = _units(payload_bytes(fleet), IOT_UNIT)
    connects = fleet.devices * fleet.connects_a_day * MONTH_DAYS
    billed = 0.0 if fleet.basic_ingest else messages * units
    yield Use("iot_messages", billed, "messaging")
    yield Use("iot_messages", connects, "devices")
    yield Use("iot_minutes", fleet.devices * SECONDS_A_MONTH / 60, "devices")
    yield Use("iot_rules", messages * units, "rules")
    yield Use("iot_actions", messages * units, "rules")


def _queue(fleet: Fleet, pipeline: Pipeline, batches: Batches) -> Iterator[Use]:
    size = body_bytes(fleet)
    received = min(SQS_BATCH, batches.messages)
    each = _units(size, SQS_UNIT) + (_units(size * received, SQS_UNIT) + 1) / received
    yield Use("sqs_requests", _a_month(fleet.messages) * each, "readings")
    if pipeline.trigger == "queue":
        yield Use("sqs_requests", _a_month(pipeline.pollers / POLL_SECONDS), "fixed")
    else:
        empty = batches.executions * pipeline.receivers + batches.idle_executions
        yield Use("sqs_requests", _a_month(empty), "fixed")


def _functions(pipeline: Pipeline, batches: Batches) -> Iterator[Use]:
    first = "stage" if pipeline.trigger == "queue" else "extract"
    drained = batches.messages * batches.rate / batches.executions
    sizes = {
        first: (batches.executions, drained),
        **dict.fromkeys(("transform", "validate", "load"), (batches.rate, batches.messages)),
        "summarize": (batches.executions, 1.0),
    }
    per_message = batches.readings / batches.messages
    for name, (rate, messages) in sizes.items():
        seconds = billed_seconds(name, messages, messages * per_message, pipeline)
        yield Use("lambda_requests", _a_month(rate), "readings")
        yield Use("lambda_seconds", _a_month(rate) * seconds * _gb(name), "readings")
    idle = _a_month(batches.idle_executions)
    if idle:
        yield Use("lambda_requests", idle, "fixed")
        seconds = billed_seconds("extract", 0, 0, pipeline)
        yield Use("lambda_seconds", idle * seconds * _gb("extract"), "fixed")


def _gb(name: str) -> float:
    return function(name).memory / 1024


def _workflow(pipeline: Pipeline, batches: Batches) -> Iterator[Use]:
    busy, children = _a_month(batches.executions), _a_month(batches.rate)
    transitions = busy * BUSY_STATES[pipeline.trigger] + children * CHILD_TRANSITIONS
    yield Use("states_transitions", transitions, "readings")
    yield Use("states_requests", children, "readings")
    size = (batches.messages, batches.readings)
    seconds = sum(
        billed_seconds(name, *size, pipeline) + STATE_SECONDS
        for name in ("transform", "validate", "load")
    )
    yield Use("states_seconds", children * math.ceil(seconds * 10) / 10 * EXPRESS_GB, "readings")
    idle = _a_month(batches.idle_executions)
    yield Use("states_transitions", idle * IDLE_STATES, "fixed")
    if pipeline.trigger == "schedule":
        yield Use("schedules", SECONDS_A_MONTH / pipeline.period_seconds, "fixed")
    yield Use("traces", busy * TRACES, "readings")
    yield Use("traces", idle, "fixed")


def _requests(pipeline: Pipeline, batches: Batches) -> Iterator[Use]:
    size = (batches.messages, batches.readings)
    first = "stage" if pipeline.trigger == "queue" else "extract"
    batch = [requests(name, *size) for name in ("transform", "validate", "load")]
    execution = [requests(name, 1, 1) for name in (first, "summarize")]
    children, busy = _a_month(batches.rate), _a_month(batches.executions)
    puts = children * _count(batch, "PutObject", "ListObjectsV2")
    puts += children  # the raw object
    puts += busy * (_count(execution, "ListObjectsV2") + MAP_PUTS)
    # Summarize gets one outcome a batch.
    gets = children * (_count(batch, "GetObject") + 1) + busy * MAP_GETS
    yield Use("s3_put", puts, "readings")
    yield Use("s3_get", gets, "readings")
    yield Use("key_requests", (puts + gets) / OBJECTS_A_KEY_REQUEST, "readings")


def _count(calls: list[dict[str, float]], *operations: str) -> float:
    return sum(call.get(operation, 0.0) for call in calls for operation in operations)


def _sweep(batches: Batches) -> Iterator[Use]:
    keys = batches.rate * 86_400 * SWEEP_DAYS * 2
    sweeps = SWEEPS_A_DAY * MONTH_DAYS
    groups: tuple[tuple[float, Group], ...] = (
        (keys / LIST_KEYS, "readings"),
        (2 * SWEEP_DAYS, "fixed"),
    )
    for lists, group in groups:
        yield Use("s3_put", sweeps * lists, group)
        yield Use("lambda_seconds", sweeps * lists * SWEEP_SECONDS_A_LIST * SWEEP_GB, group)
    yield Use("lambda_requests", sweeps, "fixed")
    yield Use("schedules", sweeps, "fixed")


def _storage(fleet: Fleet, pipeline: Pipeline, batches: Batches) -> Iterator[Use]:
    """Of the objects of ``months_kept`` months, as lifecycle rules leave them in the last one."""
    size, number = (batches.messages, batches.readings), _a_month(batches.rate)
    months = pipeline.months_kept
    # Longer names and numbers make payload and raw object longer alike.
    raw = object_bytes("raw", *size) * payload_bytes(fleet)
    raw /= payload_bytes(replace(fleet, reading_bytes=None))
    raw_gb = raw * number / GB
    if raw < SMALL_OBJECT:
        yield Use("s3_standard", raw_gb * months, "storage")
    else:
        yield Use("s3_standard", raw_gb * min(1, months), "storage")
        yield Use("s3_infrequent", raw_gb * max(0, min(2, months - 1)), "storage")
        yield Use("s3_glacier", raw_gb * max(0, months - 3), "storage")
        yield Use("s3_to_infrequent", number * (months > 1), "storage")
        yield Use("s3_to_glacier", number * (months > 3), "storage")
    kept = sum(object_bytes(kind, *size) for kind in ("clean", "rejected", "reports"))
    yield Use("s3_standard", kept * number / GB * months, "storage")
    week = object_bytes("copy", *size) + object_bytes("copy_groups", *size)
    yield Use("s3_standard", week * number / GB * 7 / MONTH_DAYS, "storage")


def _logs(pipeline: Pipeline, batches: Batches) -> Iterator[Use]:
    first = "stage" if pipeline.trigger == "queue" else "extract"
    batch = sum(logged_bytes(name, 1, 1) for name in ("transform", "validate", "load"))
    batch += CHILD_EVENTS * EVENT_BYTES
    execution = sum(logged_bytes(name, 1, 1) for name in (first, "summarize"))
    execution += PARENT_EVENTS * EVENT_BYTES
    told = _a_month(batches.rate) * batch + _a_month(batches.executions) * execution
    idle = _a_month(batches.idle_executions) * PARENT_EVENTS / 2 * EVENT_BYTES
    groups: tuple[tuple[float, Group], ...] = ((told / GB, "readings"), (idle / GB, "fixed"))
    for size, group in groups:
        yield Use("logs_ingested", size, group)
        yield Use("logs_stored", size, group)


def _fixed() -> Iterator[Use]:
    yield Use("metrics", METRICS, "fixed")
    yield Use("alarms", ALARMS, "fixed")
    yield Use("dashboards", DASHBOARDS, "fixed")
    yield Use("keys", 1, "fixed")
    yield Use("key_requests", QUEUE_KEY_REQUESTS, "fixed")
    yield Use("secrets", SECRETS, "fixed")
    yield Use("secret_requests", SECRET_READS, "fixed")
    yield Use("mails", MAILS, "fixed")
