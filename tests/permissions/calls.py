"""A function's call of AWS as what IAM is asked: the action itself, and the uses of the key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.permissions.deployed import Stack
from tests.permissions.policies import Request

__all__ = ["Call", "read_calls", "requests_of"]


@dataclass(frozen=True)
class Call:
    """One recorded call."""

    function: str
    service: str
    operation: str
    given: dict[str, Any]
    error: str | None
    """AWS's code where it was refused or failed."""


def read_calls(file: Path) -> list[Call]:
    """All recorded calls, in order."""
    return [Call(**json.loads(line)) for line in file.read_text().splitlines()]


def requests_of(call: Call, stack: Stack) -> Iterator[Request]:
    """What the call asks of IAM. Raises ``KeyError`` for an operation that nobody has looked up."""
    role = stack.function_role(call.function)
    why = f"recorded: {call.service} {call.operation}"
    for action, resource, context in _ASKED[call.service, call.operation](call, stack):
        yield Request(role, action, resource, context, why)


Asked = Iterator[tuple[str, str, tuple[tuple[str, str], ...]]]


def _get_object(call: Call, stack: Stack) -> Asked:
    bucket = f"arn:aws:s3:::{call.given['Bucket']}"
    yield "s3:GetObject", f"{bucket}/{call.given['Key']}", ()
    if call.error == "NoSuchKey":
        # Without the right to list, S3 would have said AccessDenied instead: see GetObject's page.
        yield "s3:ListBucket", bucket, ()
    else:
        yield "kms:Decrypt", stack.key, stack.via("s3")


def _head_object(call: Call, _: Stack) -> Asked:
    # Without a checksum asked for, no key is used: https://docs.aws.amazon.com/AmazonS3/latest/API/
    bucket = f"arn:aws:s3:::{call.given['Bucket']}"
    yield "s3:GetObject", f"{bucket}/{call.given['Key']}", ()
    if call.error in ("404", "NoSuchKey"):
        yield "s3:ListBucket", bucket, ()


def _put_object(call: Call, stack: Stack) -> Asked:
    place = f"arn:aws:s3:::{call.given['Bucket']}/{call.given['Key']}"
    yield "s3:PutObject", place, ()
    yield "kms:GenerateDataKey", stack.key, stack.via("s3")
    if "IfMatch" in call.given:
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        yield "s3:GetObject", place, ()


def _list_objects(call: Call, _: Stack) -> Asked:
    bucket = f"arn:aws:s3:::{call.given['Bucket']}"
    yield "s3:ListBucket", bucket, (("s3:prefix", call.given["Prefix"]),)


def _receive(call: Call, stack: Stack) -> Asked:
    yield "sqs:ReceiveMessage", _queue(call, stack), ()
    yield "kms:Decrypt", stack.key, stack.via("sqs")


def _delete(call: Call, stack: Stack) -> Asked:
    yield "sqs:DeleteMessage", _queue(call, stack), ()


def _queue(call: Call, stack: Stack) -> str:
    return stack.arn("sqs", call.given["QueueUrl"].rpartition("/")[2])


def _get_secret(call: Call, stack: Stack) -> Asked:
    secret = call.given["SecretId"]
    yield "secretsmanager:GetSecretValue", secret, ()
    # The account's default key asks for nothing.
    key = stack.key_of_secret(secret)
    if key is not None:
        yield "kms:Decrypt", key, stack.via("secretsmanager")


def _metrics(*_: Any) -> Asked:
    yield "cloudwatch:GetMetricData", "*", ()


def _of_machine(action: str) -> Any:
    def asked(call: Call, _: Stack) -> Asked:
        yield f"states:{action}", call.given["stateMachineArn"], ()

    return asked


def _describe_execution(call: Call, _: Stack) -> Asked:
    yield "states:DescribeExecution", call.given["executionArn"], ()


_ASKED: dict[tuple[str, str], Any] = {
    ("s3", "GetObject"): _get_object,
    ("s3", "HeadObject"): _head_object,
    ("s3", "PutObject"): _put_object,
    ("s3", "ListObjectsV2"): _list_objects,
    ("sqs", "ReceiveMessage"): _receive,
    ("sqs", "DeleteMessageBatch"): _delete,
    ("secretsmanager", "GetSecretValue"): _get_secret,
    ("cloudwatch", "GetMetricData"): _metrics,
    ("stepfunctions", "StartExecution"): _of_machine("StartExecution"),
    ("stepfunctions", "ListExecutions"): _of_machine("ListExecutions"),
    ("stepfunctions", "DescribeExecution"): _describe_execution,
}
