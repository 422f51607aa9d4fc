"""What each function may do, and nothing else. Logs and traces are added to every one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from troposphere import GetAtt, Ref, Sub

from workflow.template.policies import allow, bucket_listing, key_for, objects, via

__all__ = ["function_statements", "owner_key_statement", "vpc_statement"]

Statement = dict[str, Any]


def function_statements(name: str) -> list[Statement]:
    """The statements of one function's role. Raises ``KeyError`` for a name without any."""
    return _STATEMENTS[name]()


def vpc_statement() -> Statement:
    """What Lambda needs to put a function into a VPC; EC2 knows no resource to narrow this to."""
    return allow(
        [
            "ec2:CreateNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:DeleteNetworkInterface",
            "ec2:AssignPrivateIpAddresses",
            "ec2:UnassignPrivateIpAddresses",
        ],
        "*",
    )


def owner_key_statement() -> Statement:
    """What Migrate needs where the owner's secret has a key of its own."""
    by = {"kms:ViaService": via("secretsmanager")}
    return allow(["kms:Decrypt"], Ref("OwnerKeyArn"), StringEquals=by)


def _queue() -> Statement:
    return allow(
        ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        GetAtt("TelemetryQueue", "Arn"),
    )


def _extract() -> list[Statement]:
    return [
        _queue(),
        objects("s3:PutObject", "raw", "manifests"),
        bucket_listing(),
        key_for("s3", "GenerateDataKey"),
    ]


def _states(kind: str) -> Sub:
    """ARN of the state machine, or of its executions, by name: it is made after the functions."""
    return Sub(f"arn:${{AWS::Partition}}:states:${{AWS::Region}}:${{AWS::AccountId}}:{kind}")


def _stage() -> list[Statement]:
    start = allow(["states:StartExecution"], _states("stateMachine:${AWS::StackName}"))
    return [
        _queue(),
        objects("s3:PutObject", "raw", "manifests"),
        bucket_listing(),
        key_for("s3", "GenerateDataKey"),
        start,
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
        objects("s3:GetObject", "reports", "clean", "quality"),
        objects("s3:PutObject", "reports", "quality"),
        bucket_listing(),
        key_for("s3", "Decrypt", "GenerateDataKey"),
    ]


def _load() -> list[Statement]:
    return [
        objects("s3:GetObject", "copy", "reports"),
        objects("s3:PutObject", "outcomes"),
        bucket_listing(),
        key_for("s3", "Decrypt", "GenerateDataKey"),
        allow(["secretsmanager:GetSecretValue"], GetAtt("LoaderSecret", "Id")),
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
        allow(
            ["states:ListExecutions", "states:StartExecution"],
            _states("stateMachine:${AWS::StackName}"),
        ),
        allow(["states:DescribeExecution"], _states("execution:${AWS::StackName}:*")),
    ]


def _migrate() -> list[Statement]:
    return [
        allow(
            ["secretsmanager:GetSecretValue"],
            [GetAtt("LoaderSecret", "Id"), Ref("OwnerSecretArn")],
        ),
        key_for("secretsmanager", "Decrypt"),
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
}
