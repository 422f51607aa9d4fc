"""The pipeline's alarms as CloudWatch has them now, what they did before, and a test of the way.

Which there are, the stack says (and the platform stack beside it, where there is one): names of
other stacks may begin the same. Works by boto3 alone, so it is the same on AWS and the laptop.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from etl.aws.cloudformation import stack_resources
from etl.aws.target import Target
from etl.operations.batch_selection import NotFoundError

__all__ = ["RUNBOOK", "Alarm", "Change", "alarm", "alarms", "changes", "sound"]

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
NAMES_A_CALL = 100
"""Most in one DescribeAlarms."""
KINDS = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
RUNBOOK = "docs/runbook.md"
SECTION = re.compile(r"docs/[\w/-]+\.md#[\w-]+")
URGENCY: dict[str, int] = {"ALARM": 0, "INSUFFICIENT_DATA": 1, "OK": 2}


@dataclass(frozen=True)
class Alarm:
    """One alarm."""

    name: str
    """In CloudWatch."""
    short: str
    """Without the stack's name: also its section in the runbook."""
    state: State
    since: datetime
    reason: str
    """CloudWatch's own sentence."""
    description: str
    """What it means and what to do first."""
    actions: tuple[str, ...]
    """ARNs of whom it tells; none where its actions are switched off."""

    @property
    def runbook(self) -> str:
        """Page and section that its description names, or that it would have."""
        named = SECTION.search(self.description)
        return named[0] if named else f"{RUNBOOK}#{self.short}"


@dataclass(frozen=True)
class Change:
    """One change of an alarm's state."""

    short: str
    time: datetime
    before: str
    after: str
    reason: str


def alarms(target: Target) -> list[Alarm]:
    """All alarms, those that sound first. Raises ``NoStackError`` where there is no stack."""
    found: list[Alarm] = []
    names = dict(_names(target))
    for start in range(0, len(names), NAMES_A_CALL):
        page = target.client("cloudwatch").describe_alarms(
            AlarmNames=list(names)[start : start + NAMES_A_CALL],
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
            MaxRecords=NAMES_A_CALL,
        )
        for told in (*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())):
            found.append(_alarm(told, names[told["AlarmName"]]))
    return sorted(found, key=lambda one: (URGENCY[one.state], one.short))


def alarm(target: Target, name: str) -> Alarm:
    """The alarm of that name, short or whole. Raises :class:`NotFoundError`."""
    every = alarms(target)
    for one in every:
        if name in (one.name, one.short):
            return one
    known = ", ".join(sorted(one.short for one in every)) or "none"
    raise NotFoundError(f"There is no alarm '{name}'; there are: {known}.")


def changes(target: Target, name: str | None = None, most: int = 100) -> list[Change]:
    """The newest changes of state, newest first: of all alarms, or of one."""
    if name is not None:
        one = alarm(target, name)
        names = {one.name: one.short}
    else:
        names = dict(_names(target))
    found = [
        change for full, short in names.items() for change in _changes(target, full, short, most)
    ]
    return sorted(found, key=lambda change: change.time, reverse=True)[:most]


def sound(target: Target, name: str, reason: str) -> Alarm:
    """Put an alarm into the state ALARM, so that whoever it tells is told.

    CloudWatch judges it again within a minute, and it goes back by itself.
    """
    one = alarm(target, name)
    target.client("cloudwatch").set_alarm_state(
        AlarmName=one.name, StateValue="ALARM", StateReason=reason
    )
    return one


def _names(target: Target) -> Iterator[tuple[str, str]]:
    """Full and short name of each alarm of the stack, and of the platform stack beside it, whose
    alarms bear this stack's name, too."""
    target.outputs  # noqa: B018 - a missing stack is told by its own error
    for stack in (target.stack, f"{target.stack}-platform"):
        for name in _of_stack(target, stack):
            yield name, name.removeprefix(f"{target.stack}-")


def _of_stack(target: Target, stack: str) -> Iterator[str]:
    from botocore.exceptions import ClientError

    try:
        for resource in stack_resources(target.client("cloudformation"), stack):
            name = resource.get("PhysicalResourceId", "")
            # An alarm that was not made yet, or whose condition is off, has no name.
            if resource["ResourceType"] in KINDS and name:
                # Of a composite alarm CloudFormation gives the ARN.
                yield name.rpartition(":alarm:")[2]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise


def _alarm(told: dict[str, Any], short: str) -> Alarm:
    acts = told.get("ActionsEnabled", True)
    return Alarm(
        name=told["AlarmName"],
        short=short,
        state=told["StateValue"],
        since=(told.get("StateTransitionedTimestamp") or told["StateUpdatedTimestamp"]).astimezone(
            UTC
        ),
        reason=told.get("StateReason", ""),
        description=told.get("AlarmDescription", ""),
        actions=tuple(told.get("AlarmActions", ())) if acts else (),
    )


def _changes(target: Target, name: str, short: str, most: int) -> Iterator[Change]:
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
                continue  # it was created
            yield Change(
                short=short,
                time=item["Timestamp"].astimezone(UTC),
                before=before.get("stateValue", ""),
                after=after.get("stateValue", ""),
                reason=after.get("stateReason", item.get("HistorySummary", "")),
            )
