"""QuickSight over the analysts' views: connection, data source, data sets, refresh, dashboard.

It is created in the second phase, when the core's migration has created views and analyst, and only
where ``QuickSightUser`` is set: QuickSight itself has to be enabled by hand, and allowed to read
the analyst's secret (``docs/analytics.md`` says how). Data sets have typed columns from the
contract and are copied into SPICE once an hour: opening the dashboard does not query the database.
A further contract has data sets and a dashboard of its own, named by it.

None of this has been run on AWS: ``cfn-lint`` checks names and shapes against CloudFormation's
registry, and a test checks each column against the views of a real database.
"""

from __future__ import annotations

from typing import Any, ClassVar

from troposphere import (
    And,
    AWSObject,
    Condition,
    GetAtt,
    If,
    Join,
    NoValue,
    Ref,
    Split,
    Sub,
    Template,
    ec2,
)

from infrastructure.core.findings import accepted
from infrastructure.core.policies import allow, inline
from infrastructure.platform.conditions import (
    ADDRESSED_DATABASE,
    GIVEN_DATABASE,
    GROUPED_DATABASE,
    HAS_CORE,
    HAS_DATABASE,
    HAS_DATABASE_GROUP,
    HAS_NETWORK,
    filled,
    given_or_new,
)
from infrastructure.platform.data_sets import DataSet, SetNames, data_sets
from infrastructure.platform.network import subnets, vpc
from infrastructure.platform.roles import role_of_service
from infrastructure.platform.visuals import definition
from telemetry.contract import ContractSet

__all__ = ["add_quicksight"]

HAS_QUICKSIGHT = "HasQuickSight"
IN_THE_VPC = "QuickSightInVpc"
QUICKSIGHT_IN_GROUP = "QuickSightLetIn"

_SET_ACTIONS = (
    "DescribeDataSet", "DescribeDataSetPermissions", "PassDataSet", "DescribeIngestion",
    "ListIngestions", "CreateIngestion", "CancelIngestion", "UpdateDataSet", "DeleteDataSet",
    "UpdateDataSetPermissions",
)  # fmt: skip
_SOURCE_ACTIONS = (
    "DescribeDataSource", "DescribeDataSourcePermissions", "PassDataSource", "UpdateDataSource",
    "DeleteDataSource", "UpdateDataSourcePermissions",
)  # fmt: skip
_DASHBOARD_ACTIONS = (
    "DescribeDashboard", "ListDashboardVersions", "UpdateDashboardPermissions", "QueryDashboard",
    "UpdateDashboard", "DeleteDashboard", "DescribeDashboardPermissions",
    "UpdateDashboardPublishedVersion",
)  # fmt: skip
"""Actions that an owner may take on each: https://docs.aws.amazon.com/quicksight/latest/developerguide
(read 2026-11)."""


class _QuickSightResource(AWSObject):  # type: ignore[misc]  # troposphere has no types
    """A resource with plain properties, because troposphere's classes lag behind the registry."""

    props: ClassVar[dict[str, Any]] = {}

    def __init__(self, title: str, kind: str, properties: dict[str, Any], **rest: Any) -> None:
        self.resource_type = f"AWS::QuickSight::{kind}"
        self.props = dict.fromkeys(properties, (object, False))  # type: ignore[misc]
        super().__init__(title, **rest, **properties)


def add_quicksight(template: Template, contracts: ContractSet) -> None:
    """Add everything under one condition; nothing for contracts without views."""
    sets = {contract.name: data_sets(contract) for contract in contracts}
    if not any(sets.values()):
        return
    given = (Condition(HAS_CORE), Condition(HAS_DATABASE))
    said = (filled("QuickSightUser"), filled("AnalystSecretArn"))
    template.add_condition(HAS_QUICKSIGHT, And(*given, *said))
    template.add_condition(IN_THE_VPC, And(Condition(HAS_QUICKSIGHT), Condition(HAS_NETWORK)))
    template.add_condition(
        QUICKSIGHT_IN_GROUP, And(Condition(IN_THE_VPC), Condition(HAS_DATABASE_GROUP))
    )
    _add_vpc_connection(template)
    template.add_resource(_source())
    for contract in contracts:
        names = SetNames(contracts, contract)
        for each in sets[contract.name]:
            template.add_resource(_data_set(each, names))
            template.add_resource(_refresh(each, names))
        if sets[contract.name]:
            template.add_resource(_dashboard(sets[contract.name], names))


def _add_vpc_connection(template: Template) -> None:
    """Add QuickSight's network interfaces in the VPC and the rules of what they may connect to.

    Its group keeps no state, so responses need a rule of their own, on any port:
    https://docs.aws.amazon.com/quicksight/latest/user/vpc-security-groups.html (read 2026-11).
    """
    database = given_or_new(
        GROUPED_DATABASE, Ref("DatabaseSecurityGroupId"), GetAtt("DatabaseGroup", "GroupId")
    )
    port, group = Ref("DatabasePort"), GetAtt("QuickSightGroup", "GroupId")
    out = {"Description": "Database", "IpProtocol": "tcp", "FromPort": port, "ToPort": port}
    nowhere = out | {"Description": "Nowhere, as no rule would mean everywhere"}
    template.add_resource(
        ec2.SecurityGroup(
            "QuickSightGroup",
            Condition=IN_THE_VPC,
            Metadata=accepted(
                CKV_AWS_23="Every rule has one; checkov doesn't look into those under a condition."
            ),
            VpcId=vpc(),
            GroupDescription="Interfaces of QuickSight",
            SecurityGroupEgress=[
                If(
                    QUICKSIGHT_IN_GROUP,
                    ec2.SecurityGroupRule(**out, DestinationSecurityGroupId=database),
                    If(
                        ADDRESSED_DATABASE,
                        ec2.SecurityGroupRule(**out, CidrIp=Ref("DatabaseCidr")),
                        ec2.SecurityGroupRule(**nowhere, CidrIp="127.0.0.1/32"),
                    ),
                ),
            ],
        )
    )
    for title, target, source, first, last in (
        ("DatabaseFromQuickSight", database, group, port, port),
        ("QuickSightFromDatabase", group, database, 0, 65535),
    ):
        template.add_resource(
            ec2.SecurityGroupIngress(
                title,
                Condition=QUICKSIGHT_IN_GROUP,
                GroupId=target,
                SourceSecurityGroupId=source,
                Description=title.replace("From", " from "),
                IpProtocol="tcp",
                FromPort=first,
                ToPort=last,
            )
        )
    here = "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:"
    change = allow(
        [
            "ec2:CreateNetworkInterface",
            "ec2:ModifyNetworkInterfaceAttribute",
            "ec2:DeleteNetworkInterface",
        ],
        [Sub(f"{here}{kind}/*") for kind in ("network-interface", "subnet", "security-group")],
    )
    # EC2 offers no resource to narrow these to.
    look = allow(["ec2:DescribeSubnets", "ec2:DescribeSecurityGroups"], "*")
    template.add_resource(
        role_of_service(
            "QuickSightRole", IN_THE_VPC, "quicksight", inline("Interfaces", change, look)
        )
    )
    template.add_resource(
        _QuickSightResource(
            "QuickSightConnection",
            "VPCConnection",
            {
                "AwsAccountId": Ref("AWS::AccountId"),
                "VPCConnectionId": Sub("${AWS::StackName}"),
                "Name": Sub("${AWS::StackName}"),
                "RoleArn": GetAtt("QuickSightRole", "Arn"),
                # Joined and split, so that a finding of cfn-lint is about this resource alone.
                "SubnetIds": Split(",", Join(",", subnets())),
                "SecurityGroupIds": [group],
            },
            Condition=IN_THE_VPC,
            # A rule of the template ensures that a given VPC comes with its subnets; cfn-lint only
            # sees that the parameter is empty by default.
            Metadata={"cfn-lint": {"config": {"ignore_checks": ["W1033"]}}},
        )
    )


def _source() -> _QuickSightResource:
    made = GetAtt("DatabaseInstance", "Endpoint.Address")
    connection = {"VpcConnectionArn": GetAtt("QuickSightConnection", "Arn")}
    return _QuickSightResource(
        "QuickSightSource",
        "DataSource",
        {
            **_named("DataSourceId", ""),
            "Type": "POSTGRESQL",
            "DataSourceParameters": {
                "PostgreSqlParameters": {
                    # Not the proxy, which knows only the loader's secret.
                    "Host": given_or_new(GIVEN_DATABASE, Ref("DatabaseHost"), made),
                    "Port": Ref("DatabasePort"),
                    "Database": Ref("DatabaseName"),
                }
            },
            "Credentials": {"SecretArn": Ref("AnalystSecretArn")},
            "SslProperties": {"DisableSsl": False},
            "VpcConnectionProperties": If(IN_THE_VPC, connection, NoValue),
            "Permissions": _owned(_SOURCE_ACTIONS),
        },
        Condition=HAS_QUICKSIGHT,
    )


def _data_set(each: DataSet, names: SetNames) -> _QuickSightResource:
    contract = names.contract
    columns = [{"Name": name, "Type": kind} for name, kind in each.columns]
    return _QuickSightResource(
        names.title("DataSet", each.title),
        "DataSet",
        {
            **_named("DataSetId", names.ending(each.name)),
            "ImportMode": "SPICE",
            "PhysicalTableMap": {
                "view": {
                    "RelationalTable": {
                        "DataSourceArn": GetAtt("QuickSightSource", "Arn"),
                        "Schema": contract.schema,
                        "Name": f"{contract.table}_{each.name}",
                        "InputColumns": columns,
                    }
                }
            },
            "Permissions": _owned(_SET_ACTIONS),
        },
        Condition=HAS_QUICKSIGHT,
    )


def _refresh(each: DataSet, names: SetNames) -> _QuickSightResource:
    return _QuickSightResource(
        names.title("DataSetRefresh", each.title),
        "RefreshSchedule",
        {
            "AwsAccountId": Ref("AWS::AccountId"),
            "DataSetId": Sub(f"${{AWS::StackName}}{names.ending(each.name)}"),
            "Schedule": {
                "ScheduleId": "hourly",
                "RefreshType": "FULL_REFRESH",
                "ScheduleFrequency": {"Interval": "HOURLY"},
            },
        },
        Condition=HAS_QUICKSIGHT,
        DependsOn=[names.title("DataSet", each.title)],
    )


def _dashboard(sets: tuple[DataSet, ...], names: SetNames) -> _QuickSightResource:
    arns = {each.name: GetAtt(names.title("DataSet", each.title), "Arn") for each in sets}
    return _QuickSightResource(
        names.title("QuickSightDashboard"),
        "Dashboard",
        {
            **_named("DashboardId", names.ending()),
            "Definition": definition(names.contract, arns),
            "Permissions": _owned(_DASHBOARD_ACTIONS),
        },
        Condition=HAS_QUICKSIGHT,
    )


def _named(identifier: str, ending: str) -> dict[str, Any]:
    name = Sub(f"${{AWS::StackName}}{ending}")
    return {"AwsAccountId": Ref("AWS::AccountId"), identifier: name, "Name": name}


def _owned(actions: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {
            "Principal": Ref("QuickSightUser"),
            "Actions": [f"quicksight:{action}" for action in actions],
        }
    ]
