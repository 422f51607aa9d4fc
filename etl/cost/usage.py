"""Monthly usage of every AWS service, in the units that AWS bills.

A figure that is neither measured, recorded nor a rule of AWS is a named constant here, with the
reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from etl.cost.batches import LOOP_SECONDS, Batches, body_bytes, payload_bytes, streams_of
from etl.cost.counts import (
    Part,
    batch_part,
    children_functions,
    empty_receives,
    logged_bytes,
    part,
    requests,
    sweeps,
)
from etl.cost.durations import billed_seconds, child_seconds, object_bytes
from etl.cost.platform_lines import platform_bytes
from etl.cost.settings import SECONDS_A_MONTH, Fleet, Pipeline
from functions.extract.batches import LARGE
from functions.inventory import function
from infrastructure.core.levels import Counts, counts
from infrastructure.settings import DeploySettings

__all__ = ["Group", "Usage", "iot_usage", "monthly_usage", "queue_usage", "units"]

Group = Literal["messaging", "devices", "rules", "readings", "storage", "fixed", "optional"]
"""Cost groups. ``messaging``: IoT's price for messages. ``devices``: connections. ``rules``: IoT's
rules engine. ``readings``: all else that grows with readings. ``storage``: the stored objects.
``fixed``: the cost of an idle stack. ``optional``: database and network."""

IOT_UNIT, SQS_UNIT = 5 * 1024, 64 * 1024
SQS_BATCH = 10
MONTH_DAYS = 730 / 24
GB = 1e9
SMALL_OBJECT = 128 * 1024
"""Bytes below which S3's lifecycle rules move no object to a warm class
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html)."""

LARGE_TO_SMALL = 1.38
"""Raw bytes of a large batch, which is compressed fast, for those of a small one, as measured."""
MONTHS_UNTIL_GLACIER = DeploySettings.glacier_days / 30
"""Months after which the lifecycle moves a raw object; the default has no class in between."""
EXPRESS_GB = 64 / 1024
"""Memory of an Express execution, billed in chunks of 64 MB; ours needs a few kilobytes."""
EVENT_BYTES = 1_000
"""Bytes of an event that Step Functions logs at level ALL with its data. Assumed."""
TRACES = 2
"""Traces per execution: its own and its trigger's. AWS samples above one per second."""
OBJECTS_A_KEY_REQUEST = 100
"""S3 requests per KMS request: a bucket key saves up to 99 % of them
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html, read 2026-11)."""
POLL_SECONDS = 20.0
"""Longest time that the queue's poller waits for a first message."""
SWEEP_GB, LIST_KEYS = 0.5, 1_000
"""Memory of the sweep in GB, and keys that a list returns."""
SWEEP_SECONDS_A_LIST = 0.1
SECRETS, EMAILS = 2, 100
"""Counts for one stack. Emails are sent on failures; assumed."""
FULL = counts("full")
METRICS, ALARMS = FULL.metrics, FULL.alarms
"""Counts for one stack at level ``full``, without the alarm on silence."""
CHANNEL_METRICS, CHANNEL_ALARMS, CHANNEL_SECRETS = FULL.channel_metrics, FULL.channel_alarms, 1
CONTRACT_ALARMS = FULL.contract_alarms
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
    level = counts(pipeline.observability)
    found = [*iot_usage(fleet), *_fixed(pipeline, level)]
    whole = 0.0
    for share, trigger, batches in streams_of(fleet, pipeline):
        whole += batches.rate
        found += [
            *queue_usage(share, trigger, batches),
            *_functions(trigger, batches),
            *_workflow(trigger, batches, level),
            *_requests(trigger, batches),
            *_storage(share, trigger, batches),
            *_logs(batches, level),
        ]
    return [*found, *_sweep(whole)]


def _a_month(rate: float) -> float:
    return rate * SECONDS_A_MONTH


def units(size: float, unit: int) -> int:
    """Units that AWS bills for that size, each begun one in full."""
    return max(1, math.ceil(size / unit))


def iot_usage(fleet: Fleet) -> Iterator[Usage]:
    """Usage of IoT Core: messages, connections and the topic rule."""
    messages = _a_month(fleet.messages)
    each = units(payload_bytes(fleet), IOT_UNIT)
    connects = fleet.devices * fleet.connects_a_day * MONTH_DAYS
    billed = 0.0 if fleet.basic_ingest else messages * each
    yield Usage("iot_messages", billed, "messaging")
    yield Usage("iot_messages", connects, "devices")
    yield Usage("iot_minutes", fleet.devices * SECONDS_A_MONTH / 60, "devices")
    yield Usage("iot_rules", messages * each, "rules")
    yield Usage("iot_actions", messages * each, "rules")


def queue_usage(fleet: Fleet, pipeline: Pipeline, batches: Batches) -> Iterator[Usage]:
    """Usage of the queue: sends, receives and deletions, and receives in vain."""
    size = body_bytes(fleet)
    received = min(SQS_BATCH, max(1.0, _taken(batches)))
    each = units(size, SQS_UNIT) + (units(size * received, SQS_UNIT) + 1) / received
    yield Usage("sqs_requests", _a_month(fleet.messages) * each, "readings")
    if batches.start == "mapping":
        yield Usage("sqs_requests", _a_month(pipeline.pollers / POLL_SECONDS), "fixed")
        return
    last = requests("extract", 0)["ReceiveMessage"]
    yield Usage("sqs_requests", _a_month(_busy_drains(batches) * last), "fixed")
    yield Usage("sqs_requests", _a_month(_idle_drains(batches) * empty_receives()), "fixed")


def _busy_drains(batches: Batches) -> float:
    """Drains, or deliveries, per second that find messages."""
    return batches.drains if batches.start == "drain" else batches.executions


def _idle_drains(batches: Batches) -> float:
    return batches.idle_drains if batches.start == "drain" else batches.idle_executions


def _taken(batches: Batches) -> float:
    """Messages of one drain or delivery that finds some."""
    return batches.messages * batches.rate / max(_busy_drains(batches), 1e-12)


def _functions(pipeline: Pipeline, batches: Batches) -> Iterator[Usage]:
    first = "stage" if batches.start == "mapping" else "extract"
    sizes = {
        first: (_busy_drains(batches), _taken(batches)),
        **dict.fromkeys(children_functions(), (batches.rate, batches.messages)),
        "summarize": (batches.executions, 1.0),
    }
    per_message = batches.readings / batches.messages
    for name, (rate, messages) in sizes.items():
        seconds = billed_seconds(name, messages, messages * per_message, pipeline)
        yield Usage("lambda_requests", _a_month(rate), "readings")
        yield Usage("lambda_seconds", _a_month(rate) * seconds * _gb(name), "readings")
    idle = _a_month(_idle_drains(batches))
    if idle:
        yield Usage("lambda_requests", idle, "fixed")
        seconds = billed_seconds("extract", 0, 0, pipeline)
        yield Usage("lambda_seconds", idle * seconds * _gb("extract"), "fixed")


def _gb(name: str) -> float:
    return function(name).memory / 1024


def _parts(batches: Batches) -> Iterator[tuple[Part, float, Group]]:
    """Each part of the executions, how many there are per second, and their cost group."""
    start = batches.start
    yield part(start, "execution"), batches.executions, "readings"
    yield part(start, "drain"), batches.drains, "readings"
    yield batch_part(), batches.rate, "readings"
    yield part(start, "idle_drain"), batches.idle_drains, "fixed"
    yield part(start, "idle_execution"), batches.idle_executions, "fixed"


def _workflow(pipeline: Pipeline, batches: Batches, level: Counts) -> Iterator[Usage]:
    for one, rate, group in _parts(batches):
        yield Usage("states_transitions", _a_month(rate) * one.transitions, group)
    children = _a_month(batches.rate)
    yield Usage("states_requests", children, "readings")
    seconds = child_seconds(batches.messages, batches.readings, pipeline)
    yield Usage("states_seconds", children * math.ceil(seconds * 10) / 10 * EXPRESS_GB, "readings")
    if batches.start == "schedule":
        yield Usage("schedules", SECONDS_A_MONTH / pipeline.period_seconds, "fixed")
    elif batches.start == "drain":
        yield Usage("schedules", SECONDS_A_MONTH / LOOP_SECONDS, "fixed")
    share = level.traces_share
    yield Usage("traces", _a_month(batches.executions) * TRACES * share, "readings")
    yield Usage("traces", _a_month(batches.idle_executions) * share, "fixed")


def _requests(pipeline: Pipeline, batches: Batches) -> Iterator[Usage]:
    for one, rate, group in _parts(batches):
        # The batches were recorded with a clean object each.
        without = one.children * (not pipeline.clean)
        puts = _a_month(rate) * (one.puts - without + one.lists)
        gets = _a_month(rate) * one.gets
        yield Usage("s3_put", puts, group)
        yield Usage("s3_get", gets, group)
        yield Usage("key_requests", (puts + gets) / OBJECTS_A_KEY_REQUEST, group)


def _sweep(batches: float) -> Iterator[Usage]:
    for a_day, least in sweeps():
        number = a_day * MONTH_DAYS
        # Each day is listed twice, its batches and their outcomes, which takes a list at least.
        keys = batches * 86_400 * least
        groups: tuple[tuple[float, Group], ...] = (
            (keys / LIST_KEYS, "readings"),
            (least, "fixed"),
        )
        for lists, group in groups:
            yield Usage("s3_put", number * lists, group)
            seconds = number * lists * SWEEP_SECONDS_A_LIST
            yield Usage("lambda_seconds", seconds * SWEEP_GB, group)
        yield Usage("lambda_requests", number, "fixed")
        yield Usage("schedules", number, "fixed")


def _storage(fleet: Fleet, pipeline: Pipeline, batches: Batches) -> Iterator[Usage]:
    """Storage in the last of ``months_kept`` months, after the lifecycle rules."""
    size, number = (batches.messages, batches.readings), _a_month(batches.rate)
    months = pipeline.months_kept
    # Longer names and numbers enlarge the payload and the raw object by the same factor.
    raw = object_bytes("raw", *size) * payload_bytes(fleet)
    raw /= payload_bytes(replace(fleet, reading_bytes=None))
    if body_bytes(fleet) * batches.messages >= LARGE:
        raw *= LARGE_TO_SMALL
    raw_gb = raw * number / GB
    warm = months if raw < SMALL_OBJECT else min(months, MONTHS_UNTIL_GLACIER)
    yield Usage("s3_standard", raw_gb * warm, "storage")
    yield Usage("s3_glacier", raw_gb * (months - warm), "storage")
    yield Usage("s3_to_glacier", number * (months > warm), "storage")
    kinds = ("clean",) * pipeline.clean + ("rejected", "reports")
    kept = sum(object_bytes(kind, *size) for kind in kinds)
    yield Usage("s3_standard", kept * number / GB * months, "storage")
    week = object_bytes("copy", *size)
    yield Usage("s3_standard", week * number / GB * 7 / MONTH_DAYS, "storage")


def _logs(batches: Batches, level: Counts) -> Iterator[Usage]:
    first = "stage" if batches.start == "mapping" else "extract"
    own = platform_bytes(level.system_log_level)
    calls: tuple[tuple[str, float, Group], ...] = (
        (first, _busy_drains(batches), "readings"),
        *((name, batches.rate, "readings") for name in children_functions()),
        ("summarize", batches.executions, "readings"),
        (first, _idle_drains(batches), "fixed"),
    )
    logged: dict[Group, float] = {"readings": 0.0, "fixed": 0.0}
    for name, rate, group in calls:
        logged[group] += _a_month(rate) * (logged_bytes(name) + own)
    if level.log_level == "ALL":
        for one, rate, group in _parts(batches):
            logged[group] += _a_month(rate) * one.events * EVENT_BYTES
    for group, size in logged.items():
        yield Usage("logs_ingested", size / GB, group)
        yield Usage("logs_stored", size / GB, group)


def _fixed(pipeline: Pipeline, level: Counts) -> Iterator[Usage]:
    alarms = level.alarms + (pipeline.contracts - 1) * level.contract_alarms
    alarms += level.maintenance_alarms * pipeline.partitions
    alarms += level.channel_alarms * pipeline.channels
    yield Usage("metrics", level.metrics + level.channel_metrics * pipeline.channels, "fixed")
    yield Usage("alarms", alarms, "fixed")
    yield Usage("dashboards", level.dashboards, "fixed")
    yield Usage("keys", 1, "fixed")
    yield Usage("key_requests", QUEUE_KEY_REQUESTS, "fixed")
    yield Usage("secrets", SECRETS + CHANNEL_SECRETS * pipeline.channels, "fixed")
    yield Usage("secret_requests", SECRET_READS, "fixed")
    yield Usage("emails", EMAILS, "fixed")
