"""Asks IAM what a user or a role may do, by ``iam:SimulatePrincipalPolicy``.

The simulation knows identity policies, permissions boundaries and an organisation's policies, but
no session policies, and no policies of resources: a key or a bucket may still refuse
(https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html,
read 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from telemetry.errors import UserError

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient
    from types_boto3_iam.type_defs import ContextEntryTypeDef

__all__ = [
    "Denial",
    "NoPrincipalError",
    "SimulatedRequest",
    "denials",
    "principal_of",
    "requests_of",
]

EXAMPLE = "doctor"
"""Stands for ``*`` in a pattern of resources: the simulation asks about one resource at a time."""


class NoPrincipalError(UserError):
    """Raised where the policies of the caller can't be simulated; the message says why."""


@dataclass(frozen=True, kw_only=True)
class SimulatedRequest:
    """Actions on one resource, in one context."""

    actions: tuple[str, ...]
    resource: str
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Denial:
    """One action that is not allowed."""

    action: str
    resource: str
    decision: str
    """IAM's ``implicitDeny`` (nothing allows it) or ``explicitDeny``."""


def principal_of(iam: IAMClient, caller: str) -> str:
    """Return the ARN of the user or role whose policies count for a caller of AWS STS.

    The ARN of an assumed role lacks the role's path, so IAM is asked for it. Raises
    :class:`NoPrincipalError` for the root user and for federated users.
    """
    kind, _, rest = caller.split(":", 5)[5].partition("/")
    if kind == "user":
        return caller
    if kind == "assumed-role":
        return iam.get_role(RoleName=rest.split("/")[0])["Role"]["Arn"]
    raise NoPrincipalError(f"IAM can't simulate the policies of {caller}: use a role or a user")


def requests_of(statements: Iterable[dict[str, Any]]) -> Iterator[SimulatedRequest]:
    """Yield what a policy's statements are meant to allow, one request for each resource."""
    for statement in statements:
        context = tuple(
            (key, _example(value if isinstance(value, str) else value[0]))
            for keys in statement.get("Condition", {}).values()
            for key, value in keys.items()
        )
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            yield SimulatedRequest(
                actions=tuple(statement["Action"]), resource=_example(resource), context=context
            )


def _example(pattern: str) -> str:
    if pattern == "*":
        return pattern
    return pattern.replace(".amazonaws.*", ".amazonaws.com").replace("*", EXAMPLE)


def denials(
    iam: IAMClient, principal: str, requests: Iterable[SimulatedRequest]
) -> Iterator[Denial]:
    """Yield every action that IAM would not allow this principal."""
    pages = iam.get_paginator("simulate_principal_policy")
    for request in requests:
        entries: list[ContextEntryTypeDef] = [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in request.context
        ]
        for page in pages.paginate(
            PolicySourceArn=principal,
            ActionNames=list(request.actions),
            ResourceArns=[request.resource],
            ContextEntries=entries,
        ):
            for one in page["EvaluationResults"]:
                if one["EvalDecision"] != "allowed":
                    yield Denial(
                        action=one["EvalActionName"],
                        resource=request.resource,
                        decision=one["EvalDecision"],
                    )
