"""A folder of plain templates is what a deployment applies, and its README has the order."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from etl.aws.contract_objects import CONTRACT_KEY
from etl.deployment.deploy import FROM_PLATFORM
from etl.deployment.packaging import Packages
from etl.deployment.stack_build import DeploymentBuild, StackBuild, build_platform
from etl.deployment.template_export import DATA, ExportError, export_templates, links
from infrastructure.platform.settings import PlatformSettings
from infrastructure.platform.stack_links import core_settings, given_core
from infrastructure.settings import DatabaseSettings, DeploySettings
from tests.fixtures.contract_files import write_contract

CONTRACT = Path("contracts/fleet.toml")
BUCKET = "my-artifacts"
PLATFORM = PlatformSettings(stack="plant-platform", s3_prefix_list_id="pl-6ea54007", proxy=True)


def built(template: str, platform: PlatformSettings | None = None) -> DeploymentBuild:
    host = FROM_PLATFORM if platform else "db.example.com"
    settings = DeploySettings(
        stack="plant",
        contract=CONTRACT,
        database=DatabaseSettings(host=host, owner_secret_arn=host),
    )
    core = StackBuild(
        stack="plant",
        template=template,
        parameters=settings.parameters(BUCKET),
        tags={"Pipeline": "fleet", "Team": "Line 3"},
        artifact_bucket=BUCKET,
        packages=Packages(functions={}, layers={}),
    )
    second = build_platform(core, platform, [CONTRACT], "eu-central-1") if platform else None
    return DeploymentBuild(settings=settings, core=core, platform=second)


@pytest.fixture
def core(templates) -> str:
    return json.dumps(templates["core"])


def test_files_are_those_of_the_build(core: str, tmp_path: Path):
    build = built(core)
    files = export_templates(build, tmp_path / "out")
    folder = tmp_path / "out"
    assert (folder / "core.json").read_text() == core
    given = json.loads((folder / "core.parameters.json").read_text())
    assert given == {"Parameters": build.core.parameters, "Tags": build.core.tags}
    assert given["Parameters"]["ArtifactBucket"] == BUCKET
    assert (folder / DATA / CONTRACT_KEY).read_bytes() == CONTRACT.read_bytes()
    assert not any("platform" in path.name for path in files)
    readme = (folder / "README.md").read_text()
    assert "--stack-name plant --template-file core.json --s3-bucket my-artifacts" in readme
    assert "--tags 'Pipeline=fleet' 'Team=Line 3'" in readme
    assert "$" not in readme


def test_further_contracts_lie_where_their_stack_has_them(core: str, tmp_path: Path):
    build, status = built(core), write_contract(tmp_path, "status")
    settings = replace(build.settings, further_contracts=(status,))
    export_templates(replace(build, settings=settings), tmp_path / "out")
    data = tmp_path / "out" / DATA
    assert (data / CONTRACT_KEY).read_bytes() == CONTRACT.read_bytes()
    assert (data / "contract/further/status/contract.toml").read_bytes() == status.read_bytes()
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "| the contracts, by their keys in the data bucket |" in readme


def test_a_platform_comes_with_the_values_that_each_stack_gives_the_other(
    core: str, tmp_path: Path
):
    build = built(core, PLATFORM)
    export_templates(build, tmp_path)
    assert build.platform is not None
    assert (tmp_path / "platform.json").read_text() == build.platform.stack.template
    given = json.loads((tmp_path / "core.parameters.json").read_text())["Parameters"]
    assert FROM_PLATFORM not in given.values()
    assert "DatabaseHost" not in given
    readme = (tmp_path / "README.md").read_text()
    for name in links(build).core:
        assert f"`{name}`" in readme
    assert "| `QueueName` | the last part of the core's output `QueueArn` |" in readme
    assert "| `LoaderSecretArn` | the core's output `LoaderSecretArn` |" in readme


def test_the_links_are_those_of_a_deployment(core: str):
    """With the values that the links name, a stack gets the parameters that `etl deploy` gives."""
    build = built(core, PLATFORM)
    assert build.platform is not None
    given = links(build)
    outputs = json.loads(core)["Outputs"]
    words = [v.split("`")[1] for v in given.platform.values() if "`" in v]
    assert words
    assert set(words) <= outputs.keys()

    values = {name: f"arn:aws:x:eu-central-1:1:{name}" for name in outputs}
    linked = given_core(PLATFORM, "plant", values).parameters()
    changed = {k for k, v in PLATFORM.parameters().items() if linked[k] != v}
    assert changed == given.platform.keys()

    of_platform = dict.fromkeys(json.loads(build.platform.stack.template)["Outputs"], "5432")
    connected = core_settings(build.settings, of_platform).parameters(BUCKET)
    by_hand = {name: of_platform[name] for name in given.core}
    assert build.core.parameters | by_hand == connected


def test_a_folder_with_files_in_it_is_left_alone(core: str, tmp_path: Path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(ExportError, match="not an empty folder"):
        export_templates(built(core), tmp_path)
    with pytest.raises(ExportError, match="not an empty folder"):
        export_templates(built(core), tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
