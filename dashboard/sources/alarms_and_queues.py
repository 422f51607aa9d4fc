"""Queues, alarms and the reconciliation, which the pipeline's health is judged by."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.sources.pipeline import Pipeline
from etl.aws.sqs import queue_depth
from etl.operations.alarms import Alarm, alarms
from etl.operations.dead_letters import DEAD_LETTERS, RULE_ERRORS, depth
from etl.operations.reconciliation import Reconciliation, gather
from etl.operations.triggers import Trigger, triggers

__all__ = ["Queues", "alarm_states", "queue_triggers", "queues", "reconciliation"]


@dataclass(frozen=True)
class Queues:
    """Number of messages in each queue; in AWS an approximation."""

    waiting: int
    """Messages in the telemetry queue, including those in flight."""
    dead: int
    """Messages in the dead-letter queue."""
    rule_errors: int
    """Messages in the queue of the topic rule's errors."""


def queues(pipeline: Pipeline) -> Queues:
    """Depths of the three queues, without receiving a message."""
    target = pipeline.target
    waiting = queue_depth(target.client("sqs"), target.outputs["QueueUrl"]).total
    return Queues(waiting, depth(target, DEAD_LETTERS).total, depth(target, RULE_ERRORS).total)


def queue_triggers(pipeline: Pipeline) -> list[Trigger]:
    """The triggers that drain the queue, and whether they are on."""
    return triggers(pipeline.target)


def alarm_states(pipeline: Pipeline) -> list[Alarm]:
    """The stack's alarms, those that are firing first; empty where it has none."""
    return alarms(pipeline.target)


def reconciliation(pipeline: Pipeline) -> Reconciliation:
    """The same reconciliation as ``etl reconcile``: it lists the bucket and counts the rows."""
    target = pipeline.target
    return gather(target)
