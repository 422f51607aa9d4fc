"""Protects deployed stacks: against deletion, and what holds data against replacement.

Termination protection makes CloudFormation refuse to delete a stack. A stack policy makes it refuse
an update that would replace or delete a resource of :data:`PROTECTED_TYPES`; it can't be removed
from a stack, only replaced by one that allows everything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.aws.cloudformation import termination_protected
from etl.deployment.stack_diff import StackReview
from infrastructure.settings import DeploySettings
from layers.notify import Notify, silent

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient

__all__ = [
    "PROTECTED_TYPES",
    "Protection",
    "apply_protection",
    "lift_protection",
    "prepare_update",
    "protection_remarks",
    "refused_changes",
    "stack_policy",
]

PROTECTED_TYPES = (
    "AWS::KMS::Key",
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
)
"""Types of the resources that hold data, and of those without which it can't be read."""
_EVERYTHING: dict[str, Any] = {
    "Effect": "Allow",
    "Action": "Update:*",
    "Principal": "*",
    "Resource": "*",
}


@dataclass(frozen=True, kw_only=True)
class Protection:
    """Protection of a deployment's stacks."""

    termination: bool
    """True where CloudFormation is to refuse to delete them."""
    policy: bool
    """True where an update may neither replace nor delete what holds data."""

    @classmethod
    def of(cls, settings: DeploySettings) -> Protection:
        """Return the protection that a deployment's settings ask for."""
        return cls(termination=settings.termination_protection, policy=settings.stack_policy)


def stack_policy(*, protects: bool) -> str:
    """Return the stack policy as JSON.

    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html,
    read 2026-11: a policy denies everything that it doesn't allow, and a Deny wins.)
    """
    statements = [_EVERYTHING]
    if protects:
        statements.append(
            {
                "Effect": "Deny",
                "Action": ["Update:Replace", "Update:Delete"],
                "Principal": "*",
                "Resource": "*",
                "Condition": {"StringEquals": {"ResourceType": [*PROTECTED_TYPES]}},
            }
        )
    return json.dumps({"Statement": statements})


def refused_changes(reviews: Iterable[StackReview]) -> list[str]:
    """Return a few words about each change that a protecting stack policy refuses."""
    return [
        f"{one.id} is {'deleted' if one.action == 'remove' else 'replaced'}"
        for review in reviews
        for one in review.resources
        if one.type in PROTECTED_TYPES
        and (one.action == "remove" or (one.action == "modify" and one.replacement == "always"))
    ]


def protection_remarks(
    formation: CloudFormationClient, stacks: Iterable[str], protection: Protection
) -> Iterator[str]:
    """Yield a sentence for each existing stack whose termination protection would change."""
    for stack in stacks:
        if termination_protected(formation, stack) != protection.termination:
            word = "becomes" if protection.termination else "is no longer"
            yield f"stack {stack} {word} protected against deletion."


def prepare_update(formation: CloudFormationClient, stack: str, protection: Protection) -> None:
    """Set the stack policy of an existing stack, which has to be in force before an update."""
    present = formation.get_stack_policy(StackName=stack).get("StackPolicyBody")
    wanted = stack_policy(protects=protection.policy)
    if present is None and not protection.policy:
        return  # without a policy everything is allowed
    if present is None or json.loads(present) != json.loads(wanted):
        formation.set_stack_policy(StackName=stack, StackPolicyBody=wanted)


def apply_protection(
    formation: CloudFormationClient, stack: str, protection: Protection, notify: Notify = silent
) -> None:
    """Protect a stack that was created or updated; changes nothing where it is protected so."""
    prepare_update(formation, stack, protection)
    if termination_protected(formation, stack) != protection.termination:
        formation.update_termination_protection(
            StackName=stack, EnableTerminationProtection=protection.termination
        )
        word = "protected against" if protection.termination else "no longer protected against"
        notify(f"stack {stack}: {word} deletion")


def lift_protection(formation: CloudFormationClient, stack: str, notify: Notify = silent) -> None:
    """Allow that a stack is deleted, and everything in it replaced or deleted."""
    apply_protection(formation, stack, Protection(termination=False, policy=False), notify)
