"""Alarms that compute with several metrics or watch RDS, which the core's alarms can't do.

Their names begin with the core stack's name, as those of its own alarms do, so that its topic and
key accept them. Each description says what to do first; ``docs/platform.md`` has a section for
each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from troposphere import Ref, Sub, Template, cloudwatch

from infrastructure.core.alarm_spec import MINUTES_5, alarm_title
from infrastructure.platform.conditions import (
    GIVEN_INSTANCE,
    HAS_CORE,
    HAS_PROXY,
    MONITORED_DATABASE,
    given_or_new,
)

__all__ = ["MATH_ALARMS", "MathAlarm", "Metric", "add_alarms", "alarm_name"]

PAGE = "docs/platform.md"
# Older transaction ids than this (of 2.1 billion) mean that vacuum hasn't finished for weeks.
OLDEST_TRANSACTIONS = 1_000_000_000
LEAST_MEMORY_BYTES = 200 * 1024 * 1024
HALF_AN_HOUR = 1800


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric of an expression, over its periods; ``id`` is its name in the expression."""

    id: str
    namespace: str
    name: str
    dimensions: dict[str, Any]
    statistic: str


@dataclass(frozen=True, kw_only=True)
class MathAlarm:
    """One alarm, which fires when the expression is above the threshold."""

    name: str
    """Name without the stack's, and section of the page."""
    expression: Any
    label: str
    metrics: tuple[Metric, ...]
    threshold: Any
    meaning: str
    first: str
    """The first step to take."""
    periods: Any = 3
    """Number of consecutive periods."""
    period: int = MINUTES_5
    """Seconds."""
    condition: str = HAS_CORE
    missing: str = "notBreaching"


def alarm_name(name: str) -> Sub:
    """Full name of an alarm of this stack or the core stack."""
    return Sub(f"${{CoreStack}}-{name}")


def add_alarms(template: Template) -> None:
    """Add every alarm of :data:`MATH_ALARMS`."""
    for spec in MATH_ALARMS:
        template.add_resource(
            cloudwatch.Alarm(
                alarm_title(spec.name),
                Condition=spec.condition,
                AlarmName=alarm_name(spec.name),
                AlarmDescription=f"{spec.meaning} {spec.first} See {PAGE}#{spec.name}",
                Metrics=[
                    _expression(spec),
                    *(_query(metric, spec.period) for metric in spec.metrics),
                ],
                ComparisonOperator="GreaterThanThreshold",
                Threshold=spec.threshold,
                EvaluationPeriods=spec.periods,
                TreatMissingData=spec.missing,
                AlarmActions=[Ref("AlertTopicArn")],
                OKActions=[Ref("AlertTopicArn")],
            )
        )


def _expression(spec: MathAlarm) -> cloudwatch.MetricDataQuery:
    return cloudwatch.MetricDataQuery(
        Id="watched", Expression=spec.expression, Label=spec.label, ReturnData=True
    )


def _query(metric: Metric, period: int) -> cloudwatch.MetricDataQuery:
    return cloudwatch.MetricDataQuery(
        Id=metric.id,
        ReturnData=False,
        MetricStat=cloudwatch.MetricStat(
            Metric=cloudwatch.Metric(
                Namespace=metric.namespace,
                MetricName=metric.name,
                Dimensions=[
                    cloudwatch.MetricDimension(Name=name, Value=value)
                    for name, value in metric.dimensions.items()
                ],
            ),
            Period=period,
            Stat=metric.statistic,
        ),
    )


def _of_executions(metric: str, name: str) -> Metric:
    machine = Sub(
        "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${CoreStack}"
    )
    return Metric(
        id=name,
        namespace="AWS/States",
        name=metric,
        dimensions={"StateMachineArn": machine},
        statistic="Sum",
    )


def _of_queue(metric: str, name: str, statistic: str) -> Metric:
    return Metric(
        id=name,
        namespace="AWS/SQS",
        name=metric,
        dimensions={"QueueName": Ref("QueueName")},
        statistic=statistic,
    )


def _of_database(metric: str, statistic: str = "Average") -> Metric:
    instance = given_or_new(GIVEN_INSTANCE, Ref("DatabaseInstanceId"), Ref("DatabaseInstance"))
    return Metric(
        id="seen",
        namespace="AWS/RDS",
        name=metric,
        dimensions={"DBInstanceIdentifier": instance},
        statistic=statistic,
    )


def _of_proxy(metric: str, statistic: str, **dimensions: str) -> Metric:
    return Metric(
        id="seen",
        namespace="AWS/RDS",
        name=metric,
        dimensions={"ProxyName": Ref("DatabaseProxy"), **dimensions},
        statistic=statistic,
    )


_PIPELINE = (
    MathAlarm(
        name="failure-share",
        # A drain loop starts every ten minutes and ends eleven minutes later, so that in five
        # minutes executions start or fail, and hardly ever both.
        expression="IF(FILL(failed, 0) + FILL(late, 0) > 1, "
        "100 * (FILL(failed, 0) + FILL(late, 0)) / FILL(started, 1), 0)",
        label="Executions that failed or timed out, %",
        metrics=(
            _of_executions("ExecutionsStarted", "started"),
            _of_executions("ExecutionsFailed", "failed"),
            _of_executions("ExecutionsTimedOut", "late"),
        ),
        threshold=20,
        period=HALF_AN_HOUR,
        periods=1,
        meaning="One in five executions of half an hour failed, and several: not a single bad "
        "batch.",
        first="See what they have in common: etl executions.",
    ),
    MathAlarm(
        name="backlog",
        # At the current rate of processing, which is never quite zero: CloudWatch returns no value
        # where it would divide by zero.
        expression="PERIOD(waiting) * waiting / (FILL(staged, 0) + 0.01)",
        label="Seconds until the queue is empty",
        metrics=(
            _of_queue("ApproximateNumberOfMessagesVisible", "waiting", "Average"),
            _of_queue("NumberOfMessagesDeleted", "staged", "Sum"),
        ),
        threshold=HALF_AN_HOUR,
        periods=Ref("BacklogPeriods"),
        meaning="At its current rate the pipeline needs more than half an hour for the waiting "
        "messages.",
        first="Raise QueueConcurrency and MaxConcurrency, see docs/cost.md.",
    ),
    MathAlarm(
        name="falling-behind",
        expression="IF(FILL(staged, 0) < 0.9 * sent, sent - FILL(staged, 0), 0)",
        label="Messages that arrived and were not staged, in five minutes",
        metrics=(
            _of_queue("NumberOfMessagesSent", "sent", "Sum"),
            _of_queue("NumberOfMessagesDeleted", "staged", "Sum"),
        ),
        threshold=1000,
        periods=Ref("BacklogPeriods"),
        meaning="For some time, more messages have arrived than were staged.",
        first="Raise QueueConcurrency and MaxConcurrency, see docs/cost.md.",
    ),
)

_DATABASE = (
    MathAlarm(
        name="database-cpu",
        expression="seen",
        label="CPU, %",
        metrics=(_of_database("CPUUtilization"),),
        threshold=90,
        condition=MONITORED_DATABASE,
        meaning="PostgreSQL's processor has been busy for 15 minutes.",
        first="See what it does: Performance Insights. A larger InstanceClass is the last resort.",
    ),
    MathAlarm(
        name="database-storage",
        # Below a tenth free, RDS grows it by itself: this fires where it didn't or may not.
        expression=Sub("100 * (1 - seen / (${StorageGb} * 1073741824))"),
        label="Storage used, % of the initial storage",
        metrics=(_of_database("FreeStorageSpace", "Minimum"),),
        threshold=92,
        periods=6,
        condition=MONITORED_DATABASE,
        meaning="The database's disk is nearly full and has not grown by itself.",
        first="Raise MostStorageGb and deploy; a full disk stops every load.",
    ),
    MathAlarm(
        name="database-connections",
        expression="seen",
        label="Connections",
        metrics=(_of_database("DatabaseConnections", "Maximum"),),
        threshold=Ref("MostConnections"),
        condition=MONITORED_DATABASE,
        meaning="PostgreSQL has nearly as many connections as it accepts.",
        first="See whose they are: SELECT usename, count(*) FROM pg_stat_activity GROUP BY 1.",
    ),
    MathAlarm(
        name="database-memory",
        expression=f"IF(seen < {LEAST_MEMORY_BYTES}, 1, 0)",
        label="Memory is short",
        metrics=(_of_database("FreeableMemory", "Minimum"),),
        threshold=0,
        condition=MONITORED_DATABASE,
        meaning="PostgreSQL has less than 200 MB of memory left.",
        first="See which sessions use it in Performance Insights, or take a larger InstanceClass.",
    ),
    MathAlarm(
        name="database-vacuum",
        expression="seen",
        label="Age of the oldest transaction",
        metrics=(_of_database("MaximumUsedTransactionIDs", "Maximum"),),
        threshold=OLDEST_TRANSACTIONS,
        condition=MONITORED_DATABASE,
        meaning="Vacuum falls behind: PostgreSQL stops accepting writes at two billion "
        "transactions.",
        first="Look for a session or a replication slot that blocks it: pg_stat_activity.",
    ),
)

_PROXY = (
    MathAlarm(
        name="proxy-waiting",
        # Microseconds.
        expression="seen / 1000000",
        label="Seconds that a load waits for a connection",
        metrics=(_of_proxy("DatabaseConnectionsBorrowLatency", "Average"),),
        threshold=5,
        condition=HAS_PROXY,
        meaning="Loads wait for the proxy to give them a connection.",
        first="See database-connections; lower MaxConcurrency or take a larger InstanceClass.",
    ),
    MathAlarm(
        name="proxy-target",
        expression="100 - seen",
        label="Time that the proxy didn't reach PostgreSQL, %",
        metrics=(
            _of_proxy(
                "AvailabilityPercentage", "Average", TargetGroup="default", TargetRole="READ_WRITE"
            ),
        ),
        threshold=50,
        periods=2,
        condition=HAS_PROXY,
        meaning="The proxy can't reach PostgreSQL or can't log in to it.",
        first="See why: aws rds describe-db-proxy-targets --db-proxy-name NAME.",
    ),
)

MATH_ALARMS: tuple[MathAlarm, ...] = (*_PIPELINE, *_DATABASE, *_PROXY)
