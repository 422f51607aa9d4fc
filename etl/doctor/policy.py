"""Makes the IAM policy of ``etl doctor``: reading, and what canary and test alarm take.

It stands beside the deployer's policy, as most of it is about a deployed pipeline. Without it, each
check that may not read something says so.
"""

from __future__ import annotations

from typing import Any

from etl.operations.permissions import (
    ALARM_TEST,
    ALARMS,
    DATA,
    EXECUTIONS,
    LOGIN,
    QUEUES,
    STACK,
    TRACES,
    Permission,
    key_use,
    policy_of,
)

__all__ = ["doctor_policy"]

BUCKET = "s3:{lower}-databucket-*"
CHECKING = (
    Permission(
        sid="Account",
        actions=(
            "iot:CreateCertificateFromCsr",
            "iot:DescribeEndpoint",
            "lambda:GetAccountSettings",
            "servicequotas:ListServiceQuotas",
            "states:ValidateStateMachineDefinition",
        ),
    ),
    Permission(
        sid="Simulate",
        actions=("iam:GetRole", "iam:SimulatePrincipalPolicy"),
        resources=("iam:role/*", "iam:user/*"),
    ),
    Permission(
        sid="Functions",
        actions=("lambda:GetFunctionConfiguration",),
        resources=("lambda:function:{stack}-*",),
    ),
    Permission(
        sid="Channels",
        actions=("lambda:InvokeFunction",),
        resources=("lambda:function:{stack}-notify",),
    ),
    Permission(sid="Layers", actions=("lambda:GetLayerVersion",), resources=("lambda:layer:*:*",)),
    Permission(
        sid="Probe",
        actions=("iot:CreateThing",),
        resources=("iot:thing/{stack}-probe",),
    ),
    Permission(
        sid="ProbeCertificate",
        actions=(
            "iot:AttachPolicy",
            "iot:DeleteCertificate",
            "iot:DetachPolicy",
            "iot:UpdateCertificate",
        ),
        resources=("iot:cert/*",),
    ),
    # IAM knows no resource of these: Service Authorization Reference, 2026-11.
    Permission(
        sid="ProbePrincipal", actions=("iot:AttachThingPrincipal", "iot:DetachThingPrincipal")
    ),
    Permission(sid="List", actions=("s3:ListBucket",), resources=(BUCKET,)),
    Permission(sid="Receipt", actions=("s3:PutObject",), resources=(f"{BUCKET}/receipts/*",)),
    key_use("Key", ("s3", "secretsmanager"), "Decrypt", "GenerateDataKey"),
)


def doctor_policy(stack: str, account: str, region: str) -> dict[str, Any]:
    """Make the policy for `etl doctor`, which the deployer's policy completes.

    Raises :class:`~etl.aws.partition.UnknownRegionError` for a region that no partition has.
    """
    reading = (STACK, DATA, LOGIN, QUEUES, EXECUTIONS, ALARMS, TRACES)
    return policy_of((*reading, *ALARM_TEST, *CHECKING), stack, account, region)
