"""A project is found from any folder below it, and says where its local stack is kept."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from etl.cli.context import Options
from etl.cli.deploy_options import project_contracts, settings_file
from etl.cli.main import choose_target
from etl.project import find_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "plant"
    (folder / "deep" / "below").mkdir(parents=True)
    (folder / "pipeline.toml").write_text('stack = "plant"\ncontract = "contracts/plant.toml"\n')
    return folder


def options(*arguments: str) -> Options:
    """What the options before a command become."""
    app, found = typer.Typer(), []
    app.callback()(choose_target)

    @app.command()
    def look(context: typer.Context) -> None:
        found.append(context.obj)

    done = CliRunner().invoke(app, [*arguments, "look"])
    assert done.exit_code == 0, done.output
    return found[0]


@pytest.mark.parametrize("below", ["", "deep", "deep/below"])
def test_its_stack_and_state_are_the_defaults_in_it(
    project: Path, below: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / below)
    chosen = options()
    assert chosen.stack == "plant"
    assert chosen.state.resolve() == project / ".etl"


def test_what_is_chosen_is_kept(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("ETL_STACK", "other")
    chosen = options("--state", "mine")
    assert (chosen.stack, chosen.state) == ("other", Path("mine"))


def test_outside_a_project_all_is_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert options() == Options("telemetry", None, None, Path(".local"))
    assert settings_file() is None
    assert project_contracts() is None


def test_the_clone_is_no_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project / "deep")
    assert find_project() is not None
    monkeypatch.setattr("etl.project.ROOT", project)
    assert find_project() is None


def test_a_stack_that_was_begun_in_local_stays_there(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".local").mkdir()
    monkeypatch.chdir(project)
    assert options().state == Path(".local")


def test_its_settings_and_contracts_are_found_from_below(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "contracts").mkdir()
    (project / "contracts" / "plant.toml").touch()
    monkeypatch.chdir(project / "deep")
    found = settings_file()
    assert found == Path("../pipeline.toml")
    contracts = project_contracts()
    assert contracts is not None
    assert [path.resolve() for path in contracts] == [project / "contracts" / "plant.toml"]


def test_settings_without_a_contract_leave_the_choice_as_it_was(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pipeline.toml").write_text('stack = "plant"\n')
    monkeypatch.chdir(project)
    assert project_contracts() is None


@pytest.mark.parametrize("text", ["stack = 7", "not TOML", 'stack = ""', "\x00"])
def test_settings_that_cannot_be_read_do_not_end_every_command(
    project: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pipeline.toml").write_text(text)
    monkeypatch.chdir(project)
    assert options().stack == "telemetry"
