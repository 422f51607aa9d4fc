"""The whole platform template: a pure function of contracts and settings.

Modules by concern: ``settings`` (parameters), ``conditions``, ``rules``, ``key``, ``network``,
``endpoints``, ``security_groups``, ``database``, ``proxy``, ``alarms``, ``composites``,
``quicksight``, ``budget_and_traces``. Modules refer to each other's resources by logical
id; ``cfn-lint`` checks that every reference holds, and a property test that none dangles under any
combination of parameters.
"""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, If, Join, Output, Ref, Template

from infrastructure.parameters import add_parameters
from infrastructure.platform.alarms import add_alarms
from infrastructure.platform.budget_and_traces import add_budget, add_trace_group
from infrastructure.platform.composites import add_composites
from infrastructure.platform.conditions import (
    GIVEN_DATABASE,
    HAS_DATABASE,
    HAS_NETWORK,
    HAS_PROXY,
    NEW_DATABASE,
    NEW_NETWORK,
    add_conditions,
    given_or_new,
)
from infrastructure.platform.database import add_database
from infrastructure.platform.endpoints import add_endpoints
from infrastructure.platform.key import add_key
from infrastructure.platform.network import add_network, subnets, vpc
from infrastructure.platform.proxy import add_proxy
from infrastructure.platform.quicksight import add_quicksight
from infrastructure.platform.rules import add_rules
from infrastructure.platform.security_groups import add_security_groups
from infrastructure.platform.settings import PlatformSettings
from infrastructure.regions import BUDGET, QUICKSIGHT, lacking
from infrastructure.role_settings import limit_roles
from telemetry.contract import ContractSet

__all__ = ["build_platform_template"]


def build_platform_template(
    contracts: ContractSet, settings: PlatformSettings, region: str = ""
) -> Template:
    """The template of what only AWS can host, beside the pipeline of the contracts.

    Resources that ``region`` has no types for are left out; empty: none is.
    All choices but those of its roles are parameters, so ``settings`` names the stack and the
    roles' boundary and path; its
    :meth:`~infrastructure.platform.settings.PlatformSettings.parameters` go with the template.
    """
    template = Template(Description=f"Telemetry ETL: platform of {', '.join(contracts.names)}")
    template.set_version("2010-09-09")
    add_parameters(template, PlatformSettings)
    add_conditions(template)
    add_rules(template)
    add_key(template)
    add_network(template)
    add_endpoints(template)
    add_security_groups(template)
    add_database(template)
    add_proxy(template)
    add_alarms(template)
    add_composites(template)
    add_trace_group(template)
    if not lacking(region, QUICKSIGHT):
        add_quicksight(template, contracts)
    if not lacking(region, BUDGET):
        add_budget(template)
    _add_outputs(template)
    limit_roles(template, settings.roles)
    template.metadata.update({"Contract": {"Name": contracts.first.name}, "Stack": settings.stack})
    return template


def _add_outputs(template: Template) -> None:
    """Add the values of the core's parameters, by their names, and those that a deployment
    reads."""
    made = GetAtt("DatabaseInstance", "Endpoint.Address")
    database = given_or_new(GIVEN_DATABASE, Ref("DatabaseHost"), made)
    owner = GetAtt("DatabaseInstance", "MasterUserSecret.SecretArn")
    outputs: dict[str, tuple[Any, str]] = {
        "DatabaseHost": (
            If(HAS_PROXY, GetAtt("DatabaseProxy", "Endpoint"), database),
            HAS_DATABASE,
        ),
        "OwnerDatabaseHost": (database, HAS_DATABASE),
        "DatabasePort": (Ref("DatabasePort"), HAS_DATABASE),
        "DatabaseName": (Ref("DatabaseName"), HAS_DATABASE),
        "OwnerSecretArn": (
            given_or_new(GIVEN_DATABASE, Ref("OwnerSecretArn"), owner),
            HAS_DATABASE,
        ),
        "OwnerKeyArn": (GetAtt("PlatformKey", "Arn"), NEW_DATABASE),
        "SubnetIds": (Join(",", subnets()), HAS_NETWORK),
        "SecurityGroupIds": (GetAtt("FunctionsGroup", "GroupId"), HAS_NETWORK),
        "VpcId": (vpc(), HAS_NETWORK),
        "DefaultSecurityGroupId": (GetAtt("Vpc", "DefaultSecurityGroup"), NEW_NETWORK),
        "DatabaseInstanceId": (Ref("DatabaseInstance"), NEW_DATABASE),
        "DatabaseSecurityGroupId": (GetAtt("DatabaseGroup", "GroupId"), NEW_DATABASE),
        "ProxyEndpoint": (GetAtt("DatabaseProxy", "Endpoint"), HAS_PROXY),
    }
    for name, (value, condition) in outputs.items():
        template.add_output(Output(name, Condition=condition, Value=value))
