"""The pipeline's alarms in CloudWatch: their states, their history, and a test notification.

The alarms are those of the stack (and of the platform stack beside it, where there is one), not all
whose names begin alike. Uses boto3 alone, so it works the same on AWS and on the local stack.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from etl.aws.cloudformation import stack_resources
from etl.aws.target import Target
from etl.operations.batch_selection import NotFoundError
from etl.operations.observability import absent_alarm, deployed_level
from telemetry.alarm_text import headline_of, runbook_of

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import CompositeAlarmTypeDef, MetricAlarmTypeDef

__all__ = ["Alarm", "StateChange", "alarm", "alarms", "changes", "trigger"]

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
NAMES_A_CALL = 100
"""Limit of DescribeAlarms for one call."""
KINDS = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
URGENCY: dict[str, int] = {"ALARM": 0, "INSUFFICIENT_DATA": 1, "OK": 2}


@dataclass(frozen=True)
class Alarm:
    """One alarm."""

    name: str
    """Full name in CloudWatch."""
    short: str
    """Name without the stack's name; also its section in the runbook."""
    state: State
    since: datetime
    reason: str
    """CloudWatch's explanation of the state."""
    description: str
    """The meaning of the alarm and what to do first."""
    actions: tuple[str, ...]
    """ARNs of the topics it notifies; empty where its actions are disabled."""

    @property
    def headline(self) -> str:
        """The meaning in words, and the name: ``Batches failed ... (alarm batches-...).``"""
        return headline_of(self.description, self.short)

    @property
    def runbook(self) -> str:
        """Page and section of the runbook: named by the description, or derived from the name."""
        return runbook_of(self.description, self.short)


@dataclass(frozen=True)
class StateChange:
    """One change of the state of an alarm."""

    short: str
    time: datetime
    before: str
    after: str
    reason: str


def alarms(target: Target) -> list[Alarm]:
    """All alarms, those that are firing first. Raises ``NoStackError`` where there is no stack."""
    found: list[Alarm] = []
    names = dict(_names(target))
    for start in range(0, len(names), NAMES_A_CALL):
        page = target.client("cloudwatch").describe_alarms(
            AlarmNames=list(names)[start : start + NAMES_A_CALL],
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
            MaxRecords=NAMES_A_CALL,
        )
        entries: list[MetricAlarmTypeDef | CompositeAlarmTypeDef] = [
            *page.get("MetricAlarms", ()),
            *page.get("CompositeAlarms", ()),
        ]
        for entry in entries:
            found.append(_alarm(entry, names[entry["AlarmName"]]))
    return sorted(found, key=lambda one: (URGENCY[one.state], one.short))


def alarm(target: Target, name: str) -> Alarm:
    """The alarm with this name, short or full. Raises :class:`NotFoundError`."""
    every = alarms(target)
    for one in every:
        if name in (one.name, one.short):
            return one
    if reason := absent_alarm(deployed_level(target), name.removeprefix(f"{target.stack}-")):
        raise NotFoundError(reason)
    names = ", ".join(sorted(one.short for one in every)) or "none"
    raise NotFoundError(f"There is no alarm '{name}'. Alarms of this stack: {names}.")


def changes(target: Target, name: str | None = None, most: int = 100) -> list[StateChange]:
    """The latest changes of state of all alarms or of one, newest first."""
    if name is not None:
        one = alarm(target, name)
        names = {one.name: one.short}
    else:
        names = dict(_names(target))
    found = [
        change for full, short in names.items() for change in _changes(target, full, short, most)
    ]
    return sorted(found, key=lambda change: change.time, reverse=True)[:most]


def trigger(target: Target, name: str, reason: str) -> Alarm:
    """Set an alarm to the state ALARM, so that it sends its notifications.

    CloudWatch evaluates the alarm again within a minute, which restores its state.
    """
    one = alarm(target, name)
    target.client("cloudwatch").set_alarm_state(
        AlarmName=one.name, StateValue="ALARM", StateReason=reason
    )
    return one


def _names(target: Target) -> Iterator[tuple[str, str]]:
    """Full and short name of each alarm of the stack and of its platform stack, whose alarms also
    begin with this stack's name."""
    target.outputs  # noqa: B018 - raises NoStackError where the stack is missing
    for stack in (target.stack, f"{target.stack}-platform"):
        for name in _of_stack(target, stack):
            yield name, name.removeprefix(f"{target.stack}-")


def _of_stack(target: Target, stack: str) -> Iterator[str]:
    from botocore.exceptions import ClientError

    try:
        for resource in stack_resources(target.client("cloudformation"), stack):
            name = resource.get("PhysicalResourceId", "")
            # An alarm that is not created yet, or whose condition is false, has no name.
            if resource["ResourceType"] in KINDS and name:
                # For a composite alarm CloudFormation returns the ARN.
                yield name.rpartition(":alarm:")[2]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise


def _alarm(entry: MetricAlarmTypeDef | CompositeAlarmTypeDef, short: str) -> Alarm:
    enabled = entry.get("ActionsEnabled", True)
    since = entry.get("StateTransitionedTimestamp") or entry["StateUpdatedTimestamp"]
    return Alarm(
        name=entry["AlarmName"],
        short=short,
        state=entry["StateValue"],
        since=since.astimezone(UTC),
        reason=entry.get("StateReason", ""),
        description=entry.get("AlarmDescription", ""),
        actions=tuple(entry.get("AlarmActions", ())) if enabled else (),
    )


def _changes(target: Target, name: str, short: str, most: int) -> Iterator[StateChange]:
    pages = target.client("cloudwatch").get_paginator("describe_alarm_history")
    answers = pages.paginate(
        AlarmName=name,
        AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        HistoryItemType="StateUpdate",
        PaginationConfig={"MaxItems": most},
    )
    for page in answers:
        for item in page["AlarmHistoryItems"]:
            data = json.loads(item.get("HistoryData") or "{}")
            before, after = data.get("oldState", {}), data.get("newState", {})
            if before.get("stateValue") == after.get("stateValue"):
                continue  # the entry of its creation
            yield StateChange(
                short=short,
                time=item["Timestamp"].astimezone(UTC),
                before=before.get("stateValue", ""),
                after=after.get("stateValue", ""),
                reason=after.get("stateReason", item.get("HistorySummary", "")),
            )
