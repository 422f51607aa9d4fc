"""``run.customization`` and ``[own_functions]``: what a deployment of an own state consists of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etl.deployment.customization import (
    deployed_definition,
    load_customization,
    own_function_arns,
    previewed_definition,
)
from etl.deployment.pipeline_settings import PipelineSettings
from etl.deployment.settings_file import read_file
from etl.deployment.template_export import build_export
from infrastructure.settings import DatabaseSettings, DeploySettings
from tests.unit.conftest import plain_template
from workflow.own_states import CustomizationError

ACCOUNT, REGION = "123456789012", "eu-central-1"
ENRICH = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:plant-enrich"
CUSTOMIZE = """\
from etl.workflow import WorkflowEditor


def customize(workflow: WorkflowEditor) -> None:
    workflow.insert_before("Load", workflow.invoke("Enrich", "enrich"))
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "customize.py"
    path.write_text(CUSTOMIZE)
    return path


@pytest.fixture
def customized_settings(settings: DeploySettings, file: Path) -> DeploySettings:
    return replace(settings, customization=file, own_functions={"enrich": "plant-enrich"})


def statements(template: dict[str, Any]) -> dict[str, Any]:
    role = template["Resources"]["StateMachineRole"]["Properties"]
    (steps,) = [one for one in role["Policies"] if one["PolicyName"] == "Steps"]
    return {one.get("Sid", ""): one for one in steps["PolicyDocument"]["Statement"]}


def test_settings_name_the_file_and_the_functions(tmp_path, file):
    (tmp_path / "pipeline.toml").write_text(
        '[run]\ncustomization = "customize.py"\n[own_functions]\nenrich = "plant-enrich"\n'
    )
    pipeline = PipelineSettings(read_file(tmp_path / "pipeline.toml"))
    base = DeploySettings(stack="p", contract=file, database=DatabaseSettings(host="h"))
    applied = pipeline.applied_to(base, local=True)
    assert (applied.customization, applied.own_functions) == (file, {"enrich": "plant-enrich"})


def test_the_role_may_invoke_the_own_function_and_nothing_else_is_different(
    contract, artifacts, template, customized_settings
):
    definition = deployed_definition(customized_settings, account=ACCOUNT, region=REGION)
    changed = plain_template(contract, artifacts, customized_settings, definition)
    own = statements(changed)
    assert own.pop("InvokeOwn") == {
        "Sid": "InvokeOwn",
        "Effect": "Allow",
        "Action": ["lambda:InvokeFunction"],
        "Resource": [ENRICH],
    }
    assert own == statements(template)
    different = {n for n, r in template["Resources"].items() if r != changed["Resources"][n]}
    assert different == {"StateMachine", "StateMachineRole"}


def test_without_a_customization_the_template_is_byte_for_byte_the_same(
    contract, artifacts, template, settings
):
    named = replace(settings, own_functions={"enrich": "plant-enrich"})
    definition = deployed_definition(named, account=ACCOUNT, region=REGION)
    assert json.dumps(plain_template(contract, artifacts, named, definition)) == json.dumps(
        template
    )


def test_the_states_are_of_the_partition_that_is_deployed_to(customized_settings):
    found = deployed_definition(customized_settings, account=ACCOUNT, region="cn-north-1")
    enrich = found["States"]["Load batches"]["ItemProcessor"]["States"]["Enrich"]
    assert enrich["Resource"] == "arn:aws-cn:states:::lambda:invoke"
    assert enrich["Parameters"]["FunctionName"].startswith("arn:aws-cn:lambda:cn-north-1:1234")


def test_a_preview_asks_for_no_account(customized_settings):
    assert "function:plant-enrich" in json.dumps(previewed_definition(customized_settings, None))
    elsewhere = replace(customized_settings, own_functions={"enrich": ENRICH})
    assert ENRICH in json.dumps(previewed_definition(elsewhere, None))


def test_a_function_of_another_account_is_named_by_its_arn():
    other = ENRICH.replace(ACCOUNT, "999999999999") + ":live"
    found = own_function_arns({"a": other, "b": "b:$LATEST"}, account=ACCOUNT, region=REGION)
    assert found == {"a": other, "b": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:b:$LATEST"}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("plant enrich", "neither the name nor the ARN"),
        ("arn:aws:lambda:eu-central-1:123456789012:function:*", "neither the name nor the ARN"),
        ("arn:aws:s3:::bucket", "neither the name nor the ARN"),
        (ENRICH.replace(REGION, "us-east-1"), "is in another region"),
        (ENRICH.replace("aws", "aws-cn", 1), "is in another region"),
    ],
)
def test_what_is_no_function_of_the_region_is_refused(value, problem):
    with pytest.raises(CustomizationError, match=f"own_functions.enrich: .*{problem}"):
        own_function_arns({"enrich": value}, account=ACCOUNT, region=REGION)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("x = 1\n", "has no function customize"),
        ("customize = 1\n", "has no function customize"),
        ("def customize(workflow)\n", "customize.py, line 1: SyntaxError"),
        ("\nraise OSError('gone')\n", "customize.py, line 2: OSError: gone"),
        ("def customize(workflow):\n    workflow.insert('x')\n", "line 2: AttributeError"),
        ("def customize(workflow):\n    workflow.insert_before('Lod', 1)\n", "mean 'Load'"),
    ],
)
def test_a_file_that_can_not_be_used_is_explained(settings, file, source, problem):
    file.write_text(source)
    with pytest.raises(CustomizationError, match=problem):
        deployed_definition(replace(settings, customization=file), account=ACCOUNT, region=REGION)


def test_nothing_is_written_beside_the_file(file):
    load_customization(file)
    assert [path.name for path in file.parent.iterdir()] == ["customize.py"]


def test_an_exported_template_needs_the_arn(customized_settings):
    with pytest.raises(CustomizationError, match="write the ARN of the function"):
        build_export(customized_settings, None, region=REGION, bucket="artifacts")
