"""Creates, updates and deletes CloudFormation stacks by change sets, and explains failures."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from etl.aws.stack_events import StackEvent, causes, event_ids, new_events
from layers.notify import Notify
from telemetry.errors import UserError

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import (
        ParameterTypeDef,
        StackResourceSummaryTypeDef,
        StackTypeDef,
    )

__all__ = [
    "FAILED_CREATION",
    "STEADY",
    "STUCK",
    "Outcome",
    "StackError",
    "StackRequest",
    "apply_stack",
    "change_set",
    "continue_rollback",
    "delete_stack",
    "deployed_template",
    "outputs",
    "parameters",
    "refusal",
    "stack_resources",
    "stack_status",
    "stack_tags",
    "termination_protected",
    "wait_for_stack",
]

Watch = Callable[[StackEvent], None]
"""Receives each event of a stack as it happens."""
Outcome = Literal["created", "updated", "unchanged"]
ChangeSetType = Literal["CREATE", "UPDATE"]
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
SECONDS_BETWEEN_LINES = 5.0
LONGEST_POLL = 3.0
STEADY = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
FAILED_CREATION = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"})
"""Statuses after a creation that failed: such a stack can only be deleted, and was never in use."""
STUCK = {
    "UPDATE_ROLLBACK_FAILED": (
        "an update failed, and so did its rollback. `etl deploy` continues the rollback once the "
        "cause is fixed; --skip RESOURCE skips a resource that can't be rolled back"
    ),
    "UPDATE_FAILED": (
        "an update failed, and rollback was switched off for it: roll it back with "
        "`aws cloudformation rollback-stack`"
    ),
    "DELETE_FAILED": "some of its resources could not be deleted: `etl destroy` tries them again",
}
"""Statuses that block every change, each with its cause and how to go on."""


class StackError(UserError):
    """Raised when a stack can't be created, updated or deleted; names the resource and why."""


@dataclass(frozen=True, kw_only=True)
class StackRequest:
    """The wanted state of a stack. ``template`` has one of the request's members ``TemplateBody``,
    ``TemplateURL`` and ``UsePreviousTemplate``."""

    stack: str
    template: dict[str, Any]
    parameters: dict[str, str]
    tags: dict[str, str]
    resources: int
    """Number of resources, to report progress by."""
    role: str = ""
    """ARN of the role that CloudFormation assumes; empty: it uses the caller's permissions."""


def stack_resources(
    client: CloudFormationClient, stack: str
) -> Iterator[StackResourceSummaryTypeDef]:
    """Yield the summaries of a stack's resources, deleted ones included, page by page.

    Raises boto3's ``ClientError`` where there is no such stack.
    """
    for page in client.get_paginator("list_stack_resources").paginate(StackName=stack):
        yield from page["StackResourceSummaries"]


def stack_status(client: CloudFormationClient, stack: str) -> str | None:
    """Return the status of a stack, ``None`` where there is none."""
    description = _describe(client, stack)
    status: str | None = description["StackStatus"] if description else None
    return None if status == "DELETE_COMPLETE" else status


def outputs(client: CloudFormationClient, stack: str) -> dict[str, str]:
    """Return a stack's outputs by name, an empty dictionary where there is no stack."""
    description = _describe(client, stack)
    entries = description.get("Outputs", []) if description else []
    return {entry["OutputKey"]: entry["OutputValue"] for entry in entries}


def parameters(client: CloudFormationClient, stack: str) -> dict[str, str]:
    """Return a stack's parameters by name, an empty dictionary where there is no stack."""
    description = _describe(client, stack)
    entries = description.get("Parameters", []) if description else []
    return {entry["ParameterKey"]: entry["ParameterValue"] for entry in entries}


def stack_tags(client: CloudFormationClient, stack: str) -> dict[str, str]:
    """Return a stack's tags by key, an empty dictionary where there is no stack."""
    description = _describe(client, stack)
    entries = description.get("Tags", []) if description else []
    return {entry["Key"]: entry["Value"] for entry in entries}


def deployed_template(client: CloudFormationClient, stack: str) -> dict[str, Any]:
    """Return the template that an existing stack was deployed with."""
    body = client.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
    # boto3 reads a JSON template as a dictionary.
    template: dict[str, Any] = json.loads(body) if isinstance(body, str) else dict(body)
    return template


def termination_protected(client: CloudFormationClient, stack: str) -> bool:
    """Return true where CloudFormation refuses to delete the stack; false where there is none."""
    description = _describe(client, stack)
    return bool(description and description.get("EnableTerminationProtection"))


def _describe(client: CloudFormationClient, stack: str) -> StackTypeDef | None:
    from botocore.exceptions import ClientError

    try:
        return client.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def apply_stack(
    client: CloudFormationClient, request: StackRequest, notify: Notify, watch: Watch | None = None
) -> Outcome:
    """Create or update a stack by a change set and wait; ``watch`` receives each event.

    Raises :class:`StackError`.
    """
    kind = _change_set_type(client, request.stack, notify)
    name, changes = change_set(client, request, kind)
    if not changes:
        client.delete_change_set(StackName=request.stack, ChangeSetName=name)
        return "unchanged"
    seen = event_ids(client, request.stack)
    # A failed creation leaves no resources behind, not even those that a deletion retains.
    keep: dict[str, Any] = {"RetainExceptOnCreate": True} if kind == "CREATE" else {}
    client.execute_change_set(StackName=request.stack, ChangeSetName=name, **keep)
    wait_for_stack(client, request.stack, seen, watch or _counting(request.resources, notify))
    return "created" if kind == "CREATE" else "updated"


def change_set(
    client: CloudFormationClient, request: StackRequest, kind: ChangeSetType
) -> tuple[str, bool]:
    """Create a change set and wait for it: its name, and whether it has any changes.

    Raises :class:`StackError` where CloudFormation rejects the template or a value.
    """
    from botocore.exceptions import ClientError

    name = f"deploy-{uuid.uuid4().hex[:12]}"
    values: list[ParameterTypeDef] = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in request.parameters.items()
    ]
    role: dict[str, Any] = {"RoleARN": request.role} if request.role else {}
    try:
        client.create_change_set(
            StackName=request.stack,
            ChangeSetName=name,
            ChangeSetType=kind,
            Capabilities=["CAPABILITY_IAM"],
            Parameters=values,
            Tags=[{"Key": key, "Value": value} for key, value in request.tags.items()],
            **request.template,
            **role,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        reason = error.response["Error"]["Message"]
        raise StackError(f"CloudFormation rejects stack {request.stack}: {reason}") from error
    return name, _wait_for_change_set(client, request.stack, name)


def delete_stack(
    client: CloudFormationClient, stack: str, notify: Notify, watch: Watch | None = None
) -> None:
    """Delete a stack and wait. Raises :class:`StackError` naming what could not be deleted."""
    seen = event_ids(client, stack)
    # By id: a deleted stack can't be described by its name.
    stack_id: str = client.describe_stacks(StackName=stack)["Stacks"][0]["StackId"]
    client.delete_stack(StackName=stack)
    wait_for_stack(client, stack_id, seen, watch or _counting(0, notify))


def continue_rollback(
    client: CloudFormationClient, stack: str, skip: tuple[str, ...] = (), watch: Watch | None = None
) -> None:
    """Finish the rollback of a failed update, without the resources of ``skip``.

    Raises :class:`StackError` where it fails again.
    """
    seen = event_ids(client, stack)
    options: dict[str, Any] = {"ResourcesToSkip": list(skip)} if skip else {}
    client.continue_update_rollback(StackName=stack, **options)
    wait_for_stack(client, stack, seen, watch or (lambda _: None), "UPDATE_ROLLBACK_COMPLETE")


def _change_set_type(client: CloudFormationClient, stack: str, notify: Notify) -> ChangeSetType:
    status = stack_status(client, stack)
    if status in FAILED_CREATION:
        notify(f"stack {stack}: deleting the remains of a failed creation")
        delete_stack(client, stack, notify)
        return "CREATE"
    if status in {None, "REVIEW_IN_PROGRESS"}:
        return "CREATE"
    if status not in STEADY:
        raise StackError(refusal(stack, str(status)))
    return "UPDATE"


def refusal(stack: str, status: str) -> str:
    """Explain why a stack in this status can't be changed, and what to do."""
    if status in STUCK:
        return f"Stack {stack} is in {status}: {STUCK[status]}."
    return (
        f"Stack {stack} is in {status}: an operation is in progress. `etl deploy` waits for it; "
        "the CloudFormation console shows its progress."
    )


def _wait_for_change_set(client: CloudFormationClient, stack: str, name: str) -> bool:
    """Wait until the change set is ready; ``False`` where it has no changes."""
    for pause in _pauses():
        described = client.describe_change_set(StackName=stack, ChangeSetName=name)
        status, reason = described["Status"], described.get("StatusReason", "")
        if status == "CREATE_COMPLETE":
            return True
        if status == "FAILED":
            if any(text in reason for text in NO_CHANGES):
                return False
            raise StackError(f"CloudFormation rejects stack {stack}: {reason}")
        time.sleep(pause)
    raise AssertionError("unreachable: the pauses don't end")


def wait_for_stack(
    client: CloudFormationClient, stack: str, seen: set[str], watch: Watch, *good: str
) -> None:
    """Wait until nothing is in progress; ``watch`` receives every event not among ``seen``.

    ``good`` are further statuses that count as success. Raises :class:`StackError`.
    """
    watched: list[StackEvent] = []
    for pause in _pauses():
        status: str = client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        for event in new_events(client, stack, seen):
            watched.append(event)
            watch(event)
        if not status.endswith("_IN_PROGRESS"):
            break
        time.sleep(pause)
    if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", *good}:
        why = "\n  ".join(causes(watched))
        raise StackError(f"Stack {stack} ended in {status}:\n  {why}{_next_step(status)}")


def _next_step(status: str) -> str:
    """Say what state a failed operation left the stack in, and how to go on."""
    if status in STUCK:
        return f"\nThe stack is stuck: {STUCK[status]}."
    if status == "UPDATE_ROLLBACK_COMPLETE":
        return "\nThe stack was rolled back to its previous state. Fix the cause and deploy again."
    if status in FAILED_CREATION:
        return "\nNone of it is in use. Fix the cause and deploy again: that deletes it first."
    return ""


def _counting(resources: int, notify: Notify) -> Watch:
    """Return a watch that reports every few seconds how many resources are done."""
    done: set[str] = set()
    reported = time.monotonic()

    def watch(event: StackEvent) -> None:
        nonlocal reported
        if event.done:
            done.add(event.resource)
        if resources and time.monotonic() - reported > SECONDS_BETWEEN_LINES:
            reported = time.monotonic()
            notify(f"{min(len(done), resources)} of {resources} resources")

    return watch


def _pauses() -> Iterator[float]:
    """Yield the seconds to wait between polls: short at first, without end."""
    pause = 0.05
    while True:
        yield pause
        pause = min(pause * 1.5, LONGEST_POLL)
