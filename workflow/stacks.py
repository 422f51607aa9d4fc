"""CloudFormation by change sets: create or update a stack, wait, and say what failed and why."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["StackError", "StackRequest", "apply_stack", "delete_stack", "outputs", "stack_status"]

Told = Callable[[str], None]
Outcome = Literal["created", "updated", "unchanged"]
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
# Failures that only follow from the first one.
CONSEQUENCES = ("Resource creation cancelled", "Resource update cancelled")
SECONDS_BETWEEN_LINES = 5.0
LONGEST_POLL = 3.0
STEADY = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})


class StackError(RuntimeError):
    """Raised when a stack can't be created, updated or deleted; names the resource and why."""


@dataclass(frozen=True, kw_only=True)
class StackRequest:
    """What a stack shall be. ``template`` holds either ``TemplateBody`` or ``TemplateURL``."""

    stack: str
    template: dict[str, str]
    parameters: dict[str, str]
    tags: dict[str, str]
    resources: int
    """Number of resources, for progress."""


def stack_status(client: Any, stack: str) -> str | None:
    """Status of a stack, ``None`` where there is none."""
    from botocore.exceptions import ClientError

    try:
        status: str = client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return None if status == "DELETE_COMPLETE" else status


def outputs(client: Any, stack: str) -> dict[str, str]:
    """A stack's outputs by name."""
    found = client.describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    return {output["OutputKey"]: output["OutputValue"] for output in found}


def apply_stack(client: Any, request: StackRequest, told: Told) -> Outcome:
    """Make the stack what the request says. Raises :class:`StackError`."""
    kind = _change_set_type(client, request.stack, told)
    name = _create_change_set(client, request, kind)
    if not _wait_for_change_set(client, request.stack, name):
        client.delete_change_set(StackName=request.stack, ChangeSetName=name)
        return "unchanged"
    seen = _event_ids(client, request.stack)
    client.execute_change_set(StackName=request.stack, ChangeSetName=name)
    _wait_for_stack(client, request.stack, seen, request.resources, told)
    return "created" if kind == "CREATE" else "updated"


def _create_change_set(client: Any, request: StackRequest, kind: str) -> str:
    from botocore.exceptions import ClientError

    name = f"deploy-{uuid.uuid4().hex[:12]}"
    parameters = [{"ParameterKey": k, "ParameterValue": v} for k, v in request.parameters.items()]
    try:
        client.create_change_set(
            StackName=request.stack,
            ChangeSetName=name,
            ChangeSetType=kind,
            Capabilities=["CAPABILITY_IAM"],
            Parameters=parameters,
            Tags=[{"Key": key, "Value": value} for key, value in request.tags.items()],
            **request.template,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        reason = error.response["Error"]["Message"]
        raise StackError(f"CloudFormation refuses stack {request.stack}: {reason}") from error
    return name


def delete_stack(client: Any, stack: str, told: Told) -> None:
    """Delete a stack and wait. Raises :class:`StackError` naming what could not be deleted."""
    seen = _event_ids(client, stack)
    # By id: a deleted stack can't be described by its name.
    stack_id: str = client.describe_stacks(StackName=stack)["Stacks"][0]["StackId"]
    client.delete_stack(StackName=stack)
    _wait_for_stack(client, stack_id, seen, 0, told)


def _change_set_type(client: Any, stack: str, told: Told) -> Literal["CREATE", "UPDATE"]:
    status = stack_status(client, stack)
    if status == "ROLLBACK_COMPLETE":
        # A creation that failed; CloudFormation lets such a stack only be deleted.
        told("removing what a failed creation left")
        delete_stack(client, stack, told)
        return "CREATE"
    if status in {None, "REVIEW_IN_PROGRESS"}:
        return "CREATE"
    if status not in STEADY:
        raise StackError(
            f"Stack {stack} is in {status}: wait for what is running, or see its events in the "
            "CloudFormation console and repair or delete it there."
        )
    return "UPDATE"


def _wait_for_change_set(client: Any, stack: str, name: str) -> bool:
    """``False`` where there is nothing to change."""
    for pause in _pauses():
        described = client.describe_change_set(StackName=stack, ChangeSetName=name)
        status, reason = described["Status"], described.get("StatusReason", "")
        if status == "CREATE_COMPLETE":
            return True
        if status == "FAILED":
            if any(text in reason for text in NO_CHANGES):
                return False
            raise StackError(f"CloudFormation refuses stack {stack}: {reason}")
        time.sleep(pause)
    raise AssertionError("unreachable: the pauses don't end")


def _wait_for_stack(client: Any, stack: str, seen: set[str], resources: int, told: Told) -> None:
    spoke = time.monotonic()
    for pause in _pauses():
        status: str = client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        if not status.endswith("_IN_PROGRESS"):
            break
        if resources and time.monotonic() - spoke > SECONDS_BETWEEN_LINES:
            spoke = time.monotonic()
            done = sum(e["ResourceStatus"].endswith("_COMPLETE") for e in _new(client, stack, seen))
            told(f"{min(done, resources)} of {resources} resources")
        time.sleep(pause)
    if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"}:
        raise StackError(_why(stack, status, _new(client, stack, seen)))


def _pauses() -> Any:
    """Seconds to wait between polls: short at first, for ever."""
    pause = 0.05
    while True:
        yield pause
        pause = min(pause * 1.5, LONGEST_POLL)


def _why(stack: str, status: str, events: list[dict[str, Any]]) -> str:
    """The first failures, oldest first, each with its resource and reason."""
    causes = [
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event['ResourceStatusReason']}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("_FAILED")
        and event.get("ResourceStatusReason")
        and event["ResourceType"] != "AWS::CloudFormation::Stack"
        and not event["ResourceStatusReason"].startswith(CONSEQUENCES)
    ]
    if not causes:
        causes = [e["ResourceStatusReason"] for e in events if e.get("ResourceStatusReason")][:1]
    return f"Stack {stack} ended in {status}:\n  " + "\n  ".join(causes or ["no reason is given"])


def _events(client: Any, stack: str) -> list[dict[str, Any]]:
    from botocore.exceptions import ClientError

    pages = client.get_paginator("describe_stack_events").paginate(StackName=stack)
    try:
        return [event for page in pages for event in page["StackEvents"]]
    except ClientError as error:
        if "does not exist" in str(error):
            return []
        raise


def _event_ids(client: Any, stack: str) -> set[str]:
    return {event["EventId"] for event in _events(client, stack)}


def _new(client: Any, stack: str, seen: set[str]) -> list[dict[str, Any]]:
    return [event for event in _events(client, stack) if event["EventId"] not in seen]
