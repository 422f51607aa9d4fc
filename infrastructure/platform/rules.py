"""Which combinations of parameters make no sense: CloudFormation refuses them before it begins.

They say on the console what :func:`infrastructure.platform.settings.settings_problems` says on the
command line. Rules know fewer functions than conditions do:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-rules.html
(read 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from troposphere import And, Equals, Not, Or, Ref, Template

from infrastructure.platform.conditions import filled
from infrastructure.platform.settings import PROXY_PORT

__all__ = ["add_rules"]


@dataclass(frozen=True)
class Rule:
    """Under a condition, each assertion (with what to tell) has to hold."""

    name: str
    when: Any
    assertions: tuple[tuple[Any, str], ...]


_IN_A_VPC = Not(Equals(Ref("Network"), "none"))
_GIVEN_DATABASE = Equals(Ref("Database"), "given")
_WITH_PROXY = Equals(Ref("Proxy"), "true")


def add_rules(template: Template) -> None:
    """Every rule."""
    for rule in (*_network(), *_database(), *_proxy(), *_second_phase()):
        told = [{"Assert": holds, "AssertDescription": text} for holds, text in rule.assertions]
        template.add_rule(f"{rule.name}Rule", {"RuleCondition": rule.when, "Assertions": told})


def _needs(what: str, *parameters: str) -> tuple[tuple[Any, str], ...]:
    return tuple((filled(name), f"{what} needs {name}.") for name in parameters)


def _network() -> Iterator[Rule]:
    subnets = Not({"Fn::EachMemberEquals": [Ref("SubnetIds"), ""]})
    yield Rule("PrefixList", _IN_A_VPC, _needs("A VPC", "S3PrefixListId"))
    yield Rule(
        "GivenVpc",
        Equals(Ref("Network"), "given"),
        (
            *_needs("Network = given", "VpcId"),
            (subnets, "Network = given needs SubnetIds."),
        ),
    )
    yield Rule(
        "NewDatabaseNeedsVpc",
        Equals(Ref("Database"), "new"),
        ((_IN_A_VPC, "A new database needs a VPC: Network = new or given."),),
    )


def _database() -> Iterator[Rule]:
    reached = Or(filled("DatabaseSecurityGroupId"), filled("DatabaseCidr"))
    yield Rule(
        "GivenDatabase",
        _GIVEN_DATABASE,
        _needs("Database = given", "DatabaseHost", "OwnerSecretArn"),
    )
    yield Rule(
        "GivenDatabaseInVpc",
        And(_GIVEN_DATABASE, _IN_A_VPC),
        ((reached, "A given database needs DatabaseSecurityGroupId or DatabaseCidr."),),
    )


def _proxy() -> Iterator[Rule]:
    instance, cluster = filled("DatabaseInstanceId"), filled("DatabaseClusterId")
    either = Or(And(instance, Not(cluster)), And(cluster, Not(instance)))
    port = Equals(Ref("DatabasePort"), str(PROXY_PORT))
    yield Rule(
        "ProxyNeedsVpc",
        _WITH_PROXY,
        (
            (_IN_A_VPC, "A proxy needs a VPC: Network = new or given."),
            (port, f"A proxy needs DatabasePort = {PROXY_PORT}."),
        ),
    )
    yield Rule(
        "ProxyToGivenDatabase",
        And(_WITH_PROXY, _GIVEN_DATABASE),
        (
            (either, "A proxy needs DatabaseInstanceId or DatabaseClusterId, and not both."),
            *_needs("A proxy", "DatabaseSecurityGroupId"),
        ),
    )


def _second_phase() -> Iterator[Rule]:
    core = filled("CoreStack")
    yield Rule("Core", core, _needs("CoreStack", "AlertTopicArn", "QueueName"))
    yield Rule(
        "ProxyOfCore",
        And(_WITH_PROXY, core),
        _needs("A proxy", "LoaderSecretArn", "CoreKeyArn"),
    )
    yield Rule(
        "BudgetIsTold",
        Not(Equals(Ref("MonthlyBudget"), "0")),
        _needs("MonthlyBudget", "BudgetEmail"),
    )
