"""Takes a pipeline down. Data goes only when told: without that, anything that holds some stops it.

CloudFormation deletes neither a bucket with objects, nor a policy that certificates use, and a
deployment with ``retain_data`` tells it to leave the data bucket and its key. All of that is done
here, when asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from etl.aws.cloudformation import delete_stack, deployed_template, outputs, stack_status
from etl.aws.s3 import listed
from etl.aws.sqs import queue_depth
from etl.aws.stack_events import StackEvent
from etl.deployment.stack_build import artifact_bucket_name
from telemetry.errors import UserError

__all__ = ["HoldsDataError", "destroy", "objects_held", "retains_bucket", "what_is_held"]

Told = Callable[[str], None]
KEY_DELETION_DAYS = 7
OF_THE_DEPLOYMENT = "contract/"
GONE = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
        "NoSuchBucket",
    }
)
"""Codes by which services say that something isn't there."""
QUEUES = {
    "QueueUrl": "messages in the queue",
    "DeadLetterQueueUrl": "messages in the dead-letter queue",
    "RuleErrorQueueUrl": "messages that the topic rule could not deliver",
}


class HoldsDataError(UserError):
    """Raised where deleting would lose something; the message lists what, and how to go on."""


def _silent(_: str) -> None:
    """Tell nobody."""


def destroy(
    session: Any,
    stack: str,
    told: Told = _silent,
    *,
    with_data: bool = False,
    endpoint_url: str | None = None,
    watch: Callable[[StackEvent], None] | None = None,
) -> bool:
    """Delete a pipeline's stack; ``False`` where there is none.

    ``with_data`` also deletes queued messages, the data bucket, its key (after seven days' grace),
    the artifacts, and detaches the devices' certificates. Without it, raises
    :class:`HoldsDataError` where messages or objects would be lost or certificates left without a
    policy; the data bucket is left where the deployment's ``retain_data`` says so. PostgreSQL is
    never touched.
    """

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=endpoint_url)

    formation = client("cloudformation")
    if stack_status(formation, stack) is None:
        return False
    found = outputs(formation, stack)
    s3 = client("s3")
    bucket_goes = "DataBucketName" in found and not retains_bucket(formation, stack)
    if not with_data:
        held = [*what_is_held(found, client("sqs"), client("iot"))]
        held += objects_held(s3, found["DataBucketName"]) if bucket_goes else ()
        if held:
            raise HoldsDataError(
                f"Stack {stack} still holds {'; '.join(held)}. Let messages be loaded and detach "
                "the devices; or delete all of it: `etl destroy --with-data`."
            )
    elif found:
        told("detaching devices and deleting data")
        _detach_devices(client("iot"), found["DevicePolicyName"])
    if found and (with_data or bucket_goes):
        # CloudFormation deletes no bucket that holds anything, be it a copy of the contract.
        _empty_bucket(s3, found["DataBucketName"])
    told(f"deleting stack {stack}")
    delete_stack(formation, stack, told, watch)
    if with_data:
        account = client("sts").get_caller_identity()["Account"]
        artifacts = artifact_bucket_name(stack, account, session.region_name)
        for bucket in (found.get("DataBucketName"), artifacts):
            _delete_bucket(s3, bucket)
        _retire_key(client("kms"), found.get("KeyArn"))
    return True


def what_is_held(found: dict[str, str], sqs: Any, iot: Any) -> Iterator[str]:
    """What deleting the stack with these outputs would lose, in words."""
    for key, name in QUEUES.items():
        count = _messages(sqs, found[key]) if key in found else 0
        if count:
            yield f"{count} {name}"
    if "DevicePolicyName" in found:
        certificates = len(_certificates(iot, found["DevicePolicyName"]))
        if certificates:
            yield f"{certificates} certificates of devices"


def _messages(sqs: Any, url: str) -> int:
    """Messages in a queue, seen or not; none where an earlier attempt deleted it."""
    with _what_is_gone():
        return queue_depth(sqs, url).total
    return 0


@contextmanager
def _what_is_gone() -> Iterator[None]:
    """Pass over what a destruction that was broken off has deleted already."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in GONE:
            raise


def objects_held(s3: Any, bucket: str) -> Iterator[str]:
    """In words, that the bucket holds more than what a deployment itself put there."""
    keys = (item["Key"] for item in listed(s3, bucket, ""))
    others = False
    with _what_is_gone():
        others = any(not key.startswith(OF_THE_DEPLOYMENT) for key in keys)
    if others:
        yield f"objects in bucket {bucket}"


def retains_bucket(formation: Any, stack: str) -> bool:
    """Whether the data bucket outlives the stack, by the template that is deployed."""
    template = deployed_template(formation, stack)
    return bool(template["Resources"].get("DataBucket", {}).get("DeletionPolicy") == "Retain")


def _certificates(iot: Any, policy: str) -> list[str]:
    targets: list[str] = []
    request: dict[str, Any] = {"policyName": policy}
    with _what_is_gone():
        while True:
            page = iot.list_targets_for_policy(**request)
            targets += page["targets"]
            if not page.get("nextMarker"):
                break
            request["marker"] = page["nextMarker"]
    return targets


def _detach_devices(iot: Any, policy: str) -> None:
    for certificate in _certificates(iot, policy):
        iot.detach_policy(policyName=policy, target=certificate)


def _empty_bucket(s3: Any, bucket: str) -> None:
    """Delete every version of every object, where the bucket still is."""
    with _what_is_gone():
        _delete_versions(s3, bucket)


def _delete_versions(s3: Any, bucket: str) -> None:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        objects = [
            {"Key": item["Key"], "VersionId": item["VersionId"]}
            for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        ]
        if objects:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})


def _delete_bucket(s3: Any, bucket: str | None) -> None:
    """Empty and delete a bucket, where it still is."""
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


def _retire_key(kms: Any, key: str | None) -> None:
    """Let the key go, where the stack left it."""
    if key is None:
        return
    try:
        state = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    except kms.exceptions.NotFoundException:
        return
    if state == "Enabled":
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=KEY_DELETION_DAYS)
