"""Roles of AWS services, limited to this stack's own resources where the service names the resource
it acts for."""

from __future__ import annotations

from typing import Any

from troposphere import Ref, Sub
from troposphere.iam import Role

from infrastructure.core.policies import document

__all__ = ["role_of_service"]


def role_of_service(
    title: str, condition: str, service: str, *policies: Any, acts_for: str = ""
) -> Role:
    """A role that a service may assume under a condition of the template.

    ``acts_for``: resources that the service may act for, ``service:resource`` as text for
    ``Fn::Sub`` with wildcards.
    """
    trust: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    if acts_for:
        kind, resource = acts_for.split(":", 1)
        arn = f"arn:${{AWS::Partition}}:{kind}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"
        trust["Condition"] = {
            "StringEquals": {"aws:SourceAccount": Ref("AWS::AccountId")},
            "ArnLike": {"aws:SourceArn": Sub(arn)},
        }
    return Role(
        title,
        Condition=condition,
        AssumeRolePolicyDocument=document(trust),
        Policies=list(policies),
    )
