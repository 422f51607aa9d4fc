"""cfn-lint, with what CloudFormation knows in each region of each partition, finds nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import cfnlint
import pytest

from audit.templates import CONTRACT, core
from etl.aws.partition import partition_of
from infrastructure.platform.build import build_platform_template
from infrastructure.platform.settings import PlatformSettings
from infrastructure.regions import region_problems
from telemetry.contract import ContractSet, load_contract

pytestmark = pytest.mark.slow

PROVIDERS = Path(cfnlint.__file__).parent / "data" / "schemas" / "providers"
REGIONS = sorted(path.stem for path in PROVIDERS.glob("*-*.json"))
PROGRAM = "import sys; from cfnlint.runner import main; sys.exit(main())"
UNUSED = re.compile(r":(W2001:Parameter|W8001:Condition) \w+ not used")
SETTINGS = PlatformSettings(stack="regions-platform")


def findings(template: dict[str, Any], regions: list[str], folder: Path) -> list[str]:
    """What cfn-lint finds, informational rules included."""
    file = folder / "template.json"
    file.write_text(json.dumps(template))
    command = [sys.executable, "-c", PROGRAM, "--include-checks", "I", "--format", "parseable"]
    command += ["--regions", *regions, "-t", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert bool(done.returncode) == bool(done.stdout), done.stderr
    return (done.stdout + done.stderr).splitlines()


def schemas(template: dict[str, Any], region: str) -> list[str]:
    """The versions of the schemas that the region has of the template's types."""
    known = json.loads((PROVIDERS / f"{region}.json").read_text())
    return [known[kind] for kind in sorted({one["Type"] for one in template["Resources"].values()})]


def test_the_core_template_is_valid_in_every_region(tmp_path: Path) -> None:
    """With fleet provisioning where the settings may ask for it, else without."""
    assert {"cn-north-1", "eu-central-1", "us-gov-west-1"} < set(REGIONS)
    lacking = [r for r in REGIONS if list(region_problems(r, None, fleet_provisioning=True))]
    assert "eu-central-1" not in lacking
    others = [region for region in REGIONS if region not in lacking]
    assert findings(core(fleet_provisioning=False), lacking, tmp_path) == []
    assert findings(core(), others, tmp_path) == []


def test_the_platform_template_is_valid_where_it_is_not_refused(tmp_path: Path) -> None:
    """Of the regions that get the same template and have the same schemas, one is checked."""
    contract = load_contract(CONTRACT)
    alike: dict[tuple[str, ...], str] = {}
    for region in REGIONS:
        if not any("[platform]" in problem for problem in region_problems(region, SETTINGS)):
            built = build_platform_template(ContractSet((contract,)), SETTINGS, region).to_dict()
            same = (json.dumps(built, sort_keys=True), partition_of(region))
            alike.setdefault((*same, *schemas(built, region)), region)
    groups: dict[str, list[str]] = defaultdict(list)
    for (text, *_), region in alike.items():
        groups[text].append(region)
    assert {"aws", "aws-cn", "aws-us-gov"} <= {partition_of(region) for region in alike.values()}
    whole = build_platform_template(ContractSet((contract,)), SETTINGS).to_dict()
    for text, regions in groups.items():
        found = findings(json.loads(text), regions, tmp_path)
        if json.loads(text) != whole:
            # The parameters are the same everywhere: those of what a region lacks are not used.
            found = [one for one in found if not UNUSED.search(one)]
        assert found == [], regions


def test_what_a_region_lacks_is_found(tmp_path: Path) -> None:
    budget = {
        "Type": "AWS::Budgets::Budget",
        "Properties": {"Budget": {"BudgetType": "COST", "TimeUnit": "MONTHLY"}},
    }
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Budget": budget}}
    assert findings(template, ["eu-central-1"], tmp_path) == []
    assert "E3006" in " ".join(findings(template, ["eu-north-1"], tmp_path))
