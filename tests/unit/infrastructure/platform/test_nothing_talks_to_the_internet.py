"""Network: no way to the internet, and ways between groups on one port each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.infrastructure.platform.deployments import SETTINGS
from tests.unit.infrastructure.platform.resolving import Resolved

WORLD = {"0.0.0.0/0", "::/0"}
LOOPBACK = "127.0.0.1/32"
TO_THE_INTERNET = {
    "AWS::EC2::EIP",
    "AWS::EC2::EgressOnlyInternetGateway",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NatGateway",
    "AWS::EC2::Route",
    "AWS::EC2::VPCGatewayAttachment",
}
PORT = {"Ref": "DatabasePort"}
ANSWERS = "QuickSightFromDatabase"
"""QuickSight's interfaces keep no state: answers of the database come in by a rule of their own."""


@pytest.fixture(scope="module", params=SETTINGS)
def deployed(request, template) -> Resolved:
    return Resolved(template, SETTINGS[request.param].parameters())


def of_type(resources: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {n: r["Properties"] for n, r in resources.items() if r["Type"] == kind}


def ways_out(deployed: Resolved) -> dict[str, list[dict[str, Any]]]:
    groups = of_type(deployed.resources, "AWS::EC2::SecurityGroup")
    return {name: group["SecurityGroupEgress"] for name, group in groups.items()}


def ways_in(deployed: Resolved) -> dict[str, dict[str, Any]]:
    return of_type(deployed.resources, "AWS::EC2::SecurityGroupIngress")


def test_nothing_leads_to_the_internet(resources):
    assert not {resource["Type"] for resource in resources.values()} & TO_THE_INTERNET
    for subnet in of_type(resources, "AWS::EC2::Subnet").values():
        assert subnet["MapPublicIpOnLaunch"] is False


def test_no_group_lets_anybody_in_by_address(deployed):
    assert not [name for name, rule in ways_in(deployed).items() if "CidrIp" in rule]
    for name, group in of_type(deployed.resources, "AWS::EC2::SecurityGroup").items():
        assert "SecurityGroupIngress" not in group, name


def test_every_group_says_where_it_may_go_and_none_may_go_everywhere(deployed):
    for name, rules in ways_out(deployed).items():
        assert rules, f"{name}: without a rule AWS allows everything"
        for rule in rules:
            assert str(rule.get("CidrIp")) not in WORLD, name
            assert rule["IpProtocol"] == "tcp", name


def test_every_rule_is_described_and_opens_one_port(deployed):
    rules = [rule for rules in ways_out(deployed).values() for rule in rules]
    into = [rule for name, rule in ways_in(deployed).items() if name != ANSWERS]
    for rule in [*rules, *into]:
        assert rule["Description"]
        assert rule["FromPort"] == rule["ToPort"]
        assert rule["FromPort"] in (443, PORT)


def test_a_way_out_to_a_group_is_a_way_in_there(deployed):
    def asked() -> set[tuple[str, str, str]]:
        for group, rules in ways_out(deployed).items():
            source = {"Fn::GetAtt": [group, "GroupId"]}
            for rule in rules:
                if "DestinationSecurityGroupId" in rule:
                    target = rule["DestinationSecurityGroupId"]
                    yield str(source), str(target), str(rule["FromPort"])

    granted = {
        (str(rule["SourceSecurityGroupId"]), str(rule["GroupId"]), str(rule["FromPort"]))
        for name, rule in ways_in(deployed).items()
        if name != ANSWERS
    }
    assert set(asked()) == granted


def test_only_what_connects_may_go_anywhere(deployed):
    for name, rules in ways_out(deployed).items():
        to_loopback = [rule.get("CidrIp") == LOOPBACK for rule in rules]
        if name in ("DatabaseGroup", "EndpointGroup"):
            assert to_loopback == [True]
        else:
            assert not any(to_loopback), name


def test_endpoints_serve_this_account_alone(deployed):
    for name, endpoint in of_type(deployed.resources, "AWS::EC2::VPCEndpoint").items():
        for statement in endpoint["PolicyDocument"]["Statement"]:
            keys = statement["Condition"]["StringEquals"]
            assert keys["aws:PrincipalAccount"] == {"Ref": "AWS::AccountId"}, name
            assert not [action for action in statement["Action"] if "*" in action], name


def test_load_and_migrate_find_every_service_that_they_call_inside_the_vpc(template):
    """``client("...")`` in their code, and in the shared layer's modules that they use."""
    import re
    from pathlib import Path

    called = set()
    for folder in ("functions/load", "functions/migrate", "layers/shared/telemetry"):
        for file in Path(folder).rglob("*.py"):
            called |= set(re.findall(r'\bclient\("(\w+)"\)', file.read_text()))
    made = Resolved(template, SETTINGS["new network and database"].parameters()).resources
    served = {
        endpoint["ServiceName"]["Fn::Sub"].rsplit(".", 1)[-1]
        for endpoint in of_type(made, "AWS::EC2::VPCEndpoint").values()
    }
    assert called == served == {"s3", "secretsmanager"}


def test_the_gateway_allows_the_objects_actions_of_load_and_no_other():
    from infrastructure.core.permissions import function_statements
    from infrastructure.platform.endpoints import S3_ACTIONS

    needed = {
        action
        for name in ("load", "migrate")
        for statement in function_statements(name)
        for action in statement["Action"]
        if action.startswith("s3:")
    }
    assert needed == set(S3_ACTIONS)


def test_flow_logs_of_a_new_vpc_are_encrypted_and_expire(resources):
    assert resources["FlowLog"]["Properties"]["TrafficType"] == "ALL"
    group = resources["FlowLogGroup"]["Properties"]
    assert group["KmsKeyId"] == {"Fn::GetAtt": ["PlatformKey", "Arn"]}
    assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}
