"""A VPC without a route to the internet: no internet gateway, no NAT, no public address.

Only Load and Migrate run in it, with the database and, where wanted, the proxy. Its default
security group, as AWS creates it, lets its members connect to one another and to anywhere;
CloudFormation can't change that. Nothing here is a member of it, and
:func:`infrastructure.platform.stack_links.close_default_group` empties it after a deployment.
"""

from __future__ import annotations

from typing import Any

from troposphere import Cidr, GetAtt, GetAZs, If, Ref, Select, Sub, Tags, Template, ec2

from infrastructure.core.policies import allow, inline
from infrastructure.platform.conditions import GIVEN_NETWORK, NEW_NETWORK, THREE_ZONES, given_or_new
from infrastructure.platform.key import log_group
from infrastructure.platform.roles import role_of_service

__all__ = ["add_network", "subnets", "vpc"]

SUBNETS = ("SubnetA", "SubnetB", "SubnetC")
BLOCKS = 4
# Blocks of 256 addresses: the proxy takes up to a hundred on large instances, the rest few.
BLOCK_BITS = 8


def vpc() -> If:
    """Id of the VPC, new or given."""
    return given_or_new(GIVEN_NETWORK, Ref("VpcId"), Ref("Vpc"))


def subnets() -> If:
    """Ids of the private subnets, new or given."""
    made = If(THREE_ZONES, [Ref(title) for title in SUBNETS], [Ref(t) for t in SUBNETS[:2]])
    return given_or_new(GIVEN_NETWORK, Ref("SubnetIds"), made)


def add_network(template: Template) -> None:
    """Add VPC, subnets, their route table and flow logs."""
    template.add_resource(
        ec2.VPC(
            "Vpc",
            Condition=NEW_NETWORK,
            CidrBlock=Ref("VpcCidr"),
            EnableDnsSupport=True,
            # Without host names an endpoint has no private name.
            EnableDnsHostnames=True,
            Tags=_name(""),
        )
    )
    template.add_resource(
        ec2.RouteTable(
            "PrivateRoutes", Condition=NEW_NETWORK, VpcId=Ref("Vpc"), Tags=_name("-private")
        )
    )
    for place, title in enumerate(SUBNETS):
        _add_subnet(template, title, place, THREE_ZONES if title == "SubnetC" else NEW_NETWORK)
    _add_flow_logs(template)


def _add_subnet(template: Template, title: str, place: int, condition: str) -> None:
    template.add_resource(
        ec2.Subnet(
            title,
            Condition=condition,
            VpcId=Ref("Vpc"),
            AvailabilityZone=Select(place, GetAZs("")),
            CidrBlock=Select(place, Cidr(Ref("VpcCidr"), BLOCKS, BLOCK_BITS)),
            MapPublicIpOnLaunch=False,
            Tags=_name(f"-private-{title[-1].lower()}"),
        )
    )
    template.add_resource(
        ec2.SubnetRouteTableAssociation(
            f"{title}Routes",
            Condition=condition,
            SubnetId=Ref(title),
            RouteTableId=Ref("PrivateRoutes"),
        )
    )


def _add_flow_logs(template: Template) -> None:
    template.add_resource(log_group("FlowLogGroup", NEW_NETWORK, "/aws/vpc/${AWS::StackName}"))
    write = allow(
        ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
        GetAtt("FlowLogGroup", "Arn"),
    )
    template.add_resource(
        role_of_service(
            "FlowLogRole",
            NEW_NETWORK,
            "vpc-flow-logs",
            inline("Write", write),
            acts_for="ec2:vpc-flow-log/*",
        )
    )
    template.add_resource(
        ec2.FlowLog(
            "FlowLog",
            Condition=NEW_NETWORK,
            ResourceType="VPC",
            ResourceId=Ref("Vpc"),
            TrafficType="ALL",
            LogDestinationType="cloud-watch-logs",
            LogGroupName=Ref("FlowLogGroup"),
            DeliverLogsPermissionArn=GetAtt("FlowLogRole", "Arn"),
            MaxAggregationInterval=600,
        )
    )


def _name(suffix: str) -> Any:
    return Tags(Name=Sub(f"${{AWS::StackName}}{suffix}"))
