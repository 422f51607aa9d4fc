"""Queues, alarms and the reconciliation: what tells whether all is well."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.sources.pipeline import Pipeline
from etl.aws.sqs import queue_depth
from etl.operations.alarms import Alarm, alarms
from etl.operations.dead_letters import DEAD_LETTERS, RULE_ERRORS, depth
from etl.operations.reconciliation import Reconciliation, gather

__all__ = ["Queues", "account", "queues", "ringing"]


@dataclass(frozen=True)
class Queues:
    """How many messages wait where; approximate by nature in AWS."""

    waiting: int
    """In the telemetry queue, in flight included."""
    dead: int
    rule_errors: int


def queues(pipeline: Pipeline) -> Queues:
    """Depths of the three queues; nothing is received."""
    target = pipeline.target
    waiting = queue_depth(target.client("sqs"), target.outputs["QueueUrl"]).total
    return Queues(waiting, depth(target, DEAD_LETTERS).total, depth(target, RULE_ERRORS).total)


def ringing(pipeline: Pipeline) -> list[Alarm]:
    """The stack's alarms, those that sound first; none where it has none."""
    return alarms(pipeline.target)


def account(pipeline: Pipeline) -> Reconciliation:
    """The reconciliation, as ``etl reconcile`` counts it: lists S3, and counts the rows."""
    target = pipeline.target
    return gather(target)
