"""CloudFormation by change sets: create or update a stack, wait, and say what failed and why."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from etl.aws.stack_events import StackEvent, causes, event_ids, new_events
from telemetry.errors import UserError

__all__ = [
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
    "wait_for_stack",
]

Told = Callable[[str], None]
Watch = Callable[[StackEvent], None]
Outcome = Literal["created", "updated", "unchanged"]
ChangeSetType = Literal["CREATE", "UPDATE"]
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
SECONDS_BETWEEN_LINES = 5.0
LONGEST_POLL = 3.0
STEADY = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
GONE_WRONG_AT_BIRTH = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"})
"""CloudFormation lets such a stack only be deleted; nothing in it was ever in use."""
STUCK = {
    "UPDATE_ROLLBACK_FAILED": (
        "an update failed, and so did the way back. `etl deploy` continues the way back once the "
        "cause is mended; --skip RESOURCE leaves out a resource that can't be brought back"
    ),
    "UPDATE_FAILED": (
        "an update failed and was left as it was, by someone who switched rolling back off: roll "
        "it back with `aws cloudformation rollback-stack`"
    ),
    "DELETE_FAILED": "it could not be deleted wholly: `etl destroy` tries the rest again",
}
"""What one reads of a stack that can't be changed now."""


class StackError(UserError):
    """Raised when a stack can't be created, updated or deleted; names the resource and why."""


@dataclass(frozen=True, kw_only=True)
class StackRequest:
    """What a stack shall be. ``template``: ``TemplateBody``, ``TemplateURL`` or
    ``UsePreviousTemplate``."""

    stack: str
    template: dict[str, Any]
    parameters: dict[str, str]
    tags: dict[str, str]
    resources: int
    """Number of resources, for progress."""
    role: str = ""
    """ARN of the role that CloudFormation acts by; empty: the caller's."""


def stack_resources(client: Any, stack: str) -> Iterator[dict[str, Any]]:
    """Summaries of the stack's resources, deleted ones too, lazily. Raises boto3's ``ClientError``
    where there is no such stack."""
    for page in client.get_paginator("list_stack_resources").paginate(StackName=stack):
        yield from page["StackResourceSummaries"]


def stack_status(client: Any, stack: str) -> str | None:
    """Status of a stack, ``None`` where there is none."""
    found = _describe(client, stack)
    status: str | None = found["StackStatus"] if found else None
    return None if status == "DELETE_COMPLETE" else status


def outputs(client: Any, stack: str) -> dict[str, str]:
    """A stack's outputs by name; empty where there is no stack."""
    found = (_describe(client, stack) or {}).get("Outputs", [])
    return {output["OutputKey"]: output["OutputValue"] for output in found}


def parameters(client: Any, stack: str) -> dict[str, str]:
    """A stack's parameters by name; empty where there is no stack."""
    found = (_describe(client, stack) or {}).get("Parameters", [])
    return {one["ParameterKey"]: one["ParameterValue"] for one in found}


def deployed_template(client: Any, stack: str) -> dict[str, Any]:
    """The template of a stack that is there."""
    body = client.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
    # boto3 reads a JSON template as a dictionary.
    found: dict[str, Any] = json.loads(body) if isinstance(body, str) else dict(body)
    return found


def _describe(client: Any, stack: str) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError

    try:
        found: dict[str, Any] = client.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return found


def apply_stack(
    client: Any, request: StackRequest, told: Told, watch: Watch | None = None
) -> Outcome:
    """Make the stack what the request says; ``watch`` gets each event as it comes.

    Raises :class:`StackError`.
    """
    kind = _ready_for_change(client, request.stack, told)
    name, changes = change_set(client, request, kind)
    if not changes:
        client.delete_change_set(StackName=request.stack, ChangeSetName=name)
        return "unchanged"
    seen = event_ids(client, request.stack)
    # A creation that fails leaves nothing, not even what a later deletion would retain.
    keep = {"RetainExceptOnCreate": True} if kind == "CREATE" else {}
    client.execute_change_set(StackName=request.stack, ChangeSetName=name, **keep)
    wait_for_stack(client, request.stack, seen, watch or _counting(request.resources, told))
    return "created" if kind == "CREATE" else "updated"


def change_set(client: Any, request: StackRequest, kind: ChangeSetType) -> tuple[str, bool]:
    """Have CloudFormation work out what would change: the change set's name, and whether
    anything does. Raises :class:`StackError`."""
    from botocore.exceptions import ClientError

    name = f"deploy-{uuid.uuid4().hex[:12]}"
    given = [{"ParameterKey": k, "ParameterValue": v} for k, v in request.parameters.items()]
    try:
        client.create_change_set(
            StackName=request.stack,
            ChangeSetName=name,
            ChangeSetType=kind,
            Capabilities=["CAPABILITY_IAM"],
            Parameters=given,
            Tags=[{"Key": key, "Value": value} for key, value in request.tags.items()],
            **request.template,
            **({"RoleARN": request.role} if request.role else {}),
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        reason = error.response["Error"]["Message"]
        raise StackError(f"CloudFormation refuses stack {request.stack}: {reason}") from error
    return name, _wait_for_change_set(client, request.stack, name)


def delete_stack(client: Any, stack: str, told: Told, watch: Watch | None = None) -> None:
    """Delete a stack and wait. Raises :class:`StackError` naming what could not be deleted."""
    seen = event_ids(client, stack)
    # By id: a deleted stack can't be described by its name.
    stack_id: str = client.describe_stacks(StackName=stack)["Stacks"][0]["StackId"]
    client.delete_stack(StackName=stack)
    wait_for_stack(client, stack_id, seen, watch or _counting(0, told))


def continue_rollback(
    client: Any, stack: str, skip: tuple[str, ...] = (), watch: Watch | None = None
) -> None:
    """Finish the way back of a failed update. Raises :class:`StackError` where it fails again."""
    seen = event_ids(client, stack)
    options = {"ResourcesToSkip": list(skip)} if skip else {}
    client.continue_update_rollback(StackName=stack, **options)
    wait_for_stack(client, stack, seen, watch or (lambda _: None), "UPDATE_ROLLBACK_COMPLETE")


def _ready_for_change(client: Any, stack: str, told: Told) -> ChangeSetType:
    status = stack_status(client, stack)
    if status in GONE_WRONG_AT_BIRTH:
        told("removing what a failed creation left")
        delete_stack(client, stack, told)
        return "CREATE"
    if status in {None, "REVIEW_IN_PROGRESS"}:
        return "CREATE"
    if status not in STEADY:
        raise StackError(refusal(stack, str(status)))
    return "UPDATE"


def refusal(stack: str, status: str) -> str:
    """Why a stack in this status can't be changed, and what to do."""
    if status in STUCK:
        return f"Stack {stack} is in {status}: {STUCK[status]}."
    return (
        f"Stack {stack} is in {status}: CloudFormation is at work. `etl deploy` waits for it; "
        "a console or `etl plan` shows how it goes."
    )


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


def wait_for_stack(client: Any, stack: str, seen: set[str], watch: Watch, *good: str) -> None:
    """Wait until nothing is in progress, telling ``watch`` every event not among ``seen``.

    ``good`` are further statuses that count as success. Raises :class:`StackError`.
    """
    told: list[StackEvent] = []

    def look() -> None:
        for event in new_events(client, stack, seen):
            told.append(event)
            watch(event)

    for pause in _pauses():
        status: str = client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        look()
        if not status.endswith("_IN_PROGRESS"):
            break
        time.sleep(pause)
    if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", *good}:
        why = "\n  ".join(causes(told))
        raise StackError(f"Stack {stack} ended in {status}:\n  {why}{_next(status)}")


def _next(status: str) -> str:
    """What the end of a failed operation leaves, and how to go on."""
    if status in STUCK:
        return f"\nThe stack is stuck: {STUCK[status]}."
    if status == "UPDATE_ROLLBACK_COMPLETE":
        return "\nEverything is as it was before. Mend the cause and deploy again."
    if status in GONE_WRONG_AT_BIRTH:
        return "\nNothing of it is in use. Mend the cause and deploy again: that clears it away."
    return ""


def _counting(resources: int, told: Told) -> Watch:
    """A watch that says every few seconds how many resources are done."""
    done: set[str] = set()
    spoke = time.monotonic()

    def watch(event: StackEvent) -> None:
        nonlocal spoke
        if event.done:
            done.add(event.resource)
        if resources and time.monotonic() - spoke > SECONDS_BETWEEN_LINES:
            spoke = time.monotonic()
            told(f"{min(len(done), resources)} of {resources} resources")

    return watch


def _pauses() -> Iterator[float]:
    """Seconds to wait between polls: short at first, for ever."""
    pause = 0.05
    while True:
        yield pause
        pause = min(pause * 1.5, LONGEST_POLL)
