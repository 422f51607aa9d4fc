"""Conditions that the parameters switch.

A condition includes everything that its resources refer to: a forgotten parameter leaves a part out
instead of breaking the stack (and :mod:`infrastructure.platform.rules` says which one it was).
"""

from __future__ import annotations

from typing import Any

from troposphere import And, Condition, Equals, If, Join, Not, Or, Ref, Template

__all__ = [
    "ADDRESSED_DATABASE",
    "GIVEN_CLUSTER",
    "GIVEN_DATABASE",
    "GIVEN_INSTANCE",
    "GIVEN_NETWORK",
    "GIVEN_SECRETS_ENDPOINT",
    "GROUPED_DATABASE",
    "HAS_BUDGET",
    "HAS_BUDGET_TAG",
    "HAS_CORE",
    "HAS_DATABASE",
    "HAS_DATABASE_GROUP",
    "HAS_ENDPOINTS",
    "HAS_KEY",
    "HAS_NETWORK",
    "HAS_PROXY",
    "HAS_TRACE_GROUP",
    "IN_CHINA",
    "MONITORED_DATABASE",
    "NEW_DATABASE",
    "NEW_NETWORK",
    "OBSERVES_FULL",
    "OBSERVES_STANDARD",
    "S3_ENDPOINT",
    "SECRETS_ENDPOINT",
    "THREE_ZONES",
    "XRAY_ENDPOINT",
    "add_conditions",
    "filled",
    "given_or_new",
]

NEW_NETWORK = "NewNetwork"
GIVEN_NETWORK = "GivenNetwork"
HAS_NETWORK = "HasNetwork"
IN_CHINA = "InChina"
THREE_ZONES = "ThreeZones"
S3_ENDPOINT = "MakesS3Endpoint"
SECRETS_ENDPOINT = "MakesSecretsEndpoint"
XRAY_ENDPOINT = "MakesXrayEndpoint"
GIVEN_SECRETS_ENDPOINT = "GivenSecretsEndpoint"
HAS_ENDPOINTS = "MakesInterfaceEndpoints"
NEW_DATABASE = "NewDatabase"
GIVEN_DATABASE = "GivenDatabase"
GIVEN_INSTANCE = "GivenInstance"
GIVEN_CLUSTER = "GivenCluster"
GROUPED_DATABASE = "GivenDatabaseWithGroup"
ADDRESSED_DATABASE = "GivenDatabaseByAddress"
HAS_DATABASE_GROUP = "DatabaseWithGroup"
PROXY_TARGET = "DatabaseForProxy"
HAS_DATABASE = "HasDatabase"
HAS_KEY = "HasKey"
HAS_CORE = "HasCore"
HAS_PROXY = "HasProxy"
MONITORED_DATABASE = "WatchedDatabase"
HAS_TRACE_GROUP = "HasTraceGroup"
HAS_BUDGET = "HasBudget"
HAS_BUDGET_TAG = "HasBudgetTag"
OBSERVES_STANDARD = "CoreObservesStandard"
OBSERVES_FULL = "CoreObservesFull"


def given_or_new(condition: str, given: Any, new: Any) -> If:
    """The given value under its condition, or else the new one that the stack creates.

    In this order ``cfn-lint`` sees that a parameter which may be empty is not, where it is used.
    """
    return If(condition, given, new)


def add_conditions(template: Template) -> None:
    """Add all conditions, each from parameters and conditions before it."""
    for name, rule in {**_network(), **_database(), **_second_phase(), **_money()}.items():
        template.add_condition(name, rule)


def filled(parameter: str) -> Not:
    """Condition that a parameter is not empty."""
    return Not(Equals(Ref(parameter), ""))


def _filled_list(parameter: str) -> Not:
    return Not(Equals(Join("", Ref(parameter)), ""))


def _network() -> dict[str, Any]:
    return {
        NEW_NETWORK: Equals(Ref("Network"), "new"),
        GIVEN_NETWORK: And(Equals(Ref("Network"), "given"), filled("VpcId")),
        HAS_NETWORK: Or(Condition(NEW_NETWORK), Condition(GIVEN_NETWORK)),
        THREE_ZONES: And(Condition(NEW_NETWORK), Equals(Ref("Zones"), "3")),
        S3_ENDPOINT: Or(
            Condition(NEW_NETWORK), And(Condition(GIVEN_NETWORK), _filled_list("RouteTableIds"))
        ),
        SECRETS_ENDPOINT: And(Condition(HAS_NETWORK), Equals(Ref("SecretsSecurityGroupId"), "")),
        GIVEN_SECRETS_ENDPOINT: And(Condition(HAS_NETWORK), filled("SecretsSecurityGroupId")),
        XRAY_ENDPOINT: And(Condition(HAS_NETWORK), Equals(Ref("XrayEndpoint"), "true")),
        IN_CHINA: Equals(Ref("AWS::Partition"), "aws-cn"),
        HAS_ENDPOINTS: Or(Condition(SECRETS_ENDPOINT), Condition(XRAY_ENDPOINT)),
    }


def _database() -> dict[str, Any]:
    given = (Condition(HAS_NETWORK), Condition(GIVEN_DATABASE))
    return {
        GIVEN_DATABASE: And(
            Equals(Ref("Database"), "given"), filled("DatabaseHost"), filled("OwnerSecretArn")
        ),
        GIVEN_INSTANCE: And(Condition(GIVEN_DATABASE), filled("DatabaseInstanceId")),
        GIVEN_CLUSTER: And(Condition(GIVEN_DATABASE), filled("DatabaseClusterId")),
        NEW_DATABASE: And(Condition(HAS_NETWORK), Equals(Ref("Database"), "new")),
        GROUPED_DATABASE: And(*given, filled("DatabaseSecurityGroupId")),
        ADDRESSED_DATABASE: And(
            *given, Equals(Ref("DatabaseSecurityGroupId"), ""), filled("DatabaseCidr")
        ),
        HAS_DATABASE_GROUP: Or(Condition(NEW_DATABASE), Condition(GROUPED_DATABASE)),
        PROXY_TARGET: Or(
            Condition(NEW_DATABASE),
            And(
                Condition(GROUPED_DATABASE), Or(Condition(GIVEN_INSTANCE), Condition(GIVEN_CLUSTER))
            ),
        ),
        HAS_DATABASE: Or(Condition(NEW_DATABASE), Condition(GIVEN_DATABASE)),
    }


def _second_phase() -> dict[str, Any]:
    return {
        HAS_CORE: And(filled("CoreStack"), filled("AlertTopicArn"), filled("QueueName")),
        HAS_PROXY: And(
            Condition(HAS_CORE),
            Condition(PROXY_TARGET),
            Equals(Ref("Proxy"), "true"),
            filled("LoaderSecretArn"),
            filled("CoreKeyArn"),
        ),
        HAS_KEY: Or(Condition(NEW_NETWORK), Condition(NEW_DATABASE), Condition(HAS_PROXY)),
        MONITORED_DATABASE: And(
            Condition(HAS_CORE), Or(Condition(NEW_DATABASE), Condition(GIVEN_INSTANCE))
        ),
        HAS_TRACE_GROUP: And(Condition(HAS_CORE), filled("TraceGroupName")),
        OBSERVES_STANDARD: Or(
            Equals(Ref("Observability"), "standard"), Equals(Ref("Observability"), "full")
        ),
        OBSERVES_FULL: Equals(Ref("Observability"), "full"),
    }


def _money() -> dict[str, Any]:
    return {
        HAS_BUDGET: Not(Equals(Ref("MonthlyBudget"), "0")),
        HAS_BUDGET_TAG: filled("BudgetTag"),
    }
