"""Finds what deleting a pipeline would lose: messages, objects, the devices' certificates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.aws.cloudformation import deployed_template
from etl.aws.s3 import listed
from etl.aws.sqs import queue_depth

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_iot import IoTClient
    from types_boto3_iot.type_defs import ListTargetsForPolicyRequestTypeDef
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

__all__ = [
    "DEVICE_POLICIES",
    "attached_certificates",
    "held_data",
    "held_objects",
    "ignore_missing",
    "loss_warning",
    "retains_bucket",
]

CONTRACT_PREFIX = "contract/"
"""Objects below it were put there by the deployment itself."""
MISSING_CODES = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
        "NoSuchBucket",
    }
)
"""Error codes by which services report that something does not exist."""
DEVICE_POLICIES = {
    "DevicePolicyName": "device certificate",
    "ClaimPolicyName": "claim certificate",
}
"""Outputs with the names of policies that certificates may be attached to, which AWS IoT does not
delete before these are detached."""
QUEUES = {
    "QueueUrl": ("message", "in the queue"),
    "DeadLetterQueueUrl": ("message", "in the dead-letter queue"),
    "RuleErrorQueueUrl": ("message", "that the topic rule could not deliver"),
}


def loss_warning(stack: str, held: list[str]) -> str:
    """Explain what keeps a stack from being deleted, and how to go on."""
    return (
        f"Stack {stack} still holds {'; '.join(held)}. Wait until the messages are loaded (`etl "
        "status`) and detach the devices, or delete all of it: `etl destroy --with-data`."
    )


def held_data(outputs: dict[str, str], sqs: SQSClient, iot: IoTClient) -> Iterator[str]:
    """Describe the messages and certificates that deleting a stack with these outputs loses."""
    for key, (noun, place) in QUEUES.items():
        count = _messages(sqs, outputs[key]) if key in outputs else 0
        if count:
            yield f"{_counted(count, noun)} {place}"
    for output, noun in DEVICE_POLICIES.items():
        certificates = len(attached_certificates(iot, outputs[output])) if output in outputs else 0
        if certificates:
            yield _counted(certificates, noun)


def held_objects(s3: S3Client, bucket: str) -> Iterator[str]:
    """Describe the objects in the bucket other than those that a deployment puts there."""
    keys = (item["Key"] for item in listed(s3, bucket, ""))
    others = False
    with ignore_missing():
        others = any(not key.startswith(CONTRACT_PREFIX) for key in keys)
    if others:
        yield f"objects in bucket {bucket}"


def retains_bucket(formation: CloudFormationClient, stack: str) -> bool:
    """Return true where the deployed template keeps the data bucket when the stack is deleted."""
    template = deployed_template(formation, stack)
    return bool(template["Resources"].get("DataBucket", {}).get("DeletionPolicy") == "Retain")


def attached_certificates(iot: IoTClient, policy: str) -> list[str]:
    """Return the ARNs of the certificates that use the policy."""
    targets: list[str] = []
    request: ListTargetsForPolicyRequestTypeDef = {"policyName": policy}
    with ignore_missing():
        while True:
            page = iot.list_targets_for_policy(**request)
            targets += page["targets"]
            if not page.get("nextMarker"):
                break
            request["marker"] = page["nextMarker"]
    return targets


@contextmanager
def ignore_missing() -> Iterator[None]:
    """Ignore what an earlier, interrupted teardown has deleted already."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in MISSING_CODES:
            raise


def _messages(sqs: SQSClient, url: str) -> int:
    """Return the messages in a queue; 0 where an earlier attempt deleted it."""
    with ignore_missing():
        return queue_depth(sqs, url).total
    return 0


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
