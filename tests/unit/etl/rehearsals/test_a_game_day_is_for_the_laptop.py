"""``etl game-day`` without a stack: what it lists, refuses and remembers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from etl.cli.main import app
from etl.rehearsals import running
from etl.rehearsals.database_failures import DatabaseAway
from etl.rehearsals.registry import REHEARSALS
from etl.rehearsals.scene import BASE_CONTRACT, Scene, measurements
from telemetry.contract import load_contract

PAGE = Path(__file__).parents[4] / "docs" / "how-to-on-call.md"


def etl(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_the_list_has_each_failure_with_a_sentence(tmp_path: Path) -> None:
    listed = etl("--state", str(tmp_path), "game-day", "list")
    assert listed.exit_code == 0
    words = " ".join(listed.output.split())
    assert words == " ".join(f"{name} {one.sentence}" for name, one in REHEARSALS.items())


@pytest.mark.parametrize(
    "command", [["list"], ["run", "database-away", "--repair"], ["end"]], ids=" ".join
)
def test_a_stack_in_aws_is_never_broken(command: list[str], tmp_path: Path) -> None:
    refused = etl("--state", str(tmp_path), "--region", "eu-central-1", "game-day", *command)
    assert refused.exit_code == 1
    assert "for this machine alone" in refused.output


def test_an_unknown_failure_is_refused_with_those_there_are(tmp_path: Path) -> None:
    refused = etl("--state", str(tmp_path), "game-day", "run", "meteorite")
    assert refused.exit_code == 1
    assert "database-away, wrong-contract" in refused.output
    assert list(tmp_path.iterdir()) == []


def test_two_game_days_on_one_stack_would_count_each_others_readings(tmp_path: Path) -> None:
    state = tmp_path / "game-day"
    (state / "postgres" / "data").mkdir(parents=True)
    with running.alone(state):
        for command in (["run", "poison-batch"], ["end"]):
            refused = etl("--state", str(tmp_path), "game-day", *command)
            assert refused.exit_code == 1
            assert "Another game day runs on this stack" in refused.output
    ended = etl("--state", str(tmp_path), "game-day", "end")
    assert (ended.exit_code, ended.stdout) == (0, "deleted\n")


def test_a_fault_is_remembered_until_it_is_undone(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    assert running.earlier_fault(tmp_path) is None
    running.note_fault(scene, DatabaseAway())
    assert isinstance(running.earlier_fault(tmp_path), DatabaseAway)
    running.forget(tmp_path)
    assert running.earlier_fault(tmp_path) is None


def test_the_file_that_postgresql_needs_is_put_back_once(tmp_path: Path) -> None:
    folder = tmp_path / "postgres" / "data" / "global"
    folder.mkdir(parents=True)
    (folder / "pg_control.away").write_text("the cluster's state")
    for _ in range(2):
        DatabaseAway().restore(tmp_path)
        assert [file.name for file in folder.iterdir()] == ["pg_control"]


def test_the_contract_of_the_game_day_limits_the_clocks_of_devices(tmp_path: Path) -> None:
    contract = load_contract(Scene(tmp_path).contract("base", BASE_CONTRACT))
    [time] = [column for column in contract.columns if column.name == "ts"]
    assert time.max_age is not None
    assert time.max_future is not None


def test_no_two_readings_have_the_same_time() -> None:
    readings = [*measurements(300), *measurements(300)]
    assert len({reading["ts"] for reading in readings}) == 600


def test_each_failure_has_a_section_of_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", page, re.MULTILINE)[1:] == list(REHEARSALS)
    for one in REHEARSALS.values():
        assert one.sentence in page
