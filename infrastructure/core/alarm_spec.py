"""One CloudWatch alarm: its metric, its threshold, what it means and the first step to take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from troposphere import Ref, Sub, Template, cloudwatch

from infrastructure.core.parameters import (
    HAS_NO_DATA_ALARM,
    OBSERVES_FULL,
    OBSERVES_STANDARD,
)
from telemetry.metric_table import Level

__all__ = [
    "HOUR",
    "LONGEST_DESCRIPTION",
    "MINUTES_5",
    "RUNBOOK",
    "AlarmSpec",
    "add_alarm",
    "alarm_title",
]

RUNBOOK = "docs/runbook.md"
MINUTES_5, HOUR = 300, 3600
LONGEST_DESCRIPTION = 1024
"""Characters of an alarm's description that PutMetricAlarm accepts."""
CONDITIONS: dict[Level, str | None] = {
    "lean": None,
    "standard": OBSERVES_STANDARD,
    "full": OBSERVES_FULL,
}
"""Condition under which the template has the alarms of a level."""


@dataclass(frozen=True, kw_only=True)
class AlarmSpec:
    """One alarm, which fires when the metric reaches the threshold."""

    name: str
    """Name without the stack's and a contract's, and section of the runbook."""
    namespace: str
    metric: str
    dimensions: dict[str, Any]
    statistic: str
    """``Sum``, ``Maximum``, ``Average``, or a percentile such as ``p50``."""
    threshold: Any
    meaning: str
    first: str
    """The first step to take, with a command."""
    period: int = MINUTES_5
    """Seconds."""
    periods: Any = 1
    """Number of latest periods that are evaluated."""
    datapoints: int = 1
    """Number of those periods that have to reach the threshold; 0: all of them."""
    below: bool = False
    """The alarm fires below the threshold instead."""
    missing: str = "notBreaching"
    """Treatment of periods without data, in CloudWatch's words."""
    condition: str | None = None
    """Condition beside the level's; only for alarms of the level ``lean``: a resource has one."""
    level: Level = "full"
    """Lowest level of observability at which the pipeline has the alarm."""
    page: str = RUNBOOK
    """Page of the docs with the section of the alarm's name."""
    query: str = ""
    """Metrics Insights query (for ``Fn::Sub``), where not all dimensions are known."""
    contract: str = ""
    """Name of the further contract that the alarm is about; empty: of the first one, or of all."""
    ending: str = ""
    """The same in PascalCase, for the logical id."""

    def __post_init__(self) -> None:
        if self.condition is not None and self.level != "lean":
            raise ValueError(f"{self.name}: a condition and a level would need two conditions")

    @property
    def is_optional(self) -> bool:
        """True where a pipeline has the alarm only if it is asked for."""
        return self.condition == HAS_NO_DATA_ALARM

    @property
    def title(self) -> str:
        """Logical id in the template."""
        return f"{alarm_title(self.name)}{self.ending}"

    @property
    def full_name(self) -> str:
        """Name without the stack's, which a further contract's name follows."""
        return f"{self.name}-{self.contract}" if self.contract else self.name

    @property
    def description(self) -> str:
        """Description, which an email shows."""
        return f"{self.meaning} {self.first} Runbook: {self.page}#{self.name}"


def alarm_title(name: str) -> str:
    """Logical id of an alarm in the template."""
    return "".join(part.title() for part in name.split("-")) + "Alarm"


def add_alarm(template: Template, spec: AlarmSpec) -> None:
    """Add one alarm, which notifies the topic when it fires and when it is resolved."""
    template.add_resource(_alarm(spec))


def _alarm(spec: AlarmSpec) -> cloudwatch.Alarm:
    properties = _by_query(spec) if spec.query else _by_metric(spec)
    if spec.datapoints:
        properties["DatapointsToAlarm"] = spec.datapoints
    alarm = cloudwatch.Alarm(
        spec.title,
        AlarmName=Sub(f"${{AWS::StackName}}-{spec.full_name}"),
        AlarmDescription=spec.description,
        ComparisonOperator=("LessThanThreshold" if spec.below else "GreaterThanOrEqualToThreshold"),
        Threshold=spec.threshold,
        EvaluationPeriods=spec.periods,
        TreatMissingData=spec.missing,
        AlarmActions=[Ref("AlertTopic")],
        OKActions=[Ref("AlertTopic")],
        **properties,
    )
    condition = spec.condition or CONDITIONS[spec.level]
    if condition is not None:
        alarm.Condition = condition
    return alarm


def _by_metric(spec: AlarmSpec) -> dict[str, Any]:
    percentile = spec.statistic.startswith("p")
    return {
        "Namespace": spec.namespace,
        "MetricName": spec.metric,
        "Dimensions": [
            cloudwatch.MetricDimension(Name=name, Value=value)
            for name, value in spec.dimensions.items()
        ],
        "ExtendedStatistic" if percentile else "Statistic": spec.statistic,
        "Period": spec.period,
    }


def _by_query(spec: AlarmSpec) -> dict[str, Any]:
    query = cloudwatch.MetricDataQuery(
        Id="query", Expression=Sub(spec.query), Period=spec.period, ReturnData=True
    )
    return {"Metrics": [query]}
