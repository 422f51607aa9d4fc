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
from etl.deployment.preconditions import check_preconditions
from etl.deployment.settings_file import SettingsError
from etl.doctor.policy import doctor_policy
from etl.operations.permissions import OPERATORS, operator_policy
from infrastructure.core.build import Artifacts, build_template
from infrastructure.platform.build import build_platform_template
from infrastructure.settings import DeploySettings
from telemetry.contract import Contract, ContractSet
from tests.unit.infrastructure.platform.deployments import NEW
from workflow.definition import in_partition

REGIONS = pytest.mark.parametrize(
    ("region", "partition"), [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")]
)
LINT = "import sys; from cfnlint.runner import main; sys.exit(main())"
UNUSED_CONDITION = "W8001"
"""cfn-lint's rule on a condition that nothing has: those of a part that the region lacks."""
PARTS: tuple[Part, ...] = ("core", "platform", "quicksight")


@pytest.fixture
def built(
    contract: Contract,
    artifacts: Artifacts,
    settings: DeploySettings,
    definition: dict[str, Any],
    partition: str,
    region: str,
) -> dict[str, Template]:
    machine = in_partition(definition, partition)
    return {
        "core": build_template(ContractSet((contract,)), artifacts, settings, machine),
        "platform": build_platform_template(ContractSet((contract,)), NEW, region),
    }


def lint(file: Path, region: str, partition: str) -> Iterator[str]:
    options = ["--regions", region, "--format", "parseable", "--ignore-checks", UNUSED_CONDITION]
    command = [sys.executable, "-c", LINT, *options, "--template", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines() + done.stderr.splitlines():
        # cfn-lint's pattern of an integration's ARN knows the commercial partition alone.
        unknown_partition = f"'arn:{partition}:states:::" in line and "'^arn:aws:" in line
        if not unknown_partition:
            yield line


@pytest.mark.slow
@REGIONS
def test_cfn_lint_finds_nothing_in_the_region(
    built: dict[str, Template], region: str, partition: str, tmp_path: Path
) -> None:
    """The core template with the partition's definition; the platform's is checked in all regions."""
    file = tmp_path / "core.json"
    file.write_text(built["core"].to_json(), encoding="utf-8")
    assert list(lint(file, region, partition)) == []


@REGIONS
def test_nothing_names_the_commercial_partition(
    built: dict[str, Template], region: str, partition: str
) -> None:
    where = ("plant", "123456789012", region)
    printed = [deployer_policy(*where), *(cloudformation_policy(part, *where) for part in PARTS)]
    printed += [doctor_policy(*where), *(operator_policy(who, *where) for who in OPERATORS)]
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


@pytest.mark.parametrize("region", ["us-iso-east-1", "eusc-de-east-1"])
def test_a_region_of_another_partition_is_refused(settings: DeploySettings, region: str) -> None:
    with pytest.raises(SettingsError, match=f"{region} is in the partition"):
        check_preconditions(settings, None, region)


@REGIONS
def test_govcloud_and_china_are_accepted(
    settings: DeploySettings, region: str, partition: str
) -> None:
    check_preconditions(settings, None, region)
