"""Deletes a pipeline's stacks. Data is deleted only on request; without it, any data stops it.

CloudFormation deletes neither a bucket with objects nor a policy that certificates use, and a
deployment with ``retain_data`` keeps the data bucket and its key. All of these are deleted here,
on request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.aws.cloudformation import (
    StackRequest,
    apply_stack,
    delete_stack,
    outputs,
    parameters,
    stack_status,
)
from etl.aws.s3 import owned_s3
from etl.aws.target import Target
from etl.deployment.artifact_bucket import artifact_bucket_name
from etl.deployment.held_data import (
    DEVICE_POLICIES,
    attached_certificates,
    held_data,
    held_objects,
    ignore_missing,
    loss_warning,
    retains_bucket,
)
from etl.deployment.listener import Listener
from etl.deployment.protection import lift_protection
from etl.deployment.steps import Step
from infrastructure.platform.settings import PlatformSettings
from infrastructure.platform.stack_links import given_core
from telemetry.errors import UserError

if TYPE_CHECKING:
    from types_boto3_iot import IoTClient
    from types_boto3_kms import KMSClient
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef

__all__ = ["HoldsDataError", "TeardownExecutor", "delete_core", "unlinked_parameters"]

KEY_DELETION_DAYS = 7


class HoldsDataError(UserError):
    """Raised where deleting would lose data; the message lists it, and how to go on."""


@dataclass
class TeardownExecutor:
    """Executes :func:`etl.deployment.steps.teardown_steps`."""

    target: Target
    with_data: bool = False
    listener: Listener = field(default_factory=Listener)

    def run(self, steps: Sequence[Step]) -> None:
        """Execute the steps in order. Raises ``StackError`` or :class:`HoldsDataError`."""
        for step in steps:
            self.listener.step(step)
            self.execute(step)

    def execute(self, step: Step) -> None:
        """Execute one step. Raises ``StackError`` or :class:`HoldsDataError`."""
        actions: dict[str, Callable[[Step], None]] = {
            "lift protection": self._lift_protection,
            "unlink": self._unlink,
            "delete core": self._delete_core,
            "delete platform": self._delete_platform,
        }
        actions[step.kind](step)

    def _lift_protection(self, step: Step) -> None:
        formation = self.target.client("cloudformation")
        lift_protection(formation, step.stack, self.listener.notify)

    def _unlink(self, step: Step) -> None:
        """Update the platform as it is deployed, without what refers to the core."""
        formation, stack = self.target.client("cloudformation"), step.stack
        self.listener.notify(f"stack {stack}: removing what refers to the core")
        unlinked = unlinked_parameters()
        values = {
            name: unlinked.get(name, value) for name, value in parameters(formation, stack).items()
        }
        described = formation.describe_stacks(StackName=stack)["Stacks"][0]
        request = StackRequest(
            stack=stack,
            template={"UsePreviousTemplate": True},
            parameters=values,
            tags={tag["Key"]: tag["Value"] for tag in described.get("Tags", [])},
            resources=0,
        )
        apply_stack(formation, request, self.listener.notify, self.listener.event)

    def _delete_core(self, _step: Step) -> None:
        delete_core(self.target, self.listener, with_data=self.with_data)

    def _delete_platform(self, step: Step) -> None:
        self.listener.notify(f"deleting stack {step.stack}")
        formation = self.target.client("cloudformation")
        delete_stack(formation, step.stack, self.listener.notify, self.listener.event)


def unlinked_parameters() -> dict[str, str]:
    """Return the platform's parameters that describe the core, as they are before it exists."""
    alone = PlatformSettings(stack="platform")
    linked = given_core(alone, "core", defaultdict(lambda: "of:the:core")).parameters()
    return {name: value for name, value in alone.parameters().items() if linked[name] != value}


def delete_core(target: Target, listener: Listener | None = None, *, with_data: bool) -> bool:
    """Delete the core stack; ``False`` where there is none.

    ``with_data`` also deletes queued messages, the data bucket, its key (after seven days' grace)
    and the artifacts, and detaches the devices' certificates. Without it, raises
    :class:`HoldsDataError` where messages or objects would be lost or certificates left without a
    policy; the data bucket is kept where the deployment's ``retain_data`` says so. PostgreSQL is
    never changed. Termination protection has to be lifted before
    (:func:`etl.deployment.protection.lift_protection`).
    """
    listener = listener or Listener()
    formation, s3 = target.client("cloudformation"), owned_s3(target)
    if stack_status(formation, target.stack) is None:
        return False
    names = outputs(formation, target.stack)
    deletes_bucket = "DataBucketName" in names and not retains_bucket(formation, target.stack)
    if not with_data:
        _refuse_loss(target, names, deletes_bucket=deletes_bucket)
    elif names:
        listener.notify("detaching devices and deleting data")
        for output in DEVICE_POLICIES:
            if output in names:
                _detach_devices(target.client("iot"), names[output])
    if names and (with_data or deletes_bucket):
        # CloudFormation deletes no bucket with an object in it, not even a copy of the contract.
        _empty_bucket(s3, names["DataBucketName"])
    listener.notify(f"deleting stack {target.stack}")
    delete_stack(formation, target.stack, listener.notify, listener.event)
    if with_data:
        account = target.client("sts").get_caller_identity()["Account"]
        artifacts = artifact_bucket_name(target.stack, account, target.session.region_name)
        for bucket in (names.get("DataBucketName"), artifacts):
            _delete_bucket(s3, bucket)
        _schedule_key_deletion(target.client("kms"), names.get("KeyArn"))
    return True


def _refuse_loss(target: Target, names: dict[str, str], *, deletes_bucket: bool) -> None:
    """Raise where data would be lost: it may have arrived since the plan was shown."""
    held = [*held_data(names, target.client("sqs"), target.client("iot"))]
    if deletes_bucket:
        held += held_objects(owned_s3(target), names["DataBucketName"])
    if held:
        raise HoldsDataError(loss_warning(target.stack, held))


def _detach_devices(iot: IoTClient, policy: str) -> None:
    for certificate in attached_certificates(iot, policy):
        iot.detach_policy(policyName=policy, target=certificate)


def _empty_bucket(s3: S3Client, bucket: str) -> None:
    """Delete every version of every object, where the bucket still exists."""
    with ignore_missing():
        _delete_versions(s3, bucket)


def _delete_versions(s3: S3Client, bucket: str) -> None:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        objects: list[ObjectIdentifierTypeDef] = [
            {"Key": item["Key"], "VersionId": item["VersionId"]}
            for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        ]
        if objects:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})


def _delete_bucket(s3: S3Client, bucket: str | None) -> None:
    """Empty and delete a bucket, where it still exists."""
    from botocore.exceptions import ClientError

    if bucket is None:
        return
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return
        raise
    _empty_bucket(s3, bucket)
    s3.delete_bucket(Bucket=bucket)


def _schedule_key_deletion(kms: KMSClient, key: str | None) -> None:
    """Schedule the key's deletion, where the stack has kept it."""
    if key is None:
        return
    try:
        state = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    except kms.exceptions.NotFoundException:
        return
    if state == "Enabled":
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=KEY_DELETION_DAYS)
