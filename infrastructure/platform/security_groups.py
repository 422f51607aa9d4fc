"""Security groups: each connection on one port, and none to the internet.

    functions --443--> S3 (prefix list), endpoints
    functions --port--> database, and proxy --port--> database

A connection needs a rule on both sides: the egress rule is in the group itself, the ingress rule is
a resource of its own, or two groups would wait for one another. A group that needs no egress has a
rule to the loopback address, since AWS gives a group without any rule egress to everywhere.

The proxy may connect to the endpoint for Secrets Manager: AWS's pages don't say whether it reads
its secret through the VPC, and without the secret it would never start.
"""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, If, NoValue, Ref, Template, ec2

from infrastructure.core.findings import accepted
from infrastructure.platform.conditions import (
    ADDRESSED_DATABASE,
    GIVEN_SECRETS_ENDPOINT,
    GROUPED_DATABASE,
    HAS_DATABASE_GROUP,
    HAS_ENDPOINTS,
    HAS_NETWORK,
    HAS_PROXY,
    NEW_DATABASE,
    XRAY_ENDPOINT,
    given_or_new,
)
from infrastructure.platform.network import vpc

__all__ = ["add_security_groups"]

HTTPS = 443
NOWHERE = "127.0.0.1/32"

_PORT = Ref("DatabasePort")
_ENDPOINTS = GetAtt("EndpointGroup", "GroupId")
_SECRETS = given_or_new(GIVEN_SECRETS_ENDPOINT, Ref("SecretsSecurityGroupId"), _ENDPOINTS)
_DATABASE = given_or_new(
    GROUPED_DATABASE, Ref("DatabaseSecurityGroupId"), GetAtt("DatabaseGroup", "GroupId")
)
_PROXY = GetAtt("ProxyGroup", "GroupId")
_HIDDEN = {
    "Metadata": accepted(
        CKV_AWS_23="Every rule has one; checkov doesn't look into those under a condition."
    )
}


def add_security_groups(template: Template) -> None:
    """Add the groups of functions, endpoints, database and proxy, and the rules between them."""
    for title, condition, what, rules, metadata in (
        ("FunctionsGroup", HAS_NETWORK, "Functions with a database", _functions_egress(), _HIDDEN),
        ("EndpointGroup", HAS_ENDPOINTS, "Endpoints of AWS services", [_nowhere()], {}),
        ("DatabaseGroup", NEW_DATABASE, "PostgreSQL", [_nowhere()], {}),
        ("ProxyGroup", HAS_PROXY, "RDS Proxy", _proxy_egress(), {}),
    ):
        template.add_resource(
            ec2.SecurityGroup(
                title,
                Condition=condition,
                **metadata,
                VpcId=vpc(),
                GroupDescription=what,
                SecurityGroupEgress=rules,
            )
        )
    functions = GetAtt("FunctionsGroup", "GroupId")
    for title, condition, target, source, port in (
        ("SecretsFromFunctions", HAS_NETWORK, _SECRETS, functions, HTTPS),
        ("XrayFromFunctions", XRAY_ENDPOINT, _ENDPOINTS, functions, HTTPS),
        ("DatabaseFromFunctions", HAS_DATABASE_GROUP, _DATABASE, functions, _PORT),
        ("ProxyFromFunctions", HAS_PROXY, _PROXY, functions, _PORT),
        ("DatabaseFromProxy", HAS_PROXY, _DATABASE, _PROXY, _PORT),
        ("SecretsFromProxy", HAS_PROXY, _SECRETS, _PROXY, HTTPS),
    ):
        template.add_resource(
            ec2.SecurityGroupIngress(
                title,
                Condition=condition,
                GroupId=target,
                **_rule(_sentence(title), port, SourceSecurityGroupId=source),
            )
        )


def _functions_egress() -> list[Any]:
    address = _egress("Database", _PORT, CidrIp=Ref("DatabaseCidr"))
    return [
        _egress("Objects", HTTPS, DestinationPrefixListId=Ref("S3PrefixListId")),
        _egress("Secrets", HTTPS, DestinationSecurityGroupId=_SECRETS),
        If(XRAY_ENDPOINT, _egress("Traces", HTTPS, DestinationSecurityGroupId=_ENDPOINTS), NoValue),
        If(
            HAS_DATABASE_GROUP,
            _egress("Database", _PORT, DestinationSecurityGroupId=_DATABASE),
            NoValue,
        ),
        # The ingress rule of that database is not ours to add.
        If(ADDRESSED_DATABASE, address, NoValue),
        If(HAS_PROXY, _egress("Proxy", _PORT, DestinationSecurityGroupId=_PROXY), NoValue),
    ]


def _proxy_egress() -> list[Any]:
    return [
        _egress("Database", _PORT, DestinationSecurityGroupId=_DATABASE),
        _egress("Secrets", HTTPS, DestinationSecurityGroupId=_SECRETS),
    ]


def _egress(what: str, port: Any, **peer: Any) -> ec2.SecurityGroupRule:
    return ec2.SecurityGroupRule(**_rule(what, port, **peer))


def _rule(what: str, port: Any, **peer: Any) -> dict[str, Any]:
    return {"Description": what, "IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peer}


def _nowhere() -> ec2.SecurityGroupRule:
    return _egress("Nowhere, as no rule would mean everywhere", HTTPS, CidrIp=NOWHERE)


def _sentence(title: str) -> str:
    target, source = title.split("From")
    return f"{target} from {source.lower()}"
