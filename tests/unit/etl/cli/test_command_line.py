from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from etl.cli.context import fail
from etl.cli.main import app

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
