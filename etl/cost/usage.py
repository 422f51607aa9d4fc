"""Monthly usage of every AWS service, in the units that AWS bills.

A figure that is neither measured nor a rule of AWS is a named constant here, with the reason.
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

__all__ = ["Group", "Usage", "monthly_usage"]

Group = Literal["messaging", "devices", "rules", "readings", "storage", "fixed", "optional"]
"""Cost groups. ``messaging``: IoT's price for messages. ``devices``: connections. ``rules``: IoT's
rules engine. ``readings``: all else that grows with readings. ``storage``: the stored objects.
``fixed``: the cost of an idle stack. ``optional``: database and network."""

IOT_UNIT, SQS_UNIT = 5 * 1024, 64 * 1024
SQS_BATCH = 10
MONTH_DAYS = 730 / 24
GB = 1e9
SMALL_OBJECT = 128 * 1024
"""Bytes below which S3's lifecycle rules move no object to a colder class
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html)."""

BUSY_STATES = {"queue": 6, "schedule": 7}
"""Standard state transitions of an execution that loads batches; a test counts them in the
definition."""
IDLE_STATES = 4
"""Standard state transitions of a scheduled execution that finds an empty queue."""
CHILD_TRANSITIONS = 1
"""Transitions to start a child of the Map; AWS does not say whether an Express child costs one."""
EXPRESS_GB = 64 / 1024
"""Memory of an Express execution, billed in chunks of 64 MB; ours needs a few kilobytes."""
STATE_SECONDS = 0.05
"""Time that Step Functions itself takes for a state. Assumed."""
CHILD_EVENTS, PARENT_EVENTS, EVENT_BYTES = 17, 30, 1_000
"""Log events per child and per parent execution (level ALL, with data); their size is assumed."""
PLATFORM_BYTES = 860
"""Bytes that Lambda itself logs per invocation: start and report, as JSON, with the trace's id.
From the examples of https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
(read 2026-11), and 26 bytes that CloudWatch adds to each event."""
MAP_PUTS = 3
"""Objects written per execution: the manifest, and the two that the Map's ResultWriter leaves."""
MAP_GETS = 2
"""Objects read per execution: the Map and Summarize both read the manifest."""
TRACES = 2
"""Traces per execution: its own and its trigger's. AWS samples above one per second."""
OBJECTS_A_KEY_REQUEST = 100
"""S3 requests per KMS request: a bucket key saves up to 99 % of them
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html, read 2026-11)."""
POLL_SECONDS = 20.0
"""Longest time that the queue's poller waits for a first message."""
SWEEPS_A_DAY, SWEEP_DAYS, SWEEP_GB, LIST_KEYS = 96, 15, 0.5, 1_000
"""Sweeps per day, days of raw/ and outcomes/ that each lists, its memory in GB, keys per list."""
SWEEP_SECONDS_A_LIST = 0.1
METRICS, ALARMS, DASHBOARDS, SECRETS, EMAILS = 44, 27, 1, 2, 100
"""Counts for one stack, without the alarm on silence. Emails are sent on failures; assumed."""
CHANNEL_METRICS, CHANNEL_ALARMS, CHANNEL_SECRETS = 1, 2, 1
"""Counts that channels add. Their function runs when an alarm changes: a fraction of a cent."""
MAINTENANCE_ALARMS = 1
"""Alarms that a table with partitions adds."""
CONTRACT_ALARMS = 3
"""Alarms that a further contract adds: those of its topic rule."""
SECRET_READS = 1_000
"""Reads per month: Load reads its secret once per process. Assumed."""
QUEUE_KEY_REQUESTS = 2_880
"""SQS calls KMS once per hour and caller: see ``infrastructure.core.ingest.KEY_REUSE_SECONDS``."""


@dataclass(frozen=True)
class Usage:
    """Monthly usage of one price."""

    price: str
    """Key of :data:`etl.cost.prices.prices`."""
    amount: float
    group: Group


def monthly_usage(fleet: Fleet, pipeline: Pipeline) -> list[Usage]:
    """All usage of a month, without database and network."""
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
        *(_channels() if pipeline.channels else ()),
        *(_maintenance() if pipeline.partitions else ()),
        *_further_contracts(pipeline.contracts - 1),
    ]


def _a_month(rate: float) -> float:
    return rate * SECONDS_A_MONTH


def _units(size: float, unit: int) -> int:
    return max(1, math.ceil(size / unit))


def _iot(fleet: Fleet) -> Iterator[Usage]:
    messages = _a_month(fleet.messages)
    units = _units(payload_bytes(fleet), IOT_UNIT)
    connects = fleet.devices * fleet.connects_a_day * MONTH_DAYS
    billed = 0.0 if fleet.basic_ingest else messages * units
    yield Usage("iot_messages", billed, "messaging")
    yield Usage("iot_messages", connects, "devices")
    yield Usage("iot_minutes", fleet.devices * SECONDS_A_MONTH / 60, "devices")
    yield Usage("iot_rules", messages * units, "rules")
    yield Usage("iot_actions", messages * units, "rules")


def _queue(fleet: Fleet, pipeline: Pipeline, batches: Batches) -> Iterator[Usage]:
    size = body_bytes(fleet)
    received = min(SQS_BATCH, batches.messages)
    each = _units(size, SQS_UNIT) + (_units(size * received, SQS_UNIT) + 1) / received
    yield Usage("sqs_requests", _a_month(fleet.messages) * each, "readings")
    if pipeline.trigger == "queue":
        yield Usage("sqs_requests", _a_month(pipeline.pollers / POLL_SECONDS), "fixed")
    else:
        empty = batches.executions * pipeline.receivers + batches.idle_executions
        yield Usage("sqs_requests", _a_month(empty), "fixed")


def _functions(pipeline: Pipeline, batches: Batches) -> Iterator[Usage]:
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
        yield Usage("lambda_requests", _a_month(rate), "readings")
        yield Usage("lambda_seconds", _a_month(rate) * seconds * _gb(name), "readings")
    idle = _a_month(batches.idle_executions)
    if idle:
        yield Usage("lambda_requests", idle, "fixed")
        seconds = billed_seconds("extract", 0, 0, pipeline)
        yield Usage("lambda_seconds", idle * seconds * _gb("extract"), "fixed")


def _gb(name: str) -> float:
    return function(name).memory / 1024


def _workflow(pipeline: Pipeline, batches: Batches) -> Iterator[Usage]:
    busy, children = _a_month(batches.executions), _a_month(batches.rate)
    transitions = busy * BUSY_STATES[pipeline.trigger] + children * CHILD_TRANSITIONS
    yield Usage("states_transitions", transitions, "readings")
    yield Usage("states_requests", children, "readings")
    size = (batches.messages, batches.readings)
    seconds = sum(
        billed_seconds(name, *size, pipeline) + STATE_SECONDS
        for name in ("transform", "validate", "load")
    )
    yield Usage("states_seconds", children * math.ceil(seconds * 10) / 10 * EXPRESS_GB, "readings")
    idle = _a_month(batches.idle_executions)
    yield Usage("states_transitions", idle * IDLE_STATES, "fixed")
    if pipeline.trigger == "schedule":
        yield Usage("schedules", SECONDS_A_MONTH / pipeline.period_seconds, "fixed")
    yield Usage("traces", busy * TRACES, "readings")
    yield Usage("traces", idle, "fixed")


def _requests(pipeline: Pipeline, batches: Batches) -> Iterator[Usage]:
    size = (batches.messages, batches.readings)
    first = "stage" if pipeline.trigger == "queue" else "extract"
    batch = [requests(name, *size) for name in ("transform", "validate", "load")]
    execution = [requests(name, 1, 1) for name in (first, "summarize")]
    children, busy = _a_month(batches.rate), _a_month(batches.executions)
    puts = children * _count(batch, "PutObject", "ListObjectsV2")
    puts += children  # the raw object
    puts += busy * (_count(execution, "ListObjectsV2") + MAP_PUTS)
    # Summarize reads one outcome per batch.
    gets = children * (_count(batch, "GetObject") + 1) + busy * MAP_GETS
    yield Usage("s3_put", puts, "readings")
    yield Usage("s3_get", gets, "readings")
    yield Usage("key_requests", (puts + gets) / OBJECTS_A_KEY_REQUEST, "readings")


def _count(calls: list[dict[str, float]], *operations: str) -> float:
    return sum(call.get(operation, 0.0) for call in calls for operation in operations)


def _sweep(batches: Batches) -> Iterator[Usage]:
    keys = batches.rate * 86_400 * SWEEP_DAYS * 2
    sweeps = SWEEPS_A_DAY * MONTH_DAYS
    groups: tuple[tuple[float, Group], ...] = (
        (keys / LIST_KEYS, "readings"),
        (2 * SWEEP_DAYS, "fixed"),
    )
    for lists, group in groups:
        yield Usage("s3_put", sweeps * lists, group)
        yield Usage("lambda_seconds", sweeps * lists * SWEEP_SECONDS_A_LIST * SWEEP_GB, group)
    yield Usage("lambda_requests", sweeps, "fixed")
    yield Usage("schedules", sweeps, "fixed")


def _storage(fleet: Fleet, pipeline: Pipeline, batches: Batches) -> Iterator[Usage]:
    """Storage in the last of ``months_kept`` months, after the lifecycle rules."""
    size, number = (batches.messages, batches.readings), _a_month(batches.rate)
    months = pipeline.months_kept
    # Longer names and numbers enlarge the payload and the raw object by the same factor.
    raw = object_bytes("raw", *size) * payload_bytes(fleet)
    raw /= payload_bytes(replace(fleet, reading_bytes=None))
    raw_gb = raw * number / GB
    if raw < SMALL_OBJECT:
        yield Usage("s3_standard", raw_gb * months, "storage")
    else:
        yield Usage("s3_standard", raw_gb * min(1, months), "storage")
        yield Usage("s3_infrequent", raw_gb * max(0, min(2, months - 1)), "storage")
        yield Usage("s3_glacier", raw_gb * max(0, months - 3), "storage")
        yield Usage("s3_to_infrequent", number * (months > 1), "storage")
        yield Usage("s3_to_glacier", number * (months > 3), "storage")
    kept = sum(object_bytes(kind, *size) for kind in ("clean", "rejected", "reports"))
    yield Usage("s3_standard", kept * number / GB * months, "storage")
    week = object_bytes("copy", *size) + object_bytes("copy_groups", *size)
    yield Usage("s3_standard", week * number / GB * 7 / MONTH_DAYS, "storage")


def _logs(pipeline: Pipeline, batches: Batches) -> Iterator[Usage]:
    first = "stage" if pipeline.trigger == "queue" else "extract"
    batch = sum(logged_bytes(name, 1, 1) for name in ("transform", "validate", "load"))
    batch += CHILD_EVENTS * EVENT_BYTES + 3 * PLATFORM_BYTES
    execution = sum(logged_bytes(name, 1, 1) for name in (first, "summarize"))
    execution += PARENT_EVENTS * EVENT_BYTES + 2 * PLATFORM_BYTES
    logged = _a_month(batches.rate) * batch + _a_month(batches.executions) * execution
    an_idle_run = PARENT_EVENTS / 2 * EVENT_BYTES + PLATFORM_BYTES
    idle = _a_month(batches.idle_executions) * an_idle_run
    groups: tuple[tuple[float, Group], ...] = ((logged / GB, "readings"), (idle / GB, "fixed"))
    for size, group in groups:
        yield Usage("logs_ingested", size, group)
        yield Usage("logs_stored", size, group)


def _channels() -> Iterator[Usage]:
    yield Usage("metrics", CHANNEL_METRICS, "fixed")
    yield Usage("alarms", CHANNEL_ALARMS, "fixed")
    yield Usage("secrets", CHANNEL_SECRETS, "fixed")


def _maintenance() -> Iterator[Usage]:
    yield Usage("alarms", MAINTENANCE_ALARMS, "fixed")


def _further_contracts(number: int) -> Iterator[Usage]:
    if number:
        yield Usage("alarms", number * CONTRACT_ALARMS, "fixed")


def _fixed() -> Iterator[Usage]:
    yield Usage("metrics", METRICS, "fixed")
    yield Usage("alarms", ALARMS, "fixed")
    yield Usage("dashboards", DASHBOARDS, "fixed")
    yield Usage("keys", 1, "fixed")
    yield Usage("key_requests", QUEUE_KEY_REQUESTS, "fixed")
    yield Usage("secrets", SECRETS, "fixed")
    yield Usage("secret_requests", SECRET_READS, "fixed")
    yield Usage("emails", EMAILS, "fixed")
