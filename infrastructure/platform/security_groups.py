"""Who may talk to whom: by security group, on one port each, and nobody to the world.

    functions --443--> S3 (prefix list), endpoints
    functions --port--> database, and proxy --port--> database

A way is a rule on both sides: the way out stands in the group itself, the way in is a resource of
its own, or two groups would wait for one another. A group that needs no way out has one to the
loopback address, since AWS gives a group without any a way to everywhere.

The proxy may reach the endpoint for Secrets Manager: AWS's pages don't say whether it reads its
secret through the VPC, and without the secret it would never come up.
"""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, If, NoValue, Ref, Template, ec2

from infrastructure.core.findings import accepted
from infrastructure.platform.conditions import (
    ADDRESSED_DATABASE,
    GIVEN_SECRETS_ENDPOINT,
    GROUPED_DATABASE,
    HAS_ENDPOINTS,
    HAS_NETWORK,
    HAS_PROXY,
    LETS_IN,
    NEW_DATABASE,
    XRAY_ENDPOINT,
    chosen,
)
from infrastructure.platform.network import vpc

__all__ = ["add_groups"]

HTTPS = 443
NOWHERE = "127.0.0.1/32"

_PORT = Ref("DatabasePort")
_ENDPOINTS = GetAtt("EndpointGroup", "GroupId")
_SECRETS = chosen(GIVEN_SECRETS_ENDPOINT, Ref("SecretsSecurityGroupId"), _ENDPOINTS)
_DATABASE = chosen(
    GROUPED_DATABASE, Ref("DatabaseSecurityGroupId"), GetAtt("DatabaseGroup", "GroupId")
)
_PROXY = GetAtt("ProxyGroup", "GroupId")
_HIDDEN = {
    "Metadata": accepted(
        CKV_AWS_23="Every rule has one; checkov doesn't look into those under a condition."
    )
}


def add_groups(template: Template) -> None:
    """Groups of functions, endpoints, database and proxy, and the ways between them."""
    for title, condition, what, ways, metadata in (
        ("FunctionsGroup", HAS_NETWORK, "Functions with a database", _of_functions(), _HIDDEN),
        ("EndpointGroup", HAS_ENDPOINTS, "Endpoints of AWS services", [_nowhere()], {}),
        ("DatabaseGroup", NEW_DATABASE, "PostgreSQL", [_nowhere()], {}),
        ("ProxyGroup", HAS_PROXY, "RDS Proxy", _of_proxy(), {}),
    ):
        template.add_resource(
            ec2.SecurityGroup(
                title,
                Condition=condition,
                **metadata,
                VpcId=vpc(),
                GroupDescription=what,
                SecurityGroupEgress=ways,
            )
        )
    functions = GetAtt("FunctionsGroup", "GroupId")
    for title, condition, target, source, port in (
        ("SecretsFromFunctions", HAS_NETWORK, _SECRETS, functions, HTTPS),
        ("XrayFromFunctions", XRAY_ENDPOINT, _ENDPOINTS, functions, HTTPS),
        ("DatabaseFromFunctions", LETS_IN, _DATABASE, functions, _PORT),
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


def _of_functions() -> list[Any]:
    address = _way("Database", _PORT, CidrIp=Ref("DatabaseCidr"))
    return [
        _way("Objects", HTTPS, DestinationPrefixListId=Ref("S3PrefixListId")),
        _way("Secrets", HTTPS, DestinationSecurityGroupId=_SECRETS),
        If(XRAY_ENDPOINT, _way("Traces", HTTPS, DestinationSecurityGroupId=_ENDPOINTS), NoValue),
        If(LETS_IN, _way("Database", _PORT, DestinationSecurityGroupId=_DATABASE), NoValue),
        # Who lets them in there is not ours to say.
        If(ADDRESSED_DATABASE, address, NoValue),
        If(HAS_PROXY, _way("Proxy", _PORT, DestinationSecurityGroupId=_PROXY), NoValue),
    ]


def _of_proxy() -> list[Any]:
    return [
        _way("Database", _PORT, DestinationSecurityGroupId=_DATABASE),
        _way("Secrets", HTTPS, DestinationSecurityGroupId=_SECRETS),
    ]


def _way(what: str, port: Any, **peer: Any) -> ec2.SecurityGroupRule:
    return ec2.SecurityGroupRule(**_rule(what, port, **peer))


def _rule(what: str, port: Any, **peer: Any) -> dict[str, Any]:
    return {"Description": what, "IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peer}


def _nowhere() -> ec2.SecurityGroupRule:
    return _way("Nowhere, as no rule would mean everywhere", HTTPS, CidrIp=NOWHERE)


def _sentence(title: str) -> str:
    target, source = title.split("From")
    return f"{target} from {source.lower()}"
