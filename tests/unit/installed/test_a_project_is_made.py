"""``etl init``: a folder with all that a pipeline of one's own needs."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from etl.cli.main import app
from etl.deployment.settings_file import read_file
from etl.new_project.create import ProjectError, create_project, name_problem
from layers.folders import ROOT

PAYLOADS = ROOT / "contracts" / "examples"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_project(tmp_path_factory.mktemp("made") / "plant_7").folder


def run_its_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_its_own_tests_pass_and_check_random_messages(plant: Path) -> None:
    done = run_its_tests(plant)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_its_own_tests_fail_where_the_contract_loses_readings(tmp_path: Path) -> None:
    folder = create_project(tmp_path / "plant").folder
    contract = folder / "contracts" / "plant.toml"
    text = contract.read_text()
    tolerant = 'missing = ["", "n/a"]\non_invalid = "null"\n'
    assert tolerant in text
    contract.write_text(text.replace(tolerant, ""))
    done = run_its_tests(folder)
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout


def test_the_settings_name_its_stack_and_contract(plant: Path) -> None:
    values = read_file(plant / "pipeline.toml").values
    assert values["stack"] == "plant-7"
    assert values["contract"] == plant / "contracts" / "plant_7.toml"


def test_no_placeholder_is_left_and_each_file_can_be_read(plant: Path) -> None:
    files = [
        path for path in plant.rglob("*") if path.is_file() and ".hypothesis" not in path.parts
    ]
    texts = {path: path.read_text(encoding="utf-8") for path in files if path.suffix != ".pyc"}
    written = [path for path, text in texts.items() if "@NAME@" in text or "@CONTRACT@" in text]
    assert not written
    tomllib.loads(texts[plant / "contracts" / "plant_7.toml"])
    json.loads(texts[plant / ".devcontainer" / "devcontainer.json"])
    notebook = json.loads(texts[plant / "notebooks" / "plant_7.ipynb"])
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            compile("".join(cell["source"]), "cell", "exec")


def test_the_workflow_has_no_more_permissions_than_it_uses(plant: Path) -> None:
    text = (plant / ".github" / "workflows" / "pipeline.yml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in workflow["jobs"]["test"]
    assert workflow["jobs"]["deploy"]["if"] == "github.event_name == 'push'"
    assert workflow["jobs"]["deploy"]["needs"] == "test"


def test_a_contract_is_inferred_from_a_sample(tmp_path: Path) -> None:
    sample = tmp_path / "a 'b' $(c).ndjson"
    sample.write_bytes((PAYLOADS / "payloads" / "tasmota.ndjson").read_bytes())
    made = create_project(tmp_path / "meters", sample)
    assert made.contract.name == "meters"
    assert made.report.accepted
    assert made.sample == "samples/a__b____c_.ndjson"
    assert (made.folder / made.sample).read_bytes() == sample.read_bytes()
    done = run_its_tests(made.folder)
    assert done.returncode == 0, done.stdout


def test_a_contract_that_simulated_devices_do_not_suit_is_tested_with_its_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.new_project.create._is_simulated_well", lambda _: False)
    made = create_project(tmp_path / "plant")
    assert not made.simulated
    assert "hypothesis" not in (made.folder / "tests" / "test_contract.py").read_text()
    assert run_its_tests(made.folder).returncode == 0


def test_a_folder_that_is_not_empty_is_refused_by_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "plant"
    folder.mkdir()
    for number in range(7):
        (folder / f"file{number}").touch()
    with pytest.raises(ProjectError, match=r"file0, file1, file2, file3, file4 and 2 more"):
        create_project(folder)
    assert len(list(folder.iterdir())) == 7


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "plant").mkdir()
    assert create_project(tmp_path / "plant").contract.name == "plant"


@pytest.mark.parametrize("name", ["Plant", "7up", "a b", "-a", "a-", "a--b", "a" * 33, "", "a.b"])
def test_names_that_no_stack_can_have_are_refused(name: str) -> None:
    assert name_problem(name) is not None


def test_a_sample_that_cannot_be_read_leaves_nothing_behind(tmp_path: Path) -> None:
    sample = tmp_path / "empty.ndjson"
    sample.write_text("")
    done = CliRunner().invoke(app, ["init", str(tmp_path / "plant"), "--from", str(sample)])
    assert done.exit_code == 1
    assert not (tmp_path / "plant").exists()


def test_a_script_must_name_the_project() -> None:
    done = CliRunner().invoke(app, ["init"], input="")
    assert done.exit_code == 1
    assert "etl init NAME" in done.output


def test_the_sample_and_the_example_exclude_each_other(tmp_path: Path) -> None:
    sample = PAYLOADS / "greenhouse.ndjson"
    arguments = ["init", str(tmp_path / "plant"), "--from", str(sample), "--example"]
    assert CliRunner().invoke(app, arguments).exit_code == 1
    assert not (tmp_path / "plant").exists()
