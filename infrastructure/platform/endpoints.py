"""Endpoints in the VPC for the two services that Load and Migrate call: S3 and Secrets Manager.

They call no other. Lambda itself sends their logs and metrics, and KMS is called by S3 and
Secrets Manager on their behalf. X-Ray's daemon is Lambda's own, at a link-local address outside
the VPC; AWS's pages don't say so clearly, so an endpoint for it can be switched on.

Each endpoint's policy allows only this account's principals and resources: whatever credentials
are used in the VPC, no data leaves it for a bucket of another account.
"""

from __future__ import annotations

from typing import Any

from troposphere import If, Ref, Sub, Template, ec2

from infrastructure.core.policies import document
from infrastructure.platform.conditions import (
    GIVEN_NETWORK,
    IN_CHINA,
    S3_ENDPOINT,
    SECRETS_ENDPOINT,
    XRAY_ENDPOINT,
    given_or_new,
)
from infrastructure.platform.network import subnets, vpc

__all__ = ["add_endpoints"]

S3_ACTIONS = ["s3:GetObject", "s3:PutObject", "s3:ListBucket"]
XRAY = Sub("com.amazonaws.${AWS::Region}.xray")
XRAY_IN_CHINA = Sub("cn.com.amazonaws.${AWS::Region}.xray")
"""The same as in the AWS CDK (aws-cdk-lib/aws-ec2/lib/vpc-endpoint.ts, read 2026-11)."""
TRACE_ACTIONS = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]


def add_endpoints(template: Template) -> None:
    """Add the endpoints. The gateway to S3 is free; the others are paid for by hour and zone."""
    template.add_resource(
        ec2.VPCEndpoint(
            "S3Endpoint",
            Condition=S3_ENDPOINT,
            VpcEndpointType="Gateway",
            ServiceName=Sub("com.amazonaws.${AWS::Region}.s3"),
            VpcId=vpc(),
            RouteTableIds=given_or_new(GIVEN_NETWORK, Ref("RouteTableIds"), [Ref("PrivateRoutes")]),
            PolicyDocument=document(_own(S3_ACTIONS)),
        )
    )
    _add_interface(
        template,
        "SecretsEndpoint",
        SECRETS_ENDPOINT,
        Sub("com.amazonaws.${AWS::Region}.secretsmanager"),
        _own(["secretsmanager:GetSecretValue"]),
    )
    _add_interface(
        template,
        "XrayEndpointOfVpc",
        XRAY_ENDPOINT,
        # In China some of the services' names have a prefix, this one among them.
        If(IN_CHINA, XRAY_IN_CHINA, XRAY),
        # X-Ray has no resources that a condition could limit to the account.
        _of_account(TRACE_ACTIONS),
    )


def _add_interface(
    template: Template, title: str, condition: str, service: Any, statement: dict[str, Any]
) -> None:
    template.add_resource(
        ec2.VPCEndpoint(
            title,
            Condition=condition,
            VpcEndpointType="Interface",
            ServiceName=service,
            VpcId=vpc(),
            SubnetIds=subnets(),
            SecurityGroupIds=[Ref("EndpointGroup")],
            PrivateDnsEnabled=True,
            PolicyDocument=document(statement),
        )
    )


def _of_account(actions: list[str], **more: Any) -> dict[str, Any]:
    keys = {"aws:PrincipalAccount": Ref("AWS::AccountId"), **more}
    return {
        "Effect": "Allow",
        "Principal": "*",
        "Action": actions,
        "Resource": "*",
        "Condition": {"StringEquals": keys},
    }


def _own(actions: list[str]) -> dict[str, Any]:
    return _of_account(actions, **{"aws:ResourceAccount": Ref("AWS::AccountId")})
