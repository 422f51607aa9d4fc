"""Asks CloudWatch how much waits: the function reaches neither the queues nor PostgreSQL."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from functions.notify.notification import Figure
from telemetry.clients import client
from telemetry.logs import log
from telemetry.metric_table import NAMESPACE, PIPELINE

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_cloudwatch.type_defs import (
        MetricDataQueryTypeDef,
        MetricStatTypeDef,
        MetricTypeDef,
    )

__all__ = ["backlog"]

MINUTES_5 = 300
PERIODS = 3
"""SQS and the sweep report every five and every 15 minutes; the latest value counts."""
HOUR = 3600
MOST_SECONDS = 5.0
"""Seconds that a notification waits for its figures: it matters more than they do."""
HOURS = 24


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """One figure, and where its metric is."""

    name: str
    label: str
    metric: str
    queue: str = ""
    """Environment variable with the queue's name; empty: a metric of the pipeline."""
    total: bool = False
    """True where the values of a day are added up; otherwise the latest one counts."""

    @property
    def statistic(self) -> Literal["Sum", "Maximum"]:
        return "Sum" if self.total else "Maximum"


_WAITING = "ApproximateNumberOfMessagesVisible"
FIGURES = (
    _Measured(
        name="messages_waiting",
        label="Messages waiting in the queue",
        metric=_WAITING,
        queue="QUEUE_NAME",
    ),
    _Measured(
        name="dead_letters",
        label="Messages in the dead-letter queue",
        metric=_WAITING,
        queue="DEAD_LETTER_QUEUE_NAME",
    ),
    _Measured(
        name="batches_need_attention",
        label="Batches that need attention",
        metric="BatchesNeedAttention",
    ),
    _Measured(
        name="batches_failed_24h",
        label="Batches failed in 24 hours",
        metric="BatchesFailed",
        total=True,
    ),
    _Measured(
        name="batches_quarantined_24h",
        label="Batches quarantined in 24 hours",
        metric="BatchesQuarantined",
        total=True,
    ),
    _Measured(
        name="readings_rejected_24h",
        label="Readings rejected in 24 hours",
        metric="ReadingsRejected",
        total=True,
    ),
)


def backlog(now: datetime) -> tuple[Figure, ...]:
    """The figures that CloudWatch has data for.

    None where it can't be asked in time: a notification without figures is better than none.
    """
    # No "with": leaving it would wait for an answer that is late.
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        # Built before the clock runs: in a cold process that alone can take seconds of CPU.
        cloudwatch = client("cloudwatch")
        values = pool.submit(_values, cloudwatch, now).result(timeout=MOST_SECONDS)
    except Exception as error:
        log.warning("The figures could not be read", error=type(error).__name__, why=str(error))
        return ()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return tuple(
        Figure(name=one.name, label=one.label, value=round(values[one.name]))
        for one in FIGURES
        if one.name in values
    )


def _values(cloudwatch: CloudWatchClient, now: datetime) -> dict[str, float]:
    """Value of each figure that has data, by its name."""
    latest = [one for one in FIGURES if not one.total]
    totals = [one for one in FIGURES if one.total]
    return _ask(cloudwatch, latest, now, MINUTES_5, PERIODS) | _ask(
        cloudwatch, totals, now, HOUR, HOURS
    )


def _ask(
    cloudwatch: CloudWatchClient,
    figures: list[_Measured],
    now: datetime,
    period: int,
    periods: int,
) -> dict[str, float]:
    """The value of each figure, by its name."""
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[_query(one, period) for one in figures],
        StartTime=now - timedelta(seconds=period * periods),
        EndTime=now,
        ScanBy="TimestampDescending",
    )
    found = {one["Id"]: one["Values"] for one in answer["MetricDataResults"] if one["Values"]}
    return {
        one.name: sum(found[one.name]) if one.total else found[one.name][0]
        for one in figures
        if one.name in found
    }


def _query(one: _Measured, period: int) -> MetricDataQueryTypeDef:
    if one.queue:
        namespace, dimension = "AWS/SQS", ("QueueName", os.environ.get(one.queue, ""))
    else:
        namespace, dimension = NAMESPACE, (PIPELINE, os.environ.get("PIPELINE", ""))
    metric: MetricTypeDef = {
        "Namespace": namespace,
        "MetricName": one.metric,
        "Dimensions": [{"Name": dimension[0], "Value": dimension[1]}],
    }
    asked: MetricStatTypeDef = {"Metric": metric, "Period": period, "Stat": one.statistic}
    return {"Id": one.name, "MetricStat": asked}
