"""`etl up` outside a project keeps the states that the stack's workflow was deployed with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from etl.aws.target import Target
from etl.deployment.executor import DeploymentExecutor
from etl.deployment.kept_customization import (
    KeptCustomization,
    keep_customization,
    kept_customization,
)
from etl.deployment.laptop import bring_up
from infrastructure.settings import DatabaseSettings, DeploySettings
from tests.fixtures.contract_files import write_contract
from tests.unit.etl.deployment.test_the_laptop_keeps_its_contracts import Laptop
from workflow.own_states import CustomizationError

FUNCTIONS = {"enrich": "plant-enrich"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laptop:
    laptop = Laptop(tmp_path, monkeypatch)
    laptop.run(write_contract(tmp_path, "uplink"))
    return laptop


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "customize.py"
    file.write_text("def customize(workflow): ...\n")
    return file


def settings(file: Path | None) -> DeploySettings:
    return DeploySettings(
        stack="plant",
        contract=Path("tests/fixtures/reading.toml"),
        database=DatabaseSettings(host="h"),
        customization=file,
        own_functions=FUNCTIONS if file else {},
    )


def deployed_with(here: Laptop, file: Path | None) -> None:
    keep_customization(Target("plant", state=here.state), settings(file))


def up(here: Laptop, additions: KeptCustomization | None = None) -> DeploySettings:
    bring_up(here.state, "plant", None, additions=additions)
    return here.deployed[-1]


def test_it_is_kept_where_nothing_is_said_of_it(here, file, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    deployed_with(here, Path("customize.py"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    kept = up(here)
    assert (kept.customization, kept.own_functions) == (file, FUNCTIONS)


def test_a_project_decides_by_itself(here, file):
    deployed_with(here, file)
    assert up(here, KeptCustomization()).customization is None


def test_another_stack_of_the_same_folder_has_its_own(here, file):
    deployed_with(here, file)
    bring_up(here.state, "other", None)
    assert here.deployed[-1].customization is None


def test_a_stack_that_was_deleted_begins_without_it(here, file):
    deployed_with(here, file)
    here.outputs = None
    assert up(here).customization is None


def test_it_is_forgotten_once_deployed_without_it(here, file):
    deployed_with(here, file)
    deployed_with(here, None)
    assert kept_customization(Target("plant", state=here.state)) == KeptCustomization()


def test_a_file_that_is_gone_is_named_and_nothing_deployed(here, file):
    deployed_with(here, file)
    file.unlink()
    with pytest.raises(CustomizationError, match=r"customize\.py, which is gone"):
        up(here)
    assert here.deployed == []


@pytest.mark.parametrize("local", [True, False])
def test_the_deployment_remembers_it_on_this_machine_alone(here, file, monkeypatch, local):
    target = Target("plant", state=here.state)
    if local:
        target = replace(target, local=SimpleNamespace())
    executor = DeploymentExecutor(target, SimpleNamespace(settings=settings(file)))
    for name in ("_apply", "_core_build", "_protect"):
        monkeypatch.setattr(DeploymentExecutor, name, lambda *_: None)
    executor.execute(SimpleNamespace(kind="core", stack="plant"))
    assert (kept_customization(target).customization == file) is local
