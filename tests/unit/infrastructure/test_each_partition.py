"""The templates and the printed policies are valid in GovCloud and in China as in other regions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from troposphere import Template

from etl.aws.partition import UnknownRegionError, partition_of
from etl.deployment.permissions import Part, cloudformation_policy, deployer_policy
from infrastructure.core import Artifacts, build_template
from infrastructure.platform import build_platform_template
from infrastructure.settings import DeploySettings
from telemetry.contract import Contract
from tests.unit.infrastructure.platform.deployments import NEW
from workflow.definition import in_partition

REGIONS = pytest.mark.parametrize(
    ("region", "partition"), [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")]
)
LINT = "import sys; from cfnlint.runner import main; sys.exit(main())"
MISSING_RESOURCE = "E3006"
"""cfn-lint's rule on a resource type that a region doesn't have: another matter than the partition."""
PARTS: tuple[Part, ...] = ("core", "platform", "quicksight")


@pytest.fixture
def built(
    contract: Contract,
    artifacts: Artifacts,
    settings: DeploySettings,
    definition: dict[str, Any],
    partition: str,
) -> dict[str, Template]:
    machine = in_partition(definition, partition)
    return {
        "core": build_template(contract, artifacts, settings, machine),
        "platform": build_platform_template(contract, NEW),
    }


def lint(file: Path, region: str, partition: str) -> Iterator[str]:
    command = [sys.executable, "-c", LINT, "--regions", region, "--format", "parseable", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines() + done.stderr.splitlines():
        # cfn-lint's pattern of an integration's ARN knows the commercial partition alone.
        unknown_partition = f"'arn:{partition}:states:::" in line and "'^arn:aws:" in line
        if not unknown_partition and MISSING_RESOURCE not in line:
            yield line


@REGIONS
@pytest.mark.parametrize("part", ["core", "platform"])
def test_cfn_lint_finds_nothing_in_the_region(
    built: dict[str, Template], part: str, region: str, partition: str, tmp_path: Path
) -> None:
    file = tmp_path / f"{part}.json"
    file.write_text(built[part].to_json(), encoding="utf-8")
    assert list(lint(file, region, partition)) == []


@REGIONS
def test_nothing_names_the_commercial_partition(
    built: dict[str, Template], region: str, partition: str
) -> None:
    where = ("plant", "123456789012", region)
    printed = [deployer_policy(*where), *(cloudformation_policy(part, *where) for part in PARTS)]
    texts = [json.dumps(policy) for policy in printed]
    texts += [template.to_json() for template in built.values()]
    for text in texts:
        assert "arn:aws:" not in text
        assert f"arn:{partition}:" in text or "AWS::Partition" in text


def test_the_partition_of_a_region() -> None:
    assert partition_of("eu-central-1") == "aws"
    assert partition_of("cn-northwest-1") == "aws-cn"
    with pytest.raises(UnknownRegionError, match="AWS has no region 'moon-1'"):
        partition_of("moon-1")
