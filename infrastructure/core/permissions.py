"""Permissions of each function; those for logs and traces are added to every function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from troposphere import GetAtt, Ref, Sub

from infrastructure.core.policies import allow, bucket_listing, key_for, objects, own_arn, via

__all__ = ["function_statements", "owner_key_statement", "partition_statement", "vpc_statements"]

Statement = dict[str, Any]


def function_statements(name: str) -> list[Statement]:
    """The statements of one function's role. Raises ``KeyError`` for a name without any."""
    return _STATEMENTS[name]()


def vpc_statements(function: str) -> list[Statement]:
    """Permissions that Lambda needs to run a function in a VPC, denied to the function's own code.

    (https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html, read 2026-11: describing
    works on all resources only, the rest on those of the account; the condition recognises the
    code by the function's ARN.)
    """
    own_code: dict[str, Any] = {
        "lambda:SourceFunctionArn": own_arn(f"lambda:function:${{AWS::StackName}}-{function}")
    }
    refused: Statement = {
        "Sid": "NotByTheCode",
        "Effect": "Deny",
        "Action": [*_INTERFACES, *_DESCRIBE],
        "Resource": "*",
        "Condition": {"ArnEquals": own_code},
    }
    return [
        allow(list(_INTERFACES), own_arn("ec2:*/*"), sid="Interfaces"),
        # A subnet that another account shares with this one has that account's number in its ARN.
        allow([_INTERFACES[0]], Sub(SHARED_SUBNETS), sid="SharedSubnets"),
        allow(list(_DESCRIBE), "*", sid="Describe"),
        refused,
    ]


SHARED_SUBNETS = "arn:${AWS::Partition}:ec2:${AWS::Region}:*:subnet/*"
_INTERFACES = (
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)
_DESCRIBE = ("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets")


def _machine() -> Sub:
    """ARN of the state machine by name, because it is created after the functions."""
    return own_arn("states:stateMachine:${AWS::StackName}")


def owner_key_statement() -> Statement:
    """Permission that Migrate needs where the owner's secret has its own key."""
    by: dict[str, Any] = {"kms:ViaService": via("secretsmanager")}
    return allow(["kms:Decrypt"], Ref("OwnerKeyArn"), sid="OwnersKey", StringLike=by)


def partition_statement() -> Statement:
    """Permission that Migrate needs where the table has partitions: before it drops one, it looks
    for the batches of its rows."""
    return bucket_listing("raw", "clean")


def _extract() -> list[Statement]:
    return [
        allow(
            ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
            GetAtt("TelemetryQueue", "Arn"),
            sid="Drain",
        ),
        key_for("sqs", "Decrypt"),
        objects("s3:PutObject", "raw", "manifests"),
        # The manifests of a loop's drains are put together at its end. It wrote them itself, so
        # none is missing, and its listing needs no more than its own prefix.
        objects("s3:GetObject", "manifests"),
        bucket_listing("raw"),
        key_for("s3", "Decrypt", "GenerateDataKey"),
    ]


def _stage() -> list[Statement]:
    """The queue is read by Lambda's poller, with the function's role."""
    return [
        allow(
            ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
            GetAtt("TelemetryQueue", "Arn"),
            sid="Poll",
        ),
        key_for("sqs", "Decrypt"),
        objects("s3:PutObject", "raw", "manifests"),
        key_for("s3", "GenerateDataKey"),
        allow(["states:StartExecution"], _machine(), sid="Start"),
    ]


def _transform() -> list[Statement]:
    return [
        objects("s3:GetObject", "raw"),
        objects("s3:PutObject", "clean", "copy", "rejected", "reports"),
        bucket_listing(),
        key_for("s3", "Decrypt", "GenerateDataKey"),
    ]


def _validate() -> list[Statement]:
    return [
        objects("s3:GetObject", "reports", "quality"),
        objects("s3:PutObject", "reports", "quality"),
        bucket_listing(),
        key_for("s3", "Decrypt", "GenerateDataKey"),
    ]


def _load() -> list[Statement]:
    return [
        objects("s3:GetObject", "copy", "reports"),
        objects("s3:PutObject", "outcomes", "reports"),
        bucket_listing(),
        key_for("s3", "Decrypt", "GenerateDataKey"),
        allow(["secretsmanager:GetSecretValue"], GetAtt("LoaderSecret", "Id"), sid="Login"),
        key_for("secretsmanager", "Decrypt"),
    ]


def _summarize() -> list[Statement]:
    return [
        objects("s3:GetObject", "outcomes", "manifests"),
        bucket_listing(),
        key_for("s3", "Decrypt"),
    ]


def _sweep() -> list[Statement]:
    return [
        objects("s3:GetObject", "outcomes", "manifests"),
        objects("s3:PutObject", "manifests"),
        bucket_listing(),
        key_for("s3", "Decrypt", "GenerateDataKey"),
        allow(["states:ListExecutions", "states:StartExecution"], _machine(), sid="Start"),
        allow(
            ["states:DescribeExecution"],
            own_arn("states:execution:${AWS::StackName}:*"),
            sid="Describe",
        ),
    ]


def _migrate() -> list[Statement]:
    return [
        allow(
            ["secretsmanager:GetSecretValue"],
            [GetAtt("LoaderSecret", "Id"), GetAtt("AnalystSecret", "Id"), Ref("OwnerSecretArn")],
            sid="Logins",
        ),
        key_for("secretsmanager", "Decrypt"),
    ]


def _provision() -> list[Statement]:
    return [
        objects("s3:GetObject", "devices"),
        bucket_listing(),
        key_for("s3", "Decrypt"),
        # IAM knows no resource of it: Service Authorization Reference, 2026-11.
        allow(["iot:ListThingPrincipals"], "*", sid="Certificates"),
    ]


def _notify() -> list[Statement]:
    return [
        allow(["secretsmanager:GetSecretValue"], GetAtt("ChannelsSecret", "Id"), sid="Addresses"),
        key_for("secretsmanager", "Decrypt"),
        # IAM knows no resource of it: Service Authorization Reference, 2026-11.
        allow(["cloudwatch:GetMetricData"], "*", sid="Figures"),
    ]


_STATEMENTS: dict[str, Callable[[], list[Statement]]] = {
    "extract": _extract,
    "stage": _stage,
    "transform": _transform,
    "validate": _validate,
    "load": _load,
    "summarize": _summarize,
    "sweep": _sweep,
    "migrate": _migrate,
    "provision": _provision,
    "notify": _notify,
}
