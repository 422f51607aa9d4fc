"""The triggers that drain the queue, and whether messages wait for one that never comes.

A deployment has the queue's trigger, the schedule, or both. The queue's trigger is an event source
mapping, or the schedule of a drain loop: each start drains the queue window by window until the
next one takes over, so a loop that runs goes on for up to its interval once it is off. Whoever
switches one off by hand leaves the stack as it was deployed, so that a deployment does not switch
it on again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from etl.aws.cloudformation import stack_resources
from etl.aws.target import Target
from etl.operations.plurals import counted
from telemetry.manifest import parse_input

__all__ = [
    "Stall",
    "Trigger",
    "describe_triggers",
    "running_loops",
    "stall_of",
    "switch",
    "triggers",
]

RESOURCES = {"QueueTriggerMapping": "queue", "DrainSchedule": "drain", "Schedule": "schedule"}
"""The trigger of each resource of the template."""
ON_STATES = frozenset(("Enabled", "Enabling", "Creating", "Updating"))
SOON = timedelta(hours=1)
"""A schedule that starts once, and later than this, does not drain what waits now."""
ONCE = re.compile(r"at\((.+)\)")
CRON_YEARS = re.compile(r"cron\((?:\S+\s+){5}(\S+)\)")
WRITABLE = (
    "Name", "GroupName", "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate",
    "EndDate", "Description", "KmsKeyArn", "Target", "FlexibleTimeWindow", "ActionAfterCompletion",
)  # fmt: skip
"""Members of a schedule that an update has to repeat: what it leaves out gets its default."""


@dataclass(frozen=True)
class Trigger:
    """One trigger of the deployed stack."""

    kind: Literal["queue", "drain", "schedule"]
    enabled: bool
    resource: str
    """UUID of the event source mapping, or name of the schedule."""
    expression: str = ""
    """Expression of the schedule; empty for an event source mapping."""
    comes: bool = True
    """False for a schedule without repetition that starts nothing within the next hour."""

    @property
    def drains(self) -> bool:
        """True where it drains by itself what waits."""
        return self.enabled and self.comes

    @property
    def name(self) -> str:
        """Name in a sentence."""
        names = {
            "queue": "the queue's trigger",
            "drain": f"the queue's drain loop, started at {self.expression},",
            "schedule": f"the schedule {self.expression}",
        }
        return names[self.kind]

    @property
    def sentence(self) -> str:
        """Say in words whether it is on."""
        if self.enabled and not self.comes:
            return f"{self.name} starts nothing within the next hour"
        return f"{self.name} is {'on' if self.enabled else 'off'}"


@dataclass(frozen=True)
class Stall:
    """Messages that wait while no trigger drains the queue."""

    sentence: str
    """Without a full stop at its end."""
    command: str


def triggers(target: Target) -> list[Trigger]:
    """The triggers of the deployed stack. Raises boto3's ``ClientError``."""
    found = []
    for resource in stack_resources(target.client("cloudformation"), target.stack):
        kind = RESOURCES.get(resource["LogicalResourceId"])
        name = resource.get("PhysicalResourceId", "")
        if kind is None or not name or resource["ResourceStatus"] == "DELETE_COMPLETE":
            continue
        if kind == "queue":
            found.append(_queue_trigger(target, name))
        else:
            found.append(_schedule(target, name, "drain" if kind == "drain" else "schedule"))
    return found


def describe_triggers(found: Sequence[Trigger]) -> str:
    """Say in one line which triggers are on."""
    return "; ".join(one.sentence for one in found) or "the stack has none"


def stall_of(found: Sequence[Trigger], waiting: int, *, on_laptop: bool) -> Stall | None:
    """The problem of so many messages that wait for no trigger; ``None`` where there is none.

    A trigger that is on takes them in a moment, or its alarm says that it does not.
    """
    if not waiting or any(one.drains for one in found):
        return None
    verb = "waits" if waiting == 1 else "wait"
    sentence = f"{counted(waiting, 'message')} {verb} in the queue, and no trigger drains it"
    return Stall(f"{sentence}: {describe_triggers(found)}", _command(found, on_laptop=on_laptop))


def _command(found: Sequence[Trigger], *, on_laptop: bool) -> str:
    """The command that switches a trigger on, or deploys one that comes."""
    if any(not one.enabled and one.comes for one in found):
        return "etl triggers enable"
    return "etl up --trigger both" if on_laptop else "etl deploy --trigger both"


def switch(target: Target, trigger: Trigger, *, on: bool) -> None:
    """Switch a trigger on or off, as by hand. Raises boto3's ``ClientError``."""
    if trigger.kind == "queue":
        client = target.client("lambda")
        client.update_event_source_mapping(UUID=trigger.resource, Enabled=on)
        return
    scheduler = target.client("scheduler")
    present: dict[str, Any] = dict(scheduler.get_schedule(Name=trigger.resource))
    kept: dict[str, Any] = {name: present[name] for name in WRITABLE if present.get(name)}
    scheduler.update_schedule(**kept, State="ENABLED" if on else "DISABLED")


def running_loops(target: Target) -> list[str]:
    """ARNs of the executions that drain the queue window by window. Raises ``ClientError``."""
    client = target.client("stepfunctions")
    pages = client.get_paginator("list_executions").paginate(
        stateMachineArn=target.outputs["StateMachineArn"], statusFilter="RUNNING"
    )
    arns = [found["executionArn"] for page in pages for found in page["executions"]]
    described = ((arn, client.describe_execution(executionArn=arn)) for arn in arns)
    return [arn for arn, found in described if "drains" in parse_input(found.get("input"))]


def _queue_trigger(target: Target, uuid: str) -> Trigger:
    mapping = target.client("lambda").get_event_source_mapping(UUID=uuid)
    return Trigger("queue", mapping.get("State", "") in ON_STATES, uuid)


def _schedule(target: Target, name: str, kind: Literal["drain", "schedule"]) -> Trigger:
    schedule = target.client("scheduler").get_schedule(Name=name)
    expression = schedule.get("ScheduleExpression", "")
    now = datetime.now(UTC)
    ended = (end := schedule.get("EndDate")) is not None and end <= now
    begins = (start := schedule.get("StartDate")) is None or start <= now + SOON
    comes = begins and not ended and comes_by_itself(expression, now)
    return Trigger(kind, schedule.get("State") == "ENABLED", name, expression, comes)


def comes_by_itself(expression: str, now: datetime) -> bool:
    """False for a schedule that starts once and not soon, or whose years don't include this one.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html (2026-11). Each other
    schedule comes again; how rarely is what its owner chose.
    """
    if once := ONCE.fullmatch(expression):
        try:
            at = datetime.fromisoformat(once[1]).replace(tzinfo=UTC)
        except ValueError:
            return True
        return now <= at <= now + SOON
    if years := CRON_YEARS.fullmatch(expression):
        return any(_includes(part, now.year) for part in years[1].split(","))
    return True


def _includes(part: str, year: int) -> bool:
    """True where one part of a cron expression's years includes the year."""
    span, _, step = part.partition("/")
    first, _, last = span.partition("-")
    if not first.isdecimal():
        return True
    if not last and not step:
        return int(first) == year
    return int(first) <= year <= (int(last) if last.isdecimal() else year)
