"""Policy documents: statements as plain data, and the trust of each service."""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, Ref, Sub
from troposphere.iam import Policy, Role

__all__ = [
    "GOES_WITH_THE_STACK",
    "allow",
    "bucket_listing",
    "deny",
    "document",
    "inline",
    "key_for",
    "logs_principal",
    "objects",
    "of_this_account",
    "only_tls",
    "own_arn",
    "service_role",
    "traces",
    "via",
]

Statement = dict[str, Any]
VERSION = "2012-10-17"
GOES_WITH_THE_STACK = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
"""Explicit policy of resources with state; data bucket and key may be retained instead."""


def document(*statements: Statement) -> dict[str, Any]:
    """A policy document."""
    return {"Version": VERSION, "Statement": list(statements)}


def allow(actions: list[str], resource: Any, sid: str = "", **condition: Any) -> Statement:
    """An Allow statement; ``condition`` maps an operator to its keys, ``sid`` is an optional
    name."""
    statement: Statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    if sid:
        statement["Sid"] = sid
    if condition:
        statement["Condition"] = condition
    return statement


def deny(actions: list[str], resource: Any, sid: str) -> Statement:
    """A Deny statement, which no Allow of any policy outweighs."""
    return {"Effect": "Deny", "Action": actions, "Resource": resource, "Sid": sid}


def objects(action: str, *prefixes: str) -> Statement:
    """Permission for one S3 action on the objects under these prefixes of the data bucket."""
    places = [Sub(f"${{DataBucket.Arn}}/{prefix}/*") for prefix in prefixes]
    return allow([action], places, sid=action.removeprefix("s3:"))


def bucket_listing(*prefixes: str) -> Statement:
    """Permission to list the data bucket under these prefixes, or all of it for readers of objects.

    A reader isn't narrowed to a prefix: the condition would not hold for a request that names none,
    such as the read of an object. S3 would then answer a missing one with 403 instead of 404, and a
    batch that is gone would look like a missing permission
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, read 2026-11).
    """
    if not prefixes:
        return allow(["s3:ListBucket"], GetAtt("DataBucket", "Arn"), sid="ListOrMiss")
    below: dict[str, Any] = {"s3:prefix": [f"{prefix}/*" for prefix in prefixes]}
    return allow(["s3:ListBucket"], GetAtt("DataBucket", "Arn"), sid="List", StringLike=below)


def key_for(service: str, *actions: str) -> Statement:
    """Permission to use the stack's key, only through one service."""
    return allow(
        [f"kms:{action}" for action in actions],
        GetAtt("DataKey", "Arn"),
        sid=f"KeyBy{service.title()}",
        StringLike={"kms:ViaService": via(service)},
    )


def via(service: str) -> Sub:
    """Pattern of ``kms:ViaService`` for a service that uses a key on behalf of its caller.

    KMS documents values that end with ``amazonaws.com`` and doesn't say how they end in other
    partitions; only AWS can set the value, so the end may be open.
    """
    return Sub(f"{service}.${{AWS::Region}}.amazonaws.*")


def of_this_account(arn: str) -> dict[str, Any]:
    """Condition that a service acts for one of these resources of this account.

    ``arn``: from the service on, as text for ``Fn::Sub``, with wildcards.
    """
    return {
        "StringEquals": {"aws:SourceAccount": Ref("AWS::AccountId")},
        "ArnLike": {"aws:SourceArn": own_arn(arn)},
    }


def own_arn(rest: str) -> Sub:
    """An ARN of this account and region: ``rest`` is ``service:resource``."""
    service, _, resource = rest.partition(":")
    where = "${AWS::Region}:${AWS::AccountId}"
    return Sub(f"arn:${{AWS::Partition}}:{service}:{where}:{resource}")


def traces(*, sampling: bool = False) -> Statement:
    """Permission to send traces to X-Ray, which offers no resource to narrow it to."""
    actions = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    if sampling:
        actions += ["xray:GetSamplingRules", "xray:GetSamplingTargets"]
    return allow(actions, "*", sid="Traces")


def only_tls(actions: str, resources: Any) -> Statement:
    """Deny requests without TLS."""
    return {
        "Sid": "OnlyTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


# Resources that a service acts for when it assumes a role, where the service names them (see its
# page on the confused deputy). Others name only the account. AWS Lambda names nothing: the
# permission to pass the role decides.
ACTS_FOR = {
    "iot": "iot:rule/*",  # the rule's name isn't known before it exists, and it needs the role
    "scheduler": "scheduler:schedule-group/default",
    "states": "states:stateMachine:*",
}


def logs_principal() -> Sub:
    """Principal of CloudWatch Logs, which in China ends with the partition's own suffix."""
    return Sub("logs.${AWS::Region}.${AWS::URLSuffix}")


def service_role(title: str, service: str, *policies: Any) -> Role:
    """A role for one AWS service, acting for this account only (confused deputy)."""
    trust: Statement = {
        "Sid": "Assume",
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    if service in ACTS_FOR:
        trust["Condition"] = of_this_account(ACTS_FOR[service])
    elif service != "lambda":
        trust["Condition"] = {"StringEquals": {"aws:SourceAccount": Ref("AWS::AccountId")}}
    return Role(title, AssumeRolePolicyDocument=document(trust), Policies=list(policies))


def inline(name: str, *statements: Statement) -> Policy:
    """An inline policy of a role."""
    return Policy(PolicyName=name, PolicyDocument=document(*statements))
