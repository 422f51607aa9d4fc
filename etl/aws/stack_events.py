"""Reads the events of a CloudFormation stack: causes of a failure, and their remedies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient

__all__ = ["StackEvent", "causes", "event_ids", "events", "new_events", "remedy"]

CONSEQUENCES = ("Resource creation cancelled", "Resource update cancelled")
"""Failures that only follow from the first one."""
STACK = "AWS::CloudFormation::Stack"


@dataclass(frozen=True, kw_only=True)
class StackEvent:
    """One event of a stack or of one of its resources."""

    id: str
    resource: str
    type: str
    status: str
    """Such as ``CREATE_IN_PROGRESS``."""
    reason: str = ""

    @property
    def of_stack(self) -> bool:
        """True for an event of the stack itself, false for one of a resource."""
        return self.type == STACK

    @property
    def done(self) -> bool:
        """True where an operation on a resource has succeeded."""
        return self.status.endswith("_COMPLETE") and not self.of_stack

    @property
    def failed(self) -> bool:
        """True where a resource could not be created, updated or deleted."""
        return self.status.endswith("_FAILED") and not self.of_stack


def events(client: CloudFormationClient, stack: str) -> Iterator[StackEvent]:
    """Yield a stack's events, newest first, page by page; none where there is no such stack."""
    from botocore.exceptions import ClientError

    pages = client.get_paginator("describe_stack_events").paginate(StackName=stack)
    try:
        for page in pages:
            for event in page["StackEvents"]:
                yield StackEvent(
                    id=event["EventId"],
                    resource=event["LogicalResourceId"],
                    type=event["ResourceType"],
                    status=event["ResourceStatus"],
                    reason=event.get("ResourceStatusReason", ""),
                )
    except ClientError as error:
        if "does not exist" not in str(error):
            raise


def event_ids(client: CloudFormationClient, stack: str) -> set[str]:
    """Return the ids of all events until now."""
    return {event.id for event in events(client, stack)}


def new_events(client: CloudFormationClient, stack: str, seen: set[str]) -> list[StackEvent]:
    """Return the events not among ``seen``, oldest first, and add their ids to it."""
    events_since: list[StackEvent] = []
    for event in events(client, stack):
        if event.id in seen:
            break
        events_since.append(event)
    seen.update(event.id for event in events_since)
    return events_since[::-1]


def causes(history: list[StackEvent]) -> list[str]:
    """Describe the original failures, oldest first: resource, reason, and a remedy if known."""
    failures = [
        f"{event.resource} ({event.type}): {event.reason}{_advice(event.reason)}"
        for event in history
        if event.failed and event.reason and not event.reason.startswith(CONSEQUENCES)
    ]
    if not failures:
        failures = [event.reason for event in reversed(history) if event.reason][:1]
    return failures or ["CloudFormation gives no reason"]


def _advice(reason: str) -> str:
    advice = remedy(reason)
    return f"\n    -> {advice}" if advice else ""


_REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"not authorized|[Aa]ccess ?[Dd]enied",
        "Your role, or CloudFormation's execution role, lacks this permission: docs/deploy.md "
        "lists what a deployment needs.",
    ),
    (
        r"NoSuchKey|specified key does not exist",
        "A zip is missing in the artifact bucket: deploy again to upload it.",
    ),
    (
        r"already exists",
        "A resource of this name exists already, from another stack or left by an earlier one: "
        "delete it, or deploy under another stack name.",
    ),
    (
        r"[Ll]imit ?[Ee]xceeded|quota|maximum number|TooMany",
        "A quota of the account is used up: request an increase in Service Quotas, or free some.",
    ),
    (
        r"(subnet|security group|vpc).*(does not exist|not found)|Invalid(Subnet|Group|VpcI)",
        "Check subnet_ids and security_group_ids in the settings: do they belong to this region "
        "and account?",
    ),
    (
        r"Throttl|Rate exceeded",
        "AWS throttled the requests: deploy again in a few minutes.",
    ),
    (
        r"layer|unzipped size",
        "Look at `etl plan`: it lists the zips with their sizes.",
    ),
    (
        r"[Cc]annot delete protected|deletion protection",
        "The database is protected: set platform.deletion_protection = false, deploy, then "
        "destroy. A final snapshot is taken in any case.",
    ),
    (
        r"bucket you tried to delete is not empty",
        "`etl destroy --with-data` empties it first.",
    ),
    (
        r"[Kk][Mm][Ss].*(disabled|pending deletion|PendingDeletion|InvalidState)",
        "The stack's key is disabled or about to be deleted: enable it, or cancel its deletion.",
    ),
)


def remedy(reason: str) -> str:
    """Return what to do about a failure with this reason; empty where no remedy is known."""
    for pattern, advice in _REMEDIES:
        if re.search(pattern, reason):
            return advice
    return ""
