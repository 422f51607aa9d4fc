"""Policy documents: statements as plain data, and the trust of each service."""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, Ref, Sub
from troposphere.iam import Policy, Role

__all__ = [
    "GOES_WITH_THE_STACK",
    "allow",
    "bucket_listing",
    "document",
    "inline",
    "key_for",
    "objects",
    "only_tls",
    "service_role",
    "traces",
    "via",
]

Statement = dict[str, Any]
VERSION = "2012-10-17"
GOES_WITH_THE_STACK = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
"""Said aloud for what holds state; the data bucket and its key may stay instead."""


def document(*statements: Statement) -> dict[str, Any]:
    """A policy document."""
    return {"Version": VERSION, "Statement": list(statements)}


def allow(actions: list[str], resource: Any, **condition: Any) -> Statement:
    """An Allow; ``condition`` maps an operator to its keys."""
    statement: Statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    if condition:
        statement["Condition"] = condition
    return statement


def objects(action: str, *prefixes: str) -> Statement:
    """One S3 action on the objects under these prefixes of the data bucket."""
    return allow([action], [Sub(f"${{DataBucket.Arn}}/{prefix}/*") for prefix in prefixes])


def bucket_listing() -> Statement:
    """Listing the data bucket.

    Not narrowed to a prefix: without it S3 answers a missing object with 403 instead of 404, and a
    batch that is gone would look like a missing permission.
    """
    return allow(["s3:ListBucket"], GetAtt("DataBucket", "Arn"))


def key_for(service: str, *actions: str) -> Statement:
    """Use of the stack's key, through one service and for nothing else."""
    return allow(
        [f"kms:{action}" for action in actions],
        GetAtt("DataKey", "Arn"),
        StringEquals={"kms:ViaService": via(service)},
    )


def via(service: str) -> Sub:
    """The name by which KMS knows that a service uses a key for its caller."""
    return Sub(f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}")


def traces(*, sampling: bool = False) -> Statement:
    """Sending traces to X-Ray, which knows no resource to narrow this to."""
    actions = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    if sampling:
        actions += ["xray:GetSamplingRules", "xray:GetSamplingTargets"]
    return allow(actions, "*")


def only_tls(actions: str, resources: Any) -> Statement:
    """Refuse whoever comes without TLS."""
    return {
        "Sid": "OnlyTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def service_role(title: str, service: str, *policies: Any) -> Role:
    """A role for one AWS service, acting for this account only (confused deputy)."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    # Lambda assumes its functions' roles without a source account.
    if service != "lambda":
        trust["Condition"] = {"StringEquals": {"aws:SourceAccount": Ref("AWS::AccountId")}}
    return Role(title, AssumeRolePolicyDocument=document(trust), Policies=list(policies))


def inline(name: str, *statements: Statement) -> Policy:
    """An inline policy of a role."""
    return Policy(PolicyName=name, PolicyDocument=document(*statements))
