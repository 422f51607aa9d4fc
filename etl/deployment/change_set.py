"""Asks CloudFormation what would change: a change set is created, read and deleted again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from etl.aws.cloudformation import StackRequest, change_set, delete_stack, stack_status
from layers.notify import silent

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import (
        DescribeChangeSetInputTypeDef,
        ResourceChangeTypeDef,
    )

__all__ = ["ReportedChange", "preview", "read_changes"]

Replacement = Literal["never", "maybe", "always"]
_REPLACEMENT: dict[str, Replacement] = {
    "True": "always",
    "Conditional": "maybe",
    "False": "never",
    "Always": "always",
    "Conditionally": "maybe",
    "Never": "never",
}


@dataclass(frozen=True)
class ReportedChange:
    """One resource in a change set."""

    id: str
    type: str
    action: str
    """``Add``, ``Modify``, ``Remove``, ``Import`` or ``Dynamic``."""
    replacement: Replacement
    properties: dict[str, Replacement]
    """Changed properties, and whether each alone replaces the resource."""
    causes: tuple[str, ...] = ()
    """Resources and parameters whose changes cause this one."""
    policy: str = ""
    """``Delete``, ``Retain``, ``Snapshot``, ``ReplaceAndRetain``...; empty where not reported."""


def preview(client: CloudFormationClient, request: StackRequest) -> list[ReportedChange]:
    """Return what CloudFormation would change; changes nothing and leaves nothing behind.

    Raises :class:`etl.aws.cloudformation.StackError` where CloudFormation rejects the template.
    """
    status = stack_status(client, request.stack)
    new = status is None
    kind: Literal["CREATE", "UPDATE"] = (
        "CREATE" if status in {None, "REVIEW_IN_PROGRESS"} else "UPDATE"
    )
    name = ""
    try:
        name, changes = change_set(client, request, kind)
        return list(read_changes(client, request.stack, name)) if changes else []
    finally:
        _delete_change_set(client, request.stack, name, with_stack=new)


def _delete_change_set(
    client: CloudFormationClient, stack: str, name: str, *, with_stack: bool
) -> None:
    """Delete the change set, and the empty stack that it creates where there was none."""
    from botocore.exceptions import ClientError

    try:
        if name:
            client.delete_change_set(StackName=stack, ChangeSetName=name)
        # Only an empty one: someone may have created the stack in the meantime.
        if with_stack and stack_status(client, stack) == "REVIEW_IN_PROGRESS":
            delete_stack(client, stack, silent)
    except ClientError as error:
        if "does not exist" not in str(error):
            raise


def read_changes(client: CloudFormationClient, stack: str, name: str) -> Iterator[ReportedChange]:
    """Yield the changes in a change set, page by page."""
    request: DescribeChangeSetInputTypeDef = {"StackName": stack, "ChangeSetName": name}
    while True:
        page = client.describe_change_set(**request)
        for change in page.get("Changes", []):
            yield _reported(change["ResourceChange"])
        if not page.get("NextToken"):
            return
        request["NextToken"] = page["NextToken"]


def _reported(change: ResourceChangeTypeDef) -> ReportedChange:
    properties: dict[str, Replacement] = {}
    causes: set[str] = set()
    for detail in change.get("Details", []):
        target = detail.get("Target", {})
        if target.get("Attribute") == "Properties" and target.get("Name"):
            replacement = _REPLACEMENT.get(target.get("RequiresRecreation", ""), "maybe")
            properties[target["Name"]] = _worse(properties.get(target["Name"]), replacement)
        if detail.get("CausingEntity"):
            causes.add(detail["CausingEntity"].split(".")[0])
    return ReportedChange(
        id=change["LogicalResourceId"],
        type=change["ResourceType"],
        action=change["Action"],
        replacement=_REPLACEMENT.get(str(change.get("Replacement", "False")), "never"),
        properties=properties,
        causes=tuple(sorted(causes)),
        policy=change.get("PolicyAction", ""),
    )


def _worse(one: Replacement | None, other: Replacement) -> Replacement:
    order: tuple[Replacement, ...] = ("never", "maybe", "always")
    return max(one or "never", other, key=order.index)
