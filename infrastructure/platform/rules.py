"""Combinations of parameters that make no sense: CloudFormation refuses them before it begins.

The command line evaluates the same rules before anything is sent (:func:`settings_problems`).
Rules know fewer functions than conditions do:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-rules.html
(read 2026-11). The text of an assertion names parameters in braces: CloudFormation shows
``{VpcId}`` as ``VpcId``, the command line as ``vpc_id``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from troposphere import And, Equals, Not, Or, Ref, Template, encode_to_dict

from infrastructure.platform.conditions import filled
from infrastructure.platform.limits import INSTANCE_NAME
from infrastructure.platform.settings import PlatformSettings
from infrastructure.setting_fields import settings_of
from telemetry.errors import UserError

__all__ = ["PlatformSettingsError", "add_rules", "check_settings", "settings_problems"]

PROXY_PORT = 5432
"""The port of a PostgreSQL proxy can't be given_or_new; Load and Migrate share theirs."""
_FUNCTIONS: dict[str, Callable[..., bool]] = {
    "Fn::Equals": lambda one, other: one == other,
    "Fn::EachMemberEquals": lambda texts, other: all(one == other for one in texts.split(",")),
    "Fn::Not": lambda one: not one,
    "Fn::And": lambda *all_of: all(all_of),
    "Fn::Or": lambda *any_of: any(any_of),
}
"""The functions that the rules use, as CloudFormation evaluates them."""
_RDS_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class PlatformSettingsError(UserError):
    """Raised when settings contradict one another; lists every problem, and what to do."""


@dataclass(frozen=True)
class Rule:
    """Assertions, each with its message, that have to hold under a condition."""

    name: str
    when: Any
    assertions: tuple[tuple[Any, str], ...]


_IN_A_VPC = Not(Equals(Ref("Network"), "none"))
_GIVEN_DATABASE = Equals(Ref("Database"), "given")
_WITH_PROXY = Equals(Ref("Proxy"), "true")


def add_rules(template: Template) -> None:
    """Add every rule."""
    names = {name: name for name in _setting_names()}
    for rule in _rules():
        assertions = [
            {"Assert": holds, "AssertDescription": text.format_map(names)}
            for holds, text in rule.assertions
        ]
        template.add_rule(
            f"{rule.name}Rule", {"RuleCondition": rule.when, "Assertions": assertions}
        )


def check_settings(settings: PlatformSettings) -> None:
    """Raise :class:`PlatformSettingsError` listing every problem, if there is any."""
    problems = list(settings_problems(settings))
    if problems:
        raise PlatformSettingsError("The platform's settings:\n  " + "\n  ".join(problems))


def settings_problems(settings: PlatformSettings) -> Iterator[str]:
    """Every contradiction, one sentence each: the rules of the template, and what no rule of
    CloudFormation can compare."""
    yield from _name_problems(settings)
    yield from _broken_rules(settings)
    if settings.network == "given" and len(settings.subnet_ids) == 1:
        yield "network = given needs subnet_ids: two or more private subnets."
    if settings.database == "new" and settings.most_storage_gb <= settings.storage_gb:
        yield "most_storage_gb must be larger than storage_gb, or the database could not grow."


def _name_problems(settings: PlatformSettings) -> Iterator[str]:
    """Problems of the stack's name, which is the database's and the proxy's name too: RDS turns
    names into lower case, and the log groups created for them would not match."""
    if settings.database != "new" and not settings.proxy:
        return
    if not _RDS_NAME.fullmatch(settings.stack) or len(settings.stack) > INSTANCE_NAME.most:
        yield (
            f"stack names database and proxy, so it must be lower-case letters, digits and single "
            f"hyphens, {INSTANCE_NAME.most} characters at most, not {settings.stack!r}."
        )


def _broken_rules(settings: PlatformSettings) -> Iterator[str]:
    """Messages of the assertions that do not hold for these settings."""
    values, names = settings.parameters(), _setting_names()
    for rule in _rules():
        if not _evaluate(encode_to_dict(rule.when), values):
            continue
        for holds, text in rule.assertions:
            if not _evaluate(encode_to_dict(holds), values):
                yield text.format_map(names)


def _setting_names() -> dict[str, str]:
    """Name of the setting by its parameter."""
    return {one.parameter: one.path[-1] for one in settings_of(PlatformSettings) if one.parameter}


def _evaluate(expression: Any, values: Mapping[str, str]) -> Any:
    """Result of a rule function in its JSON form."""
    if not isinstance(expression, dict):
        return expression
    ((function, operands),) = expression.items()
    if function == "Ref":
        return values[operands]
    return _FUNCTIONS[function](*(_evaluate(one, values) for one in operands))


def _rules() -> Iterator[Rule]:
    yield from _network()
    yield from _database()
    yield from _proxy()
    yield from _core_and_budget()


def _needs(what: str, *parameters: str) -> tuple[tuple[Any, str], ...]:
    return tuple((filled(name), f"{what} needs {{{name}}}.") for name in parameters)


def _network() -> Iterator[Rule]:
    subnets = Not({"Fn::EachMemberEquals": [Ref("SubnetIds"), ""]})
    prefix_list = "A VPC needs {S3PrefixListId}: `aws ec2 describe-prefix-lists` shows it."
    yield Rule("PrefixList", _IN_A_VPC, ((filled("S3PrefixListId"), prefix_list),))
    yield Rule(
        "GivenVpc",
        Equals(Ref("Network"), "given"),
        (
            *_needs("{Network} = given", "VpcId"),
            (subnets, "{Network} = given needs {SubnetIds}: two or more private subnets."),
        ),
    )
    yield Rule(
        "NewDatabaseNeedsVpc",
        Equals(Ref("Database"), "new"),
        ((_IN_A_VPC, "A new database needs a VPC: choose {Network} = new or given."),),
    )


def _database() -> Iterator[Rule]:
    reached = Or(filled("DatabaseSecurityGroupId"), filled("DatabaseCidr"))
    yield Rule(
        "GivenDatabase",
        _GIVEN_DATABASE,
        _needs("{Database} = given", "DatabaseHost", "OwnerSecretArn"),
    )
    yield Rule(
        "GivenDatabaseInVpc",
        And(_GIVEN_DATABASE, _IN_A_VPC),
        (
            (
                reached,
                "{Database} = given in a VPC needs {DatabaseSecurityGroupId} or {DatabaseCidr}, or "
                "the functions could not reach it.",
            ),
        ),
    )


def _proxy() -> Iterator[Rule]:
    instance, cluster = filled("DatabaseInstanceId"), filled("DatabaseClusterId")
    either = Or(And(instance, Not(cluster)), And(cluster, Not(instance)))
    port = Equals(Ref("DatabasePort"), str(PROXY_PORT))
    to_given = "A proxy to a given database"
    yield Rule(
        "ProxyNeedsVpc",
        _WITH_PROXY,
        (
            (_IN_A_VPC, "A proxy needs a VPC: choose {Network} = new or given."),
            (
                port,
                f"A proxy listens on {PROXY_PORT}, so {{DatabasePort}} must be {PROXY_PORT} too.",
            ),
        ),
    )
    yield Rule(
        "ProxyToGivenDatabase",
        And(_WITH_PROXY, _GIVEN_DATABASE),
        (
            (
                either,
                f"{to_given} needs {{DatabaseInstanceId}} or {{DatabaseClusterId}}, not both.",
            ),
            *_needs(to_given, "DatabaseSecurityGroupId"),
        ),
    )


def _core_and_budget() -> Iterator[Rule]:
    core = filled("CoreStack")
    yield Rule("Core", core, _needs("{CoreStack}", "AlertTopicArn", "QueueName"))
    yield Rule(
        "ProxyOfCore",
        And(_WITH_PROXY, core),
        _needs("A proxy", "LoaderSecretArn", "CoreKeyArn"),
    )
    email = "{MonthlyBudget} needs {BudgetEmail}, or no one would be notified."
    yield Rule(
        "BudgetNeedsEmail",
        Not(Equals(Ref("MonthlyBudget"), "0")),
        ((filled("BudgetEmail"), email),),
    )
