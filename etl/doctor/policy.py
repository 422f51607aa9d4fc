"""Makes the IAM policy of ``etl doctor``: reading, and what the canary takes.

It stands beside the deployer's policy, as most of it is about a deployed pipeline. Without it, each
check that may not read something says so.
"""

from __future__ import annotations

from typing import Any

from etl.aws.partition import partition_of
from etl.operations.alarm_delivery import TEST_QUEUE

__all__ = ["doctor_policy"]

VERSION = "2012-10-17"
EVERYTHING: tuple[str, ...] = (
    "cloudwatch:DescribeAlarms",
    "iot:CreateCertificateFromCsr",
    "iot:DescribeEndpoint",
    "lambda:GetAccountSettings",
    "servicequotas:ListServiceQuotas",
    "states:ValidateStateMachineDefinition",
    "xray:BatchGetTraces",
    "xray:GetTraceSummaries",
)
"""Actions that can't be limited to a resource of the stack."""
BY_RESOURCE: dict[str, tuple[str, ...]] = {
    "iam::{account}:*": ("iam:GetRole", "iam:SimulatePrincipalPolicy"),
    "cloudformation:{region}:{account}:stack/{stack}*/*": (
        "cloudformation:DescribeStacks",
        "cloudformation:ListStackResources",
    ),
    "lambda:{region}:{account}:function:{stack}-*": ("lambda:GetFunctionConfiguration",),
    "lambda:{region}:{account}:layer:*": ("lambda:GetLayerVersion",),
    "states:{region}:{account}:execution:{stack}:*": ("states:DescribeExecution",),
    "cloudwatch:{region}:{account}:alarm:{stack}-*": (
        "cloudwatch:DescribeAlarmHistory",
        "cloudwatch:SetAlarmState",
    ),
    "sns:{region}:{account}:{stack}-*": (
        "sns:ListSubscriptionsByTopic",
        "sns:Subscribe",
        "sns:Unsubscribe",
    ),
    "sqs:{region}:{account}:{stack}-*": ("sqs:GetQueueAttributes",),
    # The queue that listens while an alarm is tested.
    f"sqs:{{region}}:{{account}}:{{stack}}{TEST_QUEUE}*": (
        "sqs:CreateQueue",
        "sqs:DeleteQueue",
        "sqs:ReceiveMessage",
        "sqs:SetQueueAttributes",
    ),
    "secretsmanager:{region}:{account}:secret:LoaderSecret-*": ("secretsmanager:GetSecretValue",),
    "iot:{region}:{account}:thing/{stack}-probe": (
        "iot:AttachThingPrincipal",
        "iot:CreateThing",
        "iot:DetachThingPrincipal",
    ),
    "iot:{region}:{account}:cert/*": (
        "iot:AttachPolicy",
        "iot:AttachThingPrincipal",
        "iot:DeleteCertificate",
        "iot:DetachPolicy",
        "iot:DetachThingPrincipal",
        "iot:UpdateCertificate",
    ),
    "s3:::{lower}-databucket-*": ("s3:ListBucket",),
    "s3:::{lower}-databucket-*/*": ("s3:GetObject",),
    "s3:::{lower}-databucket-*/receipts/*": ("s3:PutObject",),
}
"""Beginnings of ARNs, without ``arn:<partition>:``, to actions."""


def doctor_policy(stack: str, account: str, region: str) -> dict[str, Any]:
    """Make the policy for `etl doctor`, which the deployer's policy completes.

    The key of the data bucket is used through Amazon S3 and AWS Secrets Manager alone. Raises
    :class:`~etl.aws.partition.UnknownRegionError` for a region that no partition has.
    """
    partition = partition_of(region)
    names = {"stack": stack, "account": account, "region": region, "lower": stack.lower()}
    statements: list[dict[str, Any]] = [
        {"Sid": "Read", "Effect": "Allow", "Action": [*EVERYTHING], "Resource": "*"}
    ]
    for number, (resource, actions) in enumerate(BY_RESOURCE.items(), 1):
        statements.append(
            {
                "Sid": f"Stack{number}",
                "Effect": "Allow",
                "Action": [*actions],
                "Resource": f"arn:{partition}:{resource.format(**names)}",
            }
        )
    services = [f"{service}.{region}.amazonaws.com*" for service in ("s3", "secretsmanager")]
    statements.append(
        {
            "Sid": "Key",
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": f"arn:{partition}:kms:{region}:{account}:key/*",
            "Condition": {"StringLike": {"kms:ViaService": services}},
        }
    )
    return {"Version": VERSION, "Statement": statements}
