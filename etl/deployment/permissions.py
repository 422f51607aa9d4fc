"""Makes the IAM policies of a deployment: one for who deploys, one for CloudFormation.

There are two so that the person (or CI) who deploys needs few permissions: CloudFormation assumes a
role of its own (``execution_role_arn`` of the settings), which the person may only pass on. A test
checks the person's policy against the calls of a whole deployment. CloudFormation's policy has the
permissions that its resource schemas list for each type (``handler_permissions.json``: schemas of
2026-10-20, as cfn-lint has them); it has not been tried in an account.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from etl.aws.partition import partition_of
from etl.deployment.pipeline_settings import platform_stack
from infrastructure.names import STACK_TAG
from infrastructure.role_settings import RoleSettings

__all__ = ["HANDLERS_FILE", "UNLIMITED", "Part", "cloudformation_policy", "deployer_policy"]

HANDLERS_FILE = Path(__file__).with_name("handler_permissions.json")
VERSION = "2012-10-17"
QUICKSIGHT = "quicksight"
Part = Literal["core", "platform", "quicksight"]
"""Parts of CloudFormation's policy. QuickSight has its own: few use it, and the others fill a
managed policy."""
Statement = dict[str, Any]
NO_RULES = RoleSettings()
"""No boundary, and the root as path."""
UNLIMITED = (
    "iam:ListRoles",
    "sns:GetSubscriptionAttributes",
    "sns:SetSubscriptionAttributes",
    "sns:Unsubscribe",
)
"""Actions that IAM knows no resource of: a statement that names one never allows them.
Service Authorization Reference, 2026-11."""
BOUND = (
    "iam:AttachRolePolicy",
    "iam:CreateRole",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
)
"""Actions that give a role permissions. IAM compares the boundary that the role has, or that the
request gives it, for each of them (Service Authorization Reference, 2026-11)."""
TAGGED = f"aws:ResourceTag/{STACK_TAG}"
BUCKET_CONTEXT = "kms:EncryptionContext:aws:s3:arn"
"""Condition key of the ARN that S3 encrypts for: the bucket's, as the data bucket has a Bucket Key.
(Else the object's: docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html, read 2026-11.)
"""


def deployer_policy(stack: str, account: str, region: str, role: str = "") -> dict[str, Any]:
    """Make the policy for `etl plan`, `deploy`, `destroy` and `outputs`.

    ``role``: ARN of the execution role; empty where there is none.
    """
    arns = _Arns(account, region)
    return {"Version": VERSION, "Statement": list(_deployer(stack, arns, role))}


def cloudformation_policy(
    part: Part, stack: str, account: str, region: str, roles: RoleSettings = NO_RULES
) -> dict[str, Any]:
    """Make the policy by which CloudFormation creates, updates and deletes a stack's resources.

    ``roles``: with a path, only roles under it may be changed and passed on; with a permissions
    boundary, a role gets permissions only while it has this boundary, which is never removed.
    """
    arns = _Arns(account, region)
    template = "core" if part == "core" else "platform"
    by_service: dict[str, list[str]] = json.loads(HANDLERS_FILE.read_text())[template]
    statements: list[Statement] = []
    for service, actions in by_service.items():
        if (service == QUICKSIGHT) is (part == QUICKSIGHT):
            limited = [action for action in actions if action not in UNLIMITED]
            if service == "iam":
                statements += _roles(limited, stack, arns, roles)
            else:
                where = _scope(service, stack, arns, limited)
                statements.append(_allow(service.title(), limited, where))
            if unlimited := [action for action in actions if action in UNLIMITED]:
                statements.append(_allow(f"{service.title()}Anywhere", unlimited, "*"))
    # Code, layers and large templates come from the artifact bucket.
    artifacts = f"{arns.artifact_buckets(stack)}/*"
    owned = {"aws:ResourceAccount": account}
    statements.append(_allow("Artifacts", ["s3:GetObject"], artifacts, StringEquals=owned))
    return {"Version": VERSION, "Statement": statements}


class _Arns:
    """Builds ARNs of one account and region, in the partition of the region."""

    def __init__(self, account: str, region: str) -> None:
        self.account, self.region = account, region
        self.partition = partition_of(region)

    def arn(self, service: str, resource: str, *, everywhere: bool = False) -> str:
        region = "" if everywhere else self.region
        return f"arn:{self.partition}:{service}:{region}:{self.account}:{resource}"

    def bucket(self, name: str) -> str:
        return f"arn:{self.partition}:s3:::{name}"

    def artifact_buckets(self, stack: str) -> str:
        # In a bucket's name a long stack name is cut to 25 characters.
        return self.bucket(f"{stack.lower()[:25]}*-artifacts-{self.account}-{self.region}")


def _allow(sid: str, actions: list[str], resource: Any, **condition: Any) -> Statement:
    statement: Statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def _deployer(stack: str, arns: _Arns, role: str) -> Iterator[Statement]:
    stacks = [
        arns.arn("cloudformation", f"stack/{name}/*") for name in (stack, platform_stack(stack))
    ]
    yield _allow(
        "Stacks",
        [
            f"cloudformation:{action}"
            for action in (
                "ContinueUpdateRollback",
                "CreateChangeSet",
                "DeleteChangeSet",
                "DeleteStack",
                "DescribeChangeSet",
                "DescribeStackEvents",
                "ExecuteChangeSet",
                "GetStackPolicy",
                "GetTemplate",
                "ListStackResources",
                "SetStackPolicy",
                "UpdateTerminationProtection",
            )
        ],
        stacks,
    )
    # On all stacks, to warn of pipelines that share a database or a topic. Optional.
    yield _allow("OtherPipelines", ["cloudformation:DescribeStacks"], "*")
    if role:
        passed = {"iam:PassedToService": "cloudformation.amazonaws.com"}
        yield _allow("ExecutionRole", ["iam:PassRole"], role, StringEquals=passed)
    yield from _buckets(stack, arns)
    yield _allow(
        "Migrate",
        ["lambda:GetFunctionConfiguration", "lambda:InvokeFunction"],
        arns.arn("lambda", f"function:{stack}-migrate"),
    )
    yield _allow("Queues", ["sqs:GetQueueAttributes"], arns.arn("sqs", f"{stack}-*"))
    yield _allow("Devices", ["iot:ListTargetsForPolicy"], arns.arn("iot", f"policy/{stack}-*"))
    yield _allow("DetachDevices", ["iot:DetachPolicy"], arns.arn("iot", "cert/*"))
    # EC2's Describe actions can't be limited to a resource.
    yield _allow(
        "DescribeNetwork", ["ec2:DescribePrefixLists", "ec2:DescribeSecurityGroupRules"], "*"
    )
    yield _allow(
        "CloseDefaultGroup",
        ["ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"],
        arns.arn("ec2", "security-group/*"),
    )


def _buckets(stack: str, arns: _Arns) -> Iterator[Statement]:
    artifacts = arns.artifact_buckets(stack)
    data = arns.bucket(f"{stack.lower()}-databucket-*")
    yield _allow(
        "ArtifactBucket",
        [
            "s3:CreateBucket",
            "s3:PutBucketPolicy",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutEncryptionConfiguration",
        ],
        artifacts,
    )
    yield _allow(
        "Buckets", ["s3:DeleteBucket", "s3:ListBucket", "s3:ListBucketVersions"], [artifacts, data]
    )
    yield _allow("Artifacts", ["s3:GetObject", "s3:PutObject"], f"{artifacts}/*")
    yield _allow("Contract", ["s3:GetObject", "s3:PutObject"], f"{data}/contract/*")
    yield _allow(
        "EmptyBuckets",
        ["s3:DeleteObject", "s3:DeleteObjectVersion"],
        [f"{artifacts}/*", f"{data}/*"],
    )
    keys = arns.arn("kms", "key/*")
    yield _allow(
        "ContractKey",
        ["kms:Decrypt", "kms:GenerateDataKey"],
        keys,
        StringLike={"kms:ViaService": f"s3.{arns.region}.amazonaws.*", BUCKET_CONTEXT: data},
    )
    yield _allow(
        "RetireKey",
        ["kms:DescribeKey", "kms:ScheduleKeyDeletion"],
        keys,
        StringEquals={TAGGED: stack},
    )


def _roles(
    actions: list[str], stack: str, arns: _Arns, settings: RoleSettings
) -> Iterator[Statement]:
    """Yield what may be done to the stack's own roles."""
    linked = arns.arn("iam", "role/aws-service-role/*", everywhere=True)
    boundary = settings.permissions_boundary_arn
    bound = [action for action in actions if boundary and action in BOUND]
    free = [action for action in actions if action not in bound]
    if boundary:
        free.remove("iam:DeleteRolePermissionsBoundary")
    own = arns.arn("iam", f"role{settings.path}{stack}-*", everywhere=True)
    yield _allow("Iam", free, [own, linked])
    if bound:
        only = {"iam:PermissionsBoundary": boundary}
        yield _allow("IamWithinTheBoundary", bound, own, ArnEquals=only)


def _scope(service: str, stack: str, arns: _Arns, actions: list[str]) -> Any:
    """Return the resources of one service that a stack may change; ``*`` for unnamed ones."""
    buckets = arns.bucket(f"{stack.lower()}-*")
    of_objects = "s3:GetObject" in actions
    scopes: dict[str, list[str]] = {
        # Services through which permissions could grow are limited to the stack's own resources.
        "s3": [buckets, f"{buckets}/*"] if of_objects else [buckets],
        "sqs": [arns.arn("sqs", f"{stack}-*")],
        "sns": [arns.arn("sns", f"{stack}-*")],
        "scheduler": [arns.arn("scheduler", f"schedule/*/{stack}-*")],
        "states": [arns.arn("states", f"stateMachine:{stack}")],
    }
    return scopes.get(service, "*")
