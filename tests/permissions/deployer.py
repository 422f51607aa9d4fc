"""A deployer's call of AWS as what IAM is asked: the action itself, and the uses of the key.

The rest of this package judges the functions' roles; this judges the policy that
``etl settings policy deployer`` prints, by every call that the commands made. What an operation asks
for is on its page of the API reference and in the Service Authorization Reference (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from etl.aws.partition import partition_of
from etl.aws.target import Target
from etl.deployment.permissions import deployer_policy
from tests.permissions.policies import Named, Policies, Request

__all__ = ["DEPLOYER", "DeployerCall", "World", "denied", "deployers_policies", "world_of"]

DEPLOYER = "the deployer"
FREE = {("sts", "GetCallerIdentity")}
"""Needs no permission."""
FORMATION = {
    "ContinueUpdateRollback", "CreateChangeSet", "DeleteChangeSet", "DeleteStack",
    "DescribeChangeSet", "DescribeStackEvents", "ExecuteChangeSet", "GetStackPolicy", "GetTemplate",
    "ListStackResources", "SetStackPolicy", "UpdateTerminationProtection",
}  # fmt: skip
"""Operations on one stack, which CloudFormation's actions are named after."""


@dataclass(frozen=True)
class DeployerCall:
    """One recorded call."""

    service: str
    operation: str
    given: dict[str, Any] = field(hash=False)


@dataclass(frozen=True)
class World:
    """What the ARNs and conditions of a call are made of, and the account doesn't say itself."""

    stack: str
    account: str
    region: str
    key: str
    """ARN of the stack's key."""
    key_tags: dict[str, str]
    """Those that the key really has: CloudFormation adds none of its own to a key."""

    def arn(self, service: str, rest: str) -> str:
        """An ARN of this account and region."""
        return f"arn:{partition_of(self.region)}:{service}:{self.region}:{self.account}:{rest}"

    def bucket(self, call: DeployerCall) -> str:
        """ARN of a call's bucket."""
        return f"arn:{partition_of(self.region)}:s3:::{call.given['Bucket']}"


def world_of(target: Target) -> World:
    """The account as policies see it: the names of its stack, and the tags of its key."""
    key = target.outputs["KeyArn"]
    tags = target.client("kms").list_resource_tags(KeyId=key)["Tags"]
    return World(
        stack=target.stack,
        account=target.client("sts").get_caller_identity()["Account"],
        region=target.session.region_name,
        key=key,
        # AWS's CloudFormation adds none of its own tags to a key, whatever the emulator does.
        key_tags={t["TagKey"]: t["TagValue"] for t in tags if not t["TagKey"].startswith("aws:")},
    )


Asked = Iterator[tuple[str, str, tuple[tuple[str, str], ...]]]


def deployers_policies(world: World) -> Policies:
    """The printed policy, and the consent of the key's own policy to what the account allows."""
    printed = deployer_policy(world.stack, world.account, world.region)["Statement"]
    root = f"arn:aws:iam::{world.account}:root"
    consent = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": {"AWS": root}}
    return Policies(
        [
            *(Named(one["Sid"], one, holder=DEPLOYER) for one in printed),
            Named("the key", consent, guards=(world.key,)),
        ],
        world.account,
    )


def denied(policies: Policies, calls: list[DeployerCall], world: World) -> list[str]:
    """The requests that the policy doesn't allow."""
    asked = dict.fromkeys(request for call in calls for request in requests_of(call, world))
    return [str(request) for request in asked if not policies.allow(request)]


def requests_of(call: DeployerCall, world: World) -> Iterator[Request]:
    """What the call asks of IAM. Raises ``KeyError`` for an operation that nobody has looked up."""
    if (call.service, call.operation) in FREE:
        return
    why = f"recorded: {call.service} {call.operation}"
    if call.service == "cloudformation" and call.operation in FORMATION:
        where = world.arn("cloudformation", f"stack/{_stack_name(call)}/6a1b")
        yield Request(DEPLOYER, f"cloudformation:{call.operation}", where, (), why)
        return
    for action, resource, context in ASKED[call.service, call.operation](call, world):
        yield Request(DEPLOYER, action, resource, context, why)


def _stack_name(call: DeployerCall) -> str:
    """Name of the stack, which a call may give by its ARN."""
    given: str = call.given["StackName"]
    return given.split("/")[1] if given.startswith("arn:") else given


def _with_key(action: str, use: str) -> Callable[[DeployerCall, World], Asked]:
    def asked(call: DeployerCall, world: World) -> Asked:
        yield action, f"{world.bucket(call)}/{call.given['Key']}", ()
        if "-databucket-" in call.given["Bucket"]:
            # The bucket has an S3 Bucket Key, so the context is its ARN and not the object's.
            context = (
                ("kms:ViaService", f"s3.{world.region}.amazonaws.com"),
                ("kms:EncryptionContext:aws:s3:arn", world.bucket(call)),
            )
            yield use, world.key, context

    return asked


def _on_bucket(*actions: str) -> Callable[[DeployerCall, World], Asked]:
    def asked(call: DeployerCall, world: World) -> Asked:
        for action in actions:
            yield action, world.bucket(call), ()

    return asked


def _delete_objects(call: DeployerCall, world: World) -> Asked:
    for each in call.given["Delete"]["Objects"]:
        kind = "s3:DeleteObjectVersion" if "VersionId" in each else "s3:DeleteObject"
        yield kind, f"{world.bucket(call)}/{each['Key']}", ()


def _key(action: str) -> Callable[[DeployerCall, World], Asked]:
    def asked(call: DeployerCall, world: World) -> Asked:
        tags = tuple((f"aws:ResourceTag/{name}", value) for name, value in world.key_tags.items())
        yield action, call.given["KeyId"], tags

    return asked


def _everywhere(action: str) -> Callable[[DeployerCall, World], Asked]:
    def asked(_: DeployerCall, __: World) -> Asked:
        yield action, "*", ()

    return asked


def _object(*actions: str) -> Callable[[DeployerCall, World], Asked]:
    def asked(call: DeployerCall, world: World) -> Asked:
        for action in actions:
            yield action, f"{world.bucket(call)}/{call.given['Key']}", ()

    return asked


def _queue(call: DeployerCall, world: World) -> Asked:
    name = call.given["QueueUrl"].rpartition("/")[2]
    yield "sqs:GetQueueAttributes", world.arn("sqs", name), ()


def _function(action: str) -> Callable[[DeployerCall, World], Asked]:
    def asked(call: DeployerCall, world: World) -> Asked:
        yield action, world.arn("lambda", f"function:{call.given['FunctionName']}"), ()

    return asked


def _device_policy(call: DeployerCall, world: World) -> Asked:
    policy = world.arn("iot", f"policy/{call.given['policyName']}")
    yield "iot:ListTargetsForPolicy", policy, ()


def _certificate(call: DeployerCall, _: World) -> Asked:
    yield "iot:DetachPolicy", call.given["target"], ()


ASKED: dict[tuple[str, str], Callable[[DeployerCall, World], Asked]] = {
    ("cloudformation", "DescribeStacks"): _everywhere("cloudformation:DescribeStacks"),
    ("s3", "HeadBucket"): _on_bucket("s3:ListBucket"),
    ("s3", "ListObjectsV2"): _on_bucket("s3:ListBucket"),
    ("s3", "ListObjectVersions"): _on_bucket("s3:ListBucketVersions"),
    ("s3", "CreateBucket"): _on_bucket("s3:CreateBucket"),
    ("s3", "DeleteBucket"): _on_bucket("s3:DeleteBucket"),
    ("s3", "PutBucketPolicy"): _on_bucket("s3:PutBucketPolicy"),
    ("s3", "PutBucketEncryption"): _on_bucket("s3:PutEncryptionConfiguration"),
    ("s3", "PutPublicAccessBlock"): _on_bucket("s3:PutBucketPublicAccessBlock"),
    ("s3", "HeadObject"): _object("s3:GetObject"),
    ("s3", "GetObject"): _with_key("s3:GetObject", "kms:Decrypt"),
    ("s3", "PutObject"): _with_key("s3:PutObject", "kms:GenerateDataKey"),
    ("s3", "DeleteObject"): _object("s3:DeleteObject"),
    ("s3", "DeleteObjects"): _delete_objects,
    ("sqs", "GetQueueAttributes"): _queue,
    ("lambda", "Invoke"): _function("lambda:InvokeFunction"),
    ("lambda", "GetFunctionConfiguration"): _function("lambda:GetFunctionConfiguration"),
    ("iot", "ListTargetsForPolicy"): _device_policy,
    ("iot", "DetachPolicy"): _certificate,
    ("kms", "DescribeKey"): _key("kms:DescribeKey"),
    ("kms", "ScheduleKeyDeletion"): _key("kms:ScheduleKeyDeletion"),
}
