"""The pipeline's metrics in CloudWatch, and their values over time.

::

    signals = catalogue(target)                       # every metric
    read(target, signals, since=..., until=..., period=300)   # a Series for each

The functions' own are declared in :mod:`telemetry.metric_table`; AWS publishes those of
queues, functions and state machine. Uses boto3 alone, so it works the same on AWS and locally.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from etl.aws.contract_objects import further_names
from etl.aws.target import Target
from etl.operations.topic_rules import basic_ingest_prefix
from functions.inventory import FUNCTIONS
from telemetry.metric_table import METRICS, NAMESPACE, PIPELINE, Level

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef, MetricTypeDef

__all__ = ["Point", "Series", "Signal", "all_signals", "choose_period", "read"]

QUERIES_A_CALL = 500
"""Limit of GetMetricData for one call
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html)."""
PERIODS = (60, 120, 300, 600, 900, 1800, 3600, 10_800, 21_600, 86_400)
QUEUES = {
    "queue": "QueueUrl",
    "dead-letters": "DeadLetterQueueUrl",
    "rule-errors": "RuleErrorQueueUrl",
}
"""Names of the queues, and the outputs of the stack that hold their URLs."""


@dataclass(frozen=True)
class Signal:
    """One metric with all its dimensions: one line in a chart."""

    name: str
    """Unique, such as ``MessagesStaged``, ``StageSeconds/load`` or ``MessagesWaiting/queue``."""
    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    unit: str
    statistic: str
    """Statistic over the values of a period: ``Sum``, ``Average``, ``Maximum``, ``p50``."""
    meaning: str
    level: Level = "lean"
    """Lowest level of observability at which it is recorded; AWS's own are at every level."""


@dataclass(frozen=True)
class Point:
    """One value of a metric."""

    time: datetime
    """Start of the period; timezone-aware."""
    value: float


@dataclass(frozen=True)
class Series:
    """A signal's values, oldest first; periods without data are left out."""

    signal: Signal
    period: int
    """Seconds."""
    points: tuple[Point, ...]

    @property
    def total(self) -> float:
        """The whole time in one value: sum or maximum by the statistic, otherwise the mean."""
        values = [point.value for point in self.points]
        if not values:
            return 0.0
        if self.signal.statistic == "Sum":
            return sum(values)
        return max(values) if self.signal.statistic == "Maximum" else sum(values) / len(values)


def all_signals(target: Target) -> list[Signal]:
    """Every signal of this pipeline, in the order in which a reading passes them."""
    return [
        *_own(target.stack),
        *_of_iot(target),
        *_of_queues(target),
        *_of_workflow(target),
        *_of_functions(target),
    ]


def choose_period(duration: timedelta, points: int = 60) -> int:
    """The period, in seconds, that divides the duration into about ``points`` points."""
    seconds = duration.total_seconds() / points
    return next((period for period in PERIODS if period >= seconds), PERIODS[-1])


def read(
    target: Target,
    signals: Sequence[Signal],
    *,
    since: datetime,
    until: datetime | None = None,
    period: int = 300,
) -> list[Series]:
    """The values of these signals, in their order; one without data has no points."""
    until = until or datetime.now(UTC)
    found: list[Series] = []
    for start in range(0, len(signals), QUERIES_A_CALL):
        found += _ask(target, signals[start : start + QUERIES_A_CALL], since, until, period)
    return found


def _ask(
    target: Target, signals: Sequence[Signal], since: datetime, until: datetime, period: int
) -> Iterator[Series]:
    queries = [_query(f"m{place}", signal, period) for place, signal in enumerate(signals)]
    points: dict[str, list[Point]] = {query["Id"]: [] for query in queries}
    pages = target.client("cloudwatch").get_paginator("get_metric_data")
    for page in pages.paginate(MetricDataQueries=queries, StartTime=since, EndTime=until):
        for result in page["MetricDataResults"]:
            pairs = zip(result["Timestamps"], result["Values"], strict=True)
            points[result["Id"]] += [Point(time.astimezone(UTC), value) for time, value in pairs]
    for query, signal in zip(queries, signals, strict=True):
        # Two pages may hold the same value, which must count once.
        ordered = {point.time: point for point in points[query["Id"]]}
        yield Series(signal, period, tuple(ordered[time] for time in sorted(ordered)))


def _query(name: str, signal: Signal, period: int) -> MetricDataQueryTypeDef:
    metric: MetricTypeDef = {
        "Namespace": signal.namespace,
        "MetricName": signal.metric,
        "Dimensions": [{"Name": key, "Value": value} for key, value in signal.dimensions],
    }
    return {
        "Id": name,
        "MetricStat": {"Metric": metric, "Period": period, "Stat": signal.statistic},
        "ReturnData": True,
    }


def _own(stack: str) -> Iterator[Signal]:
    for metric in METRICS.values():
        for value in metric.values or (None,):
            own = ((str(metric.dimension), value),) if value is not None else ()
            yield Signal(
                name=metric.name if value is None else f"{metric.name}/{value}",
                namespace=NAMESPACE,
                metric=metric.name,
                dimensions=((PIPELINE, stack), *own),
                unit=metric.unit,
                statistic=metric.statistic,
                meaning=metric.meaning,
                level=metric.level,
            )


def _of_iot(target: Target) -> Iterator[Signal]:
    """The topic rule's, and the broker's, which counts all devices of the account and region."""
    prefix = target.outputs.get("BasicIngestPrefix", "")
    rule, broker = ("RuleName", prefix.rpartition("/")[2]), ("Protocol", "MQTT")
    for metric, dimension, meaning in (
        ("RuleMessageThrottled", rule, "Messages that the topic rule didn't process: throttled."),
        ("RuleNotFound", rule, "Messages published to a topic rule that doesn't exist."),
        ("PublishIn.AuthError", broker, "Messages refused by a device's policy."),
        ("PublishIn.Throttle", broker, "Messages refused because of their rate."),
    ):
        yield Signal(metric, "AWS/IoT", metric, (dimension,), "Count", "Sum", meaning)
    for name in further_names(target.outputs):
        further = basic_ingest_prefix(target.outputs, name).rpartition("/")[2]
        metric, meaning = "RuleMessageThrottled", f"Those of the topic rule of contract {name}."
        dimensions = (("RuleName", further),)
        yield Signal(f"{metric}/{name}", "AWS/IoT", metric, dimensions, "Count", "Sum", meaning)


def _of_queues(target: Target) -> Iterator[Signal]:
    for queue, output in QUEUES.items():
        name = target.outputs[output].rpartition("/")[2]
        for label, metric, unit, meaning in (
            (
                "MessagesWaiting",
                "ApproximateNumberOfMessagesVisible",
                "Count",
                "Messages waiting.",
            ),
            (
                "OldestSeconds",
                "ApproximateAgeOfOldestMessage",
                "Seconds",
                "Age of the oldest message.",
            ),
        ):
            yield Signal(
                f"{label}/{queue}", "AWS/SQS", metric, (("QueueName", name),), unit, "Maximum",
                meaning,
            )  # fmt: skip


def _of_workflow(target: Target) -> Iterator[Signal]:
    machine = (("StateMachineArn", target.outputs["StateMachineArn"]),)
    for metric in ("Started", "Succeeded", "Failed", "TimedOut", "Aborted"):
        name = f"Executions{metric}"
        yield Signal(
            name, "AWS/States", name, machine, "Count", "Sum", "Executions that started."
            if metric == "Started" else "Executions that ended with this status."
        )  # fmt: skip
    yield Signal(
        "ExecutionTime", "AWS/States", "ExecutionTime", machine, "Milliseconds", "Average",
        "Duration of an execution.",
    )  # fmt: skip


def _of_functions(target: Target) -> Iterator[Signal]:
    for spec in FUNCTIONS:
        function = (("FunctionName", target.outputs[f"{spec.title}FunctionName"]),)
        for metric, unit, statistic, meaning in (
            ("Invocations", "Count", "Sum", "Calls."),
            ("Errors", "Count", "Sum", "Calls that failed; most are retried."),
            (
                "Throttles",
                "Count",
                "Sum",
                "Calls refused by the concurrency limit.",
            ),
            ("Duration", "Milliseconds", "Maximum", "Duration of the longest call."),
        ):
            yield Signal(
                f"{metric}/{spec.name}", "AWS/Lambda", metric, function, unit, statistic, meaning
            )
