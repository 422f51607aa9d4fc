"""Who may do what in a deployment: the person (or CI) that deploys, and CloudFormation itself.

Two policies, so that the person needs little: CloudFormation acts by a role of its own
(``execution_role_arn`` of the settings), which the person may only pass on. The person's is checked
against the calls of a whole deployment. CloudFormation's follows from what its resource schemas say
that each type's handlers call (``handler_permissions.json``: schemas of 2026-10-20, as cfn-lint
brings them); it has not been tried in an account.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from etl.deployment.pipeline_settings import platform_stack

__all__ = ["HANDLERS_FILE", "Part", "cloudformation_policy", "deployer_policy"]

HANDLERS_FILE = Path(__file__).with_name("handler_permissions.json")
VERSION = "2012-10-17"
QUICKSIGHT = "quicksight"
Part = Literal["core", "platform", "quicksight"]
"""Of CloudFormation's permissions. QuickSight's are apart: few want it, and one managed policy
holds no more."""
Statement = dict[str, Any]
STACK_TAG = "aws:ResourceTag/aws:cloudformation:stack-name"


def deployer_policy(stack: str, account: str, region: str, role: str = "") -> dict[str, Any]:
    """What `etl plan`, `deploy`, `destroy` and `outputs` call. ``role``: the execution role."""
    place = _Place(account, region)
    return {"Version": VERSION, "Statement": list(_deployer(stack, place, role))}


def cloudformation_policy(part: Part, stack: str, account: str, region: str) -> dict[str, Any]:
    """What CloudFormation needs to make, change and delete a stack's resources."""
    place = _Place(account, region)
    template = "core" if part == "core" else "platform"
    by_service: dict[str, list[str]] = json.loads(HANDLERS_FILE.read_text())[template]
    statements = [
        _allow(service.title(), actions, _scope(service, stack, place))
        for service, actions in by_service.items()
        if (service == QUICKSIGHT) is (part == QUICKSIGHT)
    ]
    # Code, layers and large templates come from the artifact bucket.
    artifacts = f"arn:aws:s3:::{stack.lower()[:25]}*-artifacts-{account}-{region}/*"
    statements.append(_allow("Artifacts", ["s3:GetObject"], artifacts))
    return {"Version": VERSION, "Statement": statements}


class _Place:
    """Makes ARNs of one account and region."""

    def __init__(self, account: str, region: str) -> None:
        self.account, self.region = account, region

    def arn(self, service: str, resource: str, *, everywhere: bool = False) -> str:
        region = "" if everywhere else self.region
        return f"arn:aws:{service}:{region}:{self.account}:{resource}"


def _allow(sid: str, actions: list[str], resource: Any, **condition: Any) -> Statement:
    found: Statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    return found | ({"Condition": condition} if condition else {})


def _deployer(stack: str, place: _Place, role: str) -> Iterator[Statement]:
    stacks = [
        place.arn("cloudformation", f"stack/{name}/*") for name in (stack, platform_stack(stack))
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
                "GetTemplate",
                "ListStackResources",
            )
        ],
        stacks,
    )
    # Of all stacks: to tell of pipelines that share a database or a topic. Optional.
    yield _allow("Neighbours", ["cloudformation:DescribeStacks"], "*")
    if role:
        passed = {"iam:PassedToService": "cloudformation.amazonaws.com"}
        yield _allow("ExecutionRole", ["iam:PassRole"], role, StringEquals=passed)
    yield from _buckets(stack, place)
    yield _allow(
        "Migrate", ["lambda:InvokeFunction"], place.arn("lambda", f"function:{stack}-migrate")
    )
    yield _allow("Queues", ["sqs:GetQueueAttributes"], place.arn("sqs", f"{stack}-*"))
    yield _allow("Devices", ["iot:ListTargetsForPolicy"], place.arn("iot", f"policy/{stack}-*"))
    yield _allow("DetachDevices", ["iot:DetachPolicy"], place.arn("iot", "cert/*"))
    # EC2 has no resource to narrow its descriptions to.
    yield _allow(
        "PlatformLooks", ["ec2:DescribePrefixLists", "ec2:DescribeSecurityGroupRules"], "*"
    )
    yield _allow(
        "CloseDefaultGroup",
        ["ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"],
        [place.arn("ec2", "security-group/*"), place.arn("ec2", "security-group-rule/*")],
    )


def _buckets(stack: str, place: _Place) -> Iterator[Statement]:
    # The name of a long stack is cut to 25 characters there.
    artifacts = f"arn:aws:s3:::{stack.lower()[:25]}*-artifacts-{place.account}-{place.region}"
    data = f"arn:aws:s3:::{stack.lower()}-databucket-*"
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
    keys = place.arn("kms", "key/*")
    by_s3 = {"kms:ViaService": f"s3.{place.region}.amazonaws.com", STACK_TAG: stack}
    yield _allow("ReadContract", ["kms:Decrypt", "kms:GenerateDataKey"], keys, StringEquals=by_s3)
    yield _allow(
        "RetireKey",
        ["kms:DescribeKey", "kms:ScheduleKeyDeletion"],
        keys,
        StringEquals={STACK_TAG: stack},
    )


def _scope(service: str, stack: str, place: _Place) -> Any:
    """Resources of one service that a stack may touch; everything where they have no names."""
    scopes: dict[str, list[str]] = {
        # What could make itself stronger is narrowed to the stack's own.
        "iam": [
            place.arn("iam", f"role/{stack}-*", everywhere=True),
            place.arn("iam", "role/aws-service-role/*", everywhere=True),
        ],
        "s3": [f"arn:aws:s3:::{stack.lower()}-*", f"arn:aws:s3:::{stack.lower()}-*/*"],
        "sqs": [place.arn("sqs", f"{stack}-*")],
        "sns": [place.arn("sns", f"{stack}-*")],
        "scheduler": [place.arn("scheduler", f"schedule/*/{stack}-*")],
        "states": [place.arn("states", f"stateMachine:{stack}")],
    }
    return scopes.get(service, "*")
