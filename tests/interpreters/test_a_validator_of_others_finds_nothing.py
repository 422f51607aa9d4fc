"""asl-validator, with every path and every ARN, finds nothing in any variant of the definition."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from functions.inventory import FUNCTIONS
from tests.interpreters.adaptations import MAP, adapted
from tests.interpreters.conftest import PACKAGES, PROGRAMS
from workflow.definition import definition_json, resolve
from workflow.settings import DefinitionSettings

pytestmark = pytest.mark.slow

PARTITIONS = {"aws": "eu-west-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}

Definition = dict[str, Any]
Validate = Callable[[list[Definition]], list[str]]


@pytest.fixture
def validate(node: str) -> Validate:
    def run(definitions: list[Definition]) -> list[str]:
        command = [node, str(PROGRAMS / "validate.cjs"), str(PACKAGES)]
        text = json.dumps(definitions)
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        found: list[str] = json.loads(done.stdout)
        return found

    return run


def variants() -> list[Definition]:
    """Of each partition, with the shortest and the longest time-out; and as others run it."""
    found = []
    for partition, region in PARTITIONS.items():
        arn = f"arn:{partition}:lambda:{region}:123456789012:function:telemetry-"
        values = {f"{spec.title}FunctionArn": arn + spec.package for spec in FUNCTIONS}
        values |= {
            "DataBucketName": "telemetry-databucket",
            "TopicArn": f"arn:{partition}:sns:{region}:123456789012:alerts",
            "Partition": partition,
        }
        for seconds in (1, 6 * 60 * 60, 365 * 24 * 60 * 60):
            settings = DefinitionSettings(execution_timeout_seconds=seconds)
            found.append(resolve(definition_json(settings, partition), values))
            text = json.dumps(found[-1])
            assert "${" not in text
            assert set(re.findall(r"arn:(aws[a-z-]*):", text)) == {partition}
    return [*found, *(adapted(found[0], name) for name in ("moto", "node"))]


def test_every_variant_is_valid(validate: Validate) -> None:
    assert set(validate(variants())) == {""}


def _without_a_target(definition: Definition) -> None:
    definition["States"]["Summarize"]["Next"] = "Nowhere"


def _with_a_broken_path(definition: Definition) -> None:
    definition["States"]["Anything staged?"]["Choices"][-1]["Variable"] = "$.["


def _with_two_ends(definition: Definition) -> None:
    definition["States"][MAP]["ItemProcessor"]["States"]["Load"]["Next"] = "Transform"


@pytest.mark.parametrize("damage", [_without_a_target, _with_a_broken_path, _with_two_ends])
def test_damage_is_found(validate: Validate, damage: Callable[[Definition], None]) -> None:
    definition = copy.deepcopy(variants()[0])
    damage(definition)
    (found,) = validate([definition])
    assert found
