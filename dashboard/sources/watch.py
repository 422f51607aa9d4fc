"""Queues, alarms and the reconciliation: what tells whether all is well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboard.sources.pipeline import Pipeline
from telemetry.ddl import qualified
from workflow.letters import DEAD_LETTERS, RULE_ERRORS, depth
from workflow.reconcile import Reconciliation, gather, queue_depth

__all__ = ["Alarm", "Queues", "account", "alarms", "queues"]


@dataclass(frozen=True)
class Queues:
    """How many messages wait where; approximate by nature in AWS."""

    waiting: int
    """In the telemetry queue, in flight included."""
    dead: int
    rule_errors: int


@dataclass(frozen=True)
class Alarm:
    """One CloudWatch alarm of the stack."""

    name: str
    """Without the stack's name: as the runbook calls it."""
    state: str
    """OK, ALARM or INSUFFICIENT_DATA."""
    reason: str
    description: str
    since: datetime | None


def queues(pipeline: Pipeline) -> Queues:
    """Depths of the three queues; nothing is received."""
    target = pipeline.target
    waiting = queue_depth(target.client("sqs"), target.outputs["QueueUrl"])
    return Queues(waiting, depth(target, DEAD_LETTERS).all, depth(target, RULE_ERRORS).all)


def alarms(pipeline: Pipeline) -> list[Alarm]:
    """The stack's alarms, those that ring first; none where it has none."""
    target = pipeline.target
    prefix = f"{target.stack}-"
    pages = target.client("cloudwatch").get_paginator("describe_alarms")
    found = []
    for page in pages.paginate(
        AlarmNamePrefix=prefix, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    ):
        for one in [*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())]:
            found.append(
                Alarm(
                    one["AlarmName"].removeprefix(prefix),
                    one["StateValue"],
                    one.get("StateReason", ""),
                    one.get("AlarmDescription", ""),
                    one.get("StateUpdatedTimestamp"),
                )
            )
    order = ("ALARM", "INSUFFICIENT_DATA", "OK")
    return sorted(found, key=lambda one: (order.index(one.state), one.name))


def account(pipeline: Pipeline) -> Reconciliation:
    """The reconciliation, as ``etl reconcile`` counts it: lists S3, and counts the rows."""
    target = pipeline.target
    return gather(target, qualified(target.contract))
