"""Every role of both templates has the boundary and the path that the settings name, or neither."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from troposphere import Template
from typer.testing import CliRunner

from etl.cli.main import app
from etl.deployment.permissions import Part, cloudformation_policy
from etl.deployment.pipeline_settings import PipelineSettings, platform_settings
from etl.deployment.settings_file import EnteredSettings, SettingsError, from_flags
from infrastructure.core.build import Artifacts, build_template
from infrastructure.platform.build import build_platform_template
from infrastructure.role_settings import RoleSettings
from infrastructure.settings import DeploySettings
from telemetry.contract import Contract, ContractSet
from tests.permissions.policies import Named, Policies, Request
from tests.unit.infrastructure.platform.deployments import SETTINGS

ACCOUNT = "123456789012"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/teams/workload-boundary"
OTHER = f"arn:aws:iam::{ACCOUNT}:policy/administrator"
PATH = "/workloads/telemetry/"
BOUND = RoleSettings(permissions_boundary_arn=BOUNDARY, path=PATH)
PARTS: tuple[Part, ...] = ("core", "platform")
LINT = "import sys; from cfnlint.runner import main; sys.exit(main())"


@pytest.fixture
def build(
    contract: Contract,
    artifacts: Artifacts,
    settings: DeploySettings,
    definition: dict[str, Any],
) -> Any:
    def built(part: str, roles: RoleSettings) -> Template:
        if part == "core":
            return build_template(
                ContractSet((contract,)), artifacts, replace(settings, roles=roles), definition
            )
        return build_platform_template(
            ContractSet((contract,)), replace(SETTINGS["everything"], roles=roles)
        )

    return built


def roles_of(template: Template) -> dict[str, dict[str, Any]]:
    resources: dict[str, dict[str, Any]] = json.loads(template.to_json())["Resources"]
    return {n: r["Properties"] for n, r in resources.items() if r["Type"] == "AWS::IAM::Role"}


@pytest.mark.parametrize("part", PARTS)
def test_every_role_has_them(build: Any, part: str) -> None:
    found = roles_of(build(part, BOUND))
    assert len(found) >= 4
    for name, role in found.items():
        assert (role["PermissionsBoundary"], role["Path"]) == (BOUNDARY, PATH), name


@pytest.mark.parametrize("part", PARTS)
def test_without_the_settings_no_role_has_any(build: Any, part: str) -> None:
    for name, role in roles_of(build(part, RoleSettings())).items():
        assert not {"PermissionsBoundary", "Path"} & role.keys(), name


@pytest.mark.slow
def test_cfn_lint_takes_them(build: Any, tmp_path: Path) -> None:
    files = [tmp_path / f"{part}.json" for part in PARTS]
    for file in files:
        file.write_text(build(file.stem, BOUND).to_json(), encoding="utf-8")
    command = [sys.executable, "-c", LINT, "-t", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_platform_gets_those_of_the_core(settings: DeploySettings) -> None:
    core = replace(settings, roles=BOUND)
    pipeline = PipelineSettings(EnteredSettings({"platform": True}, "a file"))
    assert platform_settings(pipeline, core, "pl-1").roles == BOUND


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("iam.permissions_boundary_arn", "workload-boundary"),
        ("iam.permissions_boundary_arn", f"arn:aws:iam::{ACCOUNT}:role/workload"),
        ("iam.permissions_boundary_arn", "arn:aws:iam::12345:policy/workload"),
        ("iam.role_path", "workloads/"),
        ("iam.role_path", "/workloads"),
        ("iam.role_path", "/work loads/"),
        ("iam.role_path", "//"),
        ("iam.role_path", "/" + 512 * "a" + "/"),
    ],
)
def test_a_value_that_iam_would_refuse_is_refused(key: str, value: str) -> None:
    with pytest.raises(SettingsError, match=key):
        from_flags({key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("iam.permissions_boundary_arn", BOUNDARY),
        ("iam.permissions_boundary_arn", "arn:aws-cn:iam::aws:policy/PowerUserAccess"),
        ("iam.role_path", "/"),
        ("iam.role_path", PATH),
    ],
)
def test_a_value_that_iam_takes_is_taken(key: str, value: str) -> None:
    assert from_flags({key: value}).values == {key: value}


@pytest.mark.parametrize(("region", "valid"), [("eu-central-1", True), ("us-gov-west-1", False)])
def test_a_boundary_of_another_partition_is_refused(
    region: str, valid: bool, tmp_path: Path
) -> None:
    (tmp_path / "contract.toml").write_text(Path("tests/fixtures/reading.toml").read_text())
    file = tmp_path / "pipeline.toml"
    file.write_text(
        f'contract = "contract.toml"\nregion = "{region}"\n'
        '[database]\nhost = "db.example.com"\nssl_mode = "require"\n'
        'owner_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:o-AbCdEf"\n'
        f'[iam]\npermissions_boundary_arn = "{BOUNDARY}"\n'
    )
    result = CliRunner().invoke(app, ["settings", "check", str(file)], env={"COLUMNS": "400"})
    assert (result.exit_code == 0) is valid, result.output
    if not valid:
        assert "is in the partition aws, but us-gov-west-1 is in aws-us-gov" in result.output


def judge(part: Part, roles: RoleSettings) -> Policies:
    printed = cloudformation_policy(part, "plant", ACCOUNT, "eu-central-1", roles)
    statements = [Named(one["Sid"], one, holder="CloudFormation") for one in printed["Statement"]]
    return Policies(statements, ACCOUNT)


def asked(action: str, path: str = PATH, boundary: str = "") -> Request:
    role = f"arn:aws:iam::{ACCOUNT}:role{path}plant-LoadRole-1"
    context = (("iam:PermissionsBoundary", boundary),) if boundary else ()
    return Request("CloudFormation", f"iam:{action}", role, context)


GIVES_PERMISSIONS = (
    "CreateRole",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
    "AttachRolePolicy",
)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("action", GIVES_PERMISSIONS)
def test_cloudformation_gives_permissions_to_a_role_with_the_boundary_alone(
    part: Part, action: str
) -> None:
    policies = judge(part, BOUND)
    assert policies.allow(asked(action, boundary=BOUNDARY))
    for boundary, path in ((OTHER, PATH), ("", PATH), (BOUNDARY, "/"), (BOUNDARY, "/workloads/")):
        assert not policies.allow(asked(action, path, boundary)), (boundary, path)


@pytest.mark.parametrize("part", PARTS)
def test_cloudformation_never_removes_the_boundary(part: Part) -> None:
    removal = asked("DeleteRolePermissionsBoundary", boundary=BOUNDARY)
    assert not judge(part, BOUND).allow(removal)
    assert judge(part, RoleSettings(path=PATH)).allow(removal)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("action", ["PassRole", "DeleteRole", "GetRole", "UpdateAssumeRolePolicy"])
def test_cloudformation_passes_on_and_changes_roles_under_the_path_alone(
    part: Part, action: str
) -> None:
    policies = judge(part, BOUND)
    assert policies.allow(asked(action))
    assert not policies.allow(asked(action, "/"))
    assert not policies.allow(asked(action, "/other/"))
    assert judge(part, RoleSettings()).allow(asked(action, "/"))


def test_the_printed_policy_follows_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.toml"
    file.write_text(
        'stack = "plant"\nregion = "eu-central-1"\n'
        f'[iam]\npermissions_boundary_arn = "{BOUNDARY}"\nrole_path = "{PATH}"\n'
    )
    words = ["settings", "policy", "cloudformation", "--account", ACCOUNT, "--settings", str(file)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == cloudformation_policy(
        "core", "plant", ACCOUNT, "eu-central-1", BOUND
    )


def test_the_docs_name_the_services_that_a_boundary_must_allow(build: Any) -> None:
    """A boundary that lacks a service would take it from a function."""
    used = {
        action.partition(":")[0]
        for part in PARTS
        for role in roles_of(build(part, BOUND)).values()
        for action in _actions(role.get("Policies", []))
    }
    page = Path("docs/deploy.md").read_text(encoding="utf-8")
    _, _, text = page.partition("A boundary must allow")
    listed = text.partition(".\n")[0]
    assert {word.strip("`,") for word in listed.split() if word.startswith("`")} == used


def _actions(node: Any) -> list[str]:
    if isinstance(node, list):
        return [action for one in node for action in _actions(one)]
    if not isinstance(node, dict):
        return []
    own = node["Action"] if node.get("Effect") == "Allow" else []
    found = [own] if isinstance(own, str) else list(own)
    return found + [action for value in node.values() for action in _actions(value)]
