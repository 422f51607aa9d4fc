"""The list of what regions lack is CloudFormation's own, and templates keep to it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import cfnlint
import pytest

from infrastructure.platform.build import build_platform_template
from infrastructure.regions import REGIONS_FILE, region_problems
from telemetry.contract import Contract, ContractSet
from tests.unit.etl.deployment.schemas import types_of
from tests.unit.infrastructure.platform.deployments import EVERYTHING, NEW

PROVIDERS = Path(cfnlint.__file__).parent / "data" / "schemas" / "providers"
REGIONS = sorted(path.stem for path in PROVIDERS.glob("*-*.json"))
LACKING_BUDGETS, LACKING_QUICKSIGHT, LACKING_PROXY = "eu-north-1", "us-west-1", "ap-east-2"


def types_in(region: str) -> set[str]:
    return set(json.loads((PROVIDERS / f"{region}.json").read_text()))


def test_the_list_is_that_of_the_schemas(templates, provisioning_template):
    wanted = types_of(provisioning_template) | types_of(templates["platform"])
    assert types_of(templates["core"]) < wanted
    found = {region: sorted(wanted - types_in(region)) for region in REGIONS}
    if os.environ.get("UPDATE_GOLDEN"):
        REGIONS_FILE.write_text(json.dumps(found, indent=1) + "\n")
    assert json.loads(REGIONS_FILE.read_text()) == found, "UPDATE_GOLDEN=1 writes it anew"


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_takes_both_templates_or_is_refused(templates, contract: Contract, region: str):
    assert types_of(templates["core"]) <= types_in(region)
    built = types_of(build_platform_template(ContractSet((contract,)), NEW, region).to_dict())
    assert built <= types_in(region) or any("[platform]" in p for p in region_problems(region, NEW))


@pytest.mark.parametrize(
    ("region", "sentence"),
    [
        (LACKING_BUDGETS, "platform.monthly_budget can't be used in eu-north-1"),
        (LACKING_QUICKSIGHT, "platform.quicksight_user can't be used in us-west-1"),
        (
            LACKING_PROXY,
            "[platform] can't be used in ap-east-2: its CloudFormation has no AWS::RDS",
        ),
        ("eu-centrall-1", "'eu-centrall-1' is not a region of AWS: did you mean eu-central-1?"),
    ],
)
def test_what_a_region_lacks_is_refused_by_name(region: str, sentence: str):
    assert any(sentence in problem for problem in region_problems(region, EVERYTHING))


@pytest.mark.parametrize("region", REGIONS)
def test_fleet_provisioning_is_refused_where_its_type_is_missing(
    provisioning_template, region: str
):
    problems = list(region_problems(region, None, fleet_provisioning=True))
    if types_of(provisioning_template) <= types_in(region):
        assert problems == []
    else:
        assert problems == [
            f"devices.fleet_provisioning can't be used in {region}: its CloudFormation has no "
            "AWS::IoT::ProvisioningTemplate"
        ]


def test_a_region_without_budgets_is_usable_without_one():
    without = replace(EVERYTHING, monthly_budget=0, budget_email="", budget_tag="")
    assert not list(region_problems(LACKING_BUDGETS, without))
    assert not list(region_problems("eu-central-1", EVERYTHING))
    assert not list(region_problems(LACKING_PROXY, None))
