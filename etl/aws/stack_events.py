"""What CloudFormation tells of a stack: its events, the causes of a failure, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["StackEvent", "causes", "event_ids", "events", "new_events", "remedy"]

CONSEQUENCES = ("Resource creation cancelled", "Resource update cancelled")
"""Failures that only follow from the first one."""
STACK = "AWS::CloudFormation::Stack"


@dataclass(frozen=True, kw_only=True)
class StackEvent:
    """One line of a stack's history."""

    id: str
    resource: str
    type: str
    status: str
    """Such as ``CREATE_IN_PROGRESS``."""
    reason: str = ""

    @property
    def of_stack(self) -> bool:
        """Whether it tells of a stack rather than of one of its resources."""
        return self.type == STACK

    @property
    def done(self) -> bool:
        """A resource is as it should be."""
        return self.status.endswith("_COMPLETE") and not self.of_stack

    @property
    def failed(self) -> bool:
        """A resource could not be made, changed or deleted."""
        return self.status.endswith("_FAILED") and not self.of_stack


def events(client: Any, stack: str) -> Iterator[StackEvent]:
    """Newest first, lazily, page by page; none where there is no such stack."""
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


def event_ids(client: Any, stack: str) -> set[str]:
    """Ids of all events until now."""
    return {event.id for event in events(client, stack)}


def new_events(client: Any, stack: str, seen: set[str]) -> list[StackEvent]:
    """Events that are not among ``seen``, oldest first; they are added to it."""
    found: list[StackEvent] = []
    for event in events(client, stack):
        if event.id in seen:
            break
        found.append(event)
    seen.update(event.id for event in found)
    return found[::-1]


def causes(found: list[StackEvent]) -> list[str]:
    """The first failures, oldest first: resource, reason, and what to do where that is known."""
    told = [
        f"{event.resource} ({event.type}): {event.reason}{_then(event.reason)}"
        for event in found
        if event.failed and event.reason and not event.reason.startswith(CONSEQUENCES)
    ]
    if not told:
        told = [event.reason for event in reversed(found) if event.reason][:1]
    return told or ["no reason is given"]


def _then(reason: str) -> str:
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
        "A zip is missing in the artifact bucket: deploy again, it is uploaded anew.",
    ),
    (
        r"already exists",
        "Something of this name is there, from another stack or left by an earlier one: delete "
        "it, or deploy under another stack name.",
    ),
    (
        r"[Ll]imit ?[Ee]xceeded|quota|maximum number|TooMany",
        "A quota of the account is used up: ask for more in Service Quotas, or free some.",
    ),
    (
        r"(subnet|security group|vpc).*(does not exist|not found)|Invalid(Subnet|Group|VpcI)",
        "Check subnet_ids and security_group_ids in the settings: they belong to this region "
        "and account?",
    ),
    (
        r"Throttl|Rate exceeded",
        "AWS was asked too much at once: deploy again in a few minutes.",
    ),
    (
        r"layer|unzipped size",
        "Look at `etl plan`: it lists the zips with their sizes.",
    ),
    (
        r"[Cc]annot delete protected|deletion protection",
        "The database is protected: set platform.deletion_protection = false, deploy, then "
        "destroy. A last snapshot is taken even so.",
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
    """What a person can do about a failure with this reason; empty where we don't know."""
    for pattern, advice in _REMEDIES:
        if re.search(pattern, reason):
            return advice
    return ""
