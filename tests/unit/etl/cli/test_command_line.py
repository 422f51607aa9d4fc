from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from etl.cli import data
from etl.cli.context import fail
from etl.cli.main import PANELS, app

COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]
runner = CliRunner()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = runner.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_the_commands_of_the_main_job_are_there() -> None:
    wanted = {"up", "down", "status", "simulate", "publish", "run", "reconcile", "psql", "logs"}
    assert wanted | {"trace", "demo", "executions"} <= set(COMMANDS)


@pytest.mark.parametrize("command", ["status", "simulate", "run", "reconcile", "psql", "logs"])
def test_a_command_without_a_pipeline_says_how_to_get_one(command: str, tmp_path: Path) -> None:
    result = runner.invoke(app, ["--state", str(tmp_path), command])
    assert result.exit_code == 1
    assert "etl up" in result.output
    assert "Traceback" not in result.output


def test_a_contract_that_is_wrong_is_reported_before_anything_starts(tmp_path: Path) -> None:
    contract = tmp_path / "wrong.toml"
    contract.write_text("name = 1\n")
    result = runner.invoke(app, ["--state", str(tmp_path), "up", "--contract", str(contract)])
    assert result.exit_code == 1
    assert "wrong.toml" in result.output
    assert not (tmp_path / "stack.json").exists()


def test_the_version_is_reported() -> None:
    result = runner.invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("telemetry-etl 0.")


def test_an_error_shows_a_contracts_tables_as_they_are_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fail("add it to the [message] table of arn:aws:secret:x")
    assert "the [message] table of arn:aws:secret:x" in capsys.readouterr().err


def test_the_help_has_the_commands_in_panels_of_a_size_to_read() -> None:
    lines = runner.invoke(app, ["--help"]).output.splitlines()
    panels = [line for line in lines if line.startswith("╭─")]
    assert [panel.split("─ ")[1].split(" ─")[0] for panel in panels] == ["Options", *PANELS]
    assert max(len(names) for names in PANELS.values()) <= 12


@pytest.mark.parametrize(
    "flags",
    [
        ["-c", "SELECT 1"],
        ["--csv", "-c", "SELECT 1"],
        ["-At", "-v", "x=1", "-c", "SELECT :x"],
        ["--command=SELECT 1", "--no-psqlrc"],
        [],
    ],
)
def test_psql_is_given_its_own_flags(flags: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    settings = dict.fromkeys(("host", "port", "dbname", "sslmode", "user", "password"), "x")
    target = SimpleNamespace(local=None, database_settings=lambda role: settings | {"user": role})
    monkeypatch.setattr(data, "target_of", lambda _: target)
    monkeypatch.setattr(data.shutil, "which", lambda *_: "/usr/bin/psql")

    def executed(program: str, arguments: list[str], environment: dict[str, str]) -> None:
        given.extend([program, *arguments[1:], environment["PGUSER"]])

    monkeypatch.setattr(data.os, "execve", executed)
    result = runner.invoke(app, ["psql", "--as", "analyst", *flags])
    assert result.exit_code == 0, result.output
    assert given == ["/usr/bin/psql", *flags, "analyst"]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("exeutions", "Did you mean 'executions'?"),
        ("reconsile", "Did you mean 'reconcile'?"),
    ],
)
def test_a_mistyped_command_is_told_the_right_one(wrong: str, meant: str) -> None:
    result = runner.invoke(app, [wrong])
    assert result.exit_code == 2
    assert meant in " ".join(result.output.replace("│", " ").split())


def test_a_mistyped_key_of_a_contract_is_told_the_right_one(tmp_path: Path) -> None:
    text = Path("contracts/fleet.toml").read_text(encoding="utf-8")
    contract = tmp_path / "fleet.toml"
    contract.write_text(text.replace("\nkey =", "\nkay =").replace("\nrange =", "\nrnage ="))
    output = runner.invoke(app, ["contract", "diff", str(contract), str(contract)]).output
    assert "table.kay: is not known here; did you mean key?" in " ".join(output.split())
    assert "rnage: is not known here; did you mean range?" in " ".join(output.split())
