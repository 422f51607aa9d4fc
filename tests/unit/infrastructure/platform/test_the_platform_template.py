"""The platform template: its golden table, cfn-lint, parameters and outputs."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from infrastructure.core.build import template_json
from infrastructure.platform.build import build_platform_template
from telemetry.contract import ContractSet
from tests.fixtures.golden_files import check_golden_text
from tests.fixtures.template_table import template_table
from tests.unit.infrastructure.platform.deployments import SETTINGS
from tests.unit.infrastructure.platform.resolving import Resolved
from workflow.limits import TEMPLATE

CFN_LINT = "import sys; from cfnlint.runner import main; sys.exit(main())"
DEPLOYMENTS = (
    "everything",
    "alarms only",
    "given network, given cluster with a proxy",
    "given network, given instance with a proxy",
    "given network with endpoints, given database by address",
)
"""Names of :data:`SETTINGS` that together have every part of the template."""
MOST_RESOURCES, MOST_PARAMETERS, MOST_OUTPUTS = 500, 200, 200
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html (2026-11)"""


def with_defaults(template, parameters: dict[str, str]):
    """The template as it is when its parameters are these: cfn-lint looks at defaults."""
    changed = json.loads(json.dumps(template))
    for name, value in parameters.items():
        kind = changed["Parameters"][name]["Type"]
        changed["Parameters"][name]["Default"] = int(value) if kind == "Number" else value
    return changed


def test_the_template_is_the_reviewed_one(template):
    check_golden_text(__file__, "platform.md", template_table(template, {}))


@pytest.mark.slow
def test_cfn_lint_finds_nothing_in_a_deployment(template, tmp_path):
    """``make audit`` checks the template with its own defaults."""
    files = []
    for name in DEPLOYMENTS:
        given = with_defaults(template, SETTINGS[name].parameters())
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(given))
    command = [sys.executable, "-c", CFN_LINT, "--include-checks", "I", "-t", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_same_template_serves_every_deployment(contract):
    made = {
        template_json(build_platform_template(ContractSet((contract,)), one))
        for one in SETTINGS.values()
    }
    assert len(made) == 1


def test_the_template_fits_into_a_request_and_cloudformations_limits(contract, template):
    text = template_json(build_platform_template(ContractSet((contract,)), SETTINGS["everything"]))
    assert len(text) < TEMPLATE.most / 4
    assert len(template["Resources"]) < MOST_RESOURCES
    assert len(template["Parameters"]) < MOST_PARAMETERS
    assert len(template["Outputs"]) < MOST_OUTPUTS


@pytest.mark.parametrize("name", SETTINGS)
def test_the_parameters_of_a_deployment_are_ones_that_cloudformation_takes(template, name):
    for parameter, value in SETTINGS[name].parameters().items():
        rule = template["Parameters"][parameter]
        assert re.fullmatch(rule.get("AllowedPattern", ".*"), value), parameter
        assert value in [str(v) for v in rule.get("AllowedValues", [value])], parameter
        if rule["Type"] == "Number":
            assert rule.get("MinValue", 0) <= int(value) <= rule.get("MaxValue", 10**9), parameter


def test_every_parameter_is_used(template):
    body = {name: template[name] for name in ("Conditions", "Resources", "Outputs")}
    text = json.dumps(body)
    unused = [
        name
        for name in template["Parameters"]
        if f'{{"Ref": "{name}"}}' not in text and f"${{{name}}}" not in text
    ]
    assert unused == []


def test_no_name_stands_for_two_things(template):
    sections = ("Parameters", "Resources", "Conditions", "Rules")
    names = [name for section in sections for name in template[section]]
    assert len(names) == len(set(names))


def test_rules_use_only_functions_that_rules_know(template):
    known = {"And", "Or", "Not", "Equals", "Contains", "EachMemberEquals", "EachMemberIn"}
    used = set(re.findall(r'"Fn::(\w+)"', json.dumps(template["Rules"])))
    assert used <= known
    assert '"Condition":' not in json.dumps(template["Rules"])


def test_every_parameter_is_explained_and_has_its_place_on_the_console(template):
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    placed = [p for group in interface["ParameterGroups"] for p in group["Parameters"]]
    assert sorted(placed) == sorted(template["Parameters"])
    assert all(parameter["Description"] for parameter in template["Parameters"].values())


@pytest.mark.parametrize("name", SETTINGS)
def test_a_sensible_deployment_breaks_no_rule(template, name):
    assert Resolved(template, SETTINGS[name].parameters()).broken_rules() == []


def test_what_the_core_needs_is_an_output(template):
    told = Resolved(template, SETTINGS["everything"].parameters()).outputs
    assert set(told) >= {
        "DatabaseHost",
        "OwnerDatabaseHost",
        "DatabasePort",
        "DatabaseName",
        "OwnerSecretArn",
        "OwnerKeyArn",
        "SubnetIds",
        "SecurityGroupIds",
    }
    assert told["DatabaseHost"]["Value"] == {"Fn::GetAtt": ["DatabaseProxy", "Endpoint"]}
    assert told["OwnerDatabaseHost"]["Value"] == {
        "Fn::GetAtt": ["DatabaseInstance", "Endpoint.Address"]
    }


def test_alarms_alone_make_neither_network_nor_database(template):
    made = Resolved(template, SETTINGS["alarms only"].parameters()).resources
    kinds = {resource["Type"] for resource in made.values()}
    assert kinds == {
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::CompositeAlarm",
        "AWS::XRay::Group",
    }


def test_what_is_paid_for_by_the_hour_can_be_left_out(template):
    least = Resolved(template, SETTINGS["new network and database"].parameters()).resources
    kinds = [resource["Type"] for resource in least.values()]
    assert kinds.count("AWS::EC2::VPCEndpoint") == 2
    assert "AWS::RDS::DBProxy" not in kinds
    assert "AWS::Budgets::Budget" not in kinds
