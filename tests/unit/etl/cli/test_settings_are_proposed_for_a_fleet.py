"""``etl settings init`` asks about the fleet on a terminal, and nowhere else."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.cli.main import app
from etl.deployment.settings_example import example


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    file = tmp_path / "pipeline.toml"

    def run(*words: str, answers: str = "", terminal: bool = False) -> Any:
        stdin = SimpleNamespace(isatty=lambda: terminal)
        monkeypatch.setattr("etl.cli.settings.sys", SimpleNamespace(stdin=stdin))
        words = ("settings", "init", str(file), "--force", *words)
        return CliRunner().invoke(app, words, input=answers, env={"COLUMNS": "80"}), file

    return run


def test_without_a_terminal_nothing_is_asked_and_nothing_proposed(init):
    done, file = init()
    assert done.exit_code == 0, done.output
    assert file.read_text() == example()
    assert "per month" not in done.output


def test_on_a_terminal_four_questions_lead_to_the_cheapest_trigger(init):
    done, file = init(answers="200\n5\n10\n600\n", terminal=True)
    assert done.exit_code == 0, done.output
    for question in ("Devices", "Readings per second", "Readings in a message", "Seconds within"):
        assert question in done.output
    assert "per month" in done.output
    written = tomllib.loads(file.read_text())
    assert written["run"]["trigger"] == "schedule"
    assert written["run"]["schedule"] == "rate(5 minutes)"
    assert written["operation"]["observability"] == "lean"
    comment = " ".join(file.read_text().replace("\n# ", " ").split())
    assert "200 devices, 5 readings/s, 10 in a message, rows within 600 s" in comment
    assert max(len(line) for line in done.stdout.splitlines() if "wrote" not in line) <= 80


def test_the_defaults_are_taken_by_pressing_return(init):
    done, file = init(answers="\n\n\n\n", terminal=True)
    assert done.exit_code == 0, done.output
    assert tomllib.loads(file.read_text())["run"]["trigger"] == "queue"


def test_options_answer_questions(init):
    done, file = init(
        "--devices", "60", "--interval", "60", "--latency", "900", answers="20\n", terminal=True
    )
    assert done.exit_code == 0, done.output
    assert "Devices" not in done.output
    assert "Readings per second" not in done.output
    text = " ".join(file.read_text().replace("\n# ", " ").split())
    assert "60 devices, 1 readings/s, 20 in a message, rows within 900 s" in text


def test_options_suffice_without_a_terminal(init):
    done, file = init("--rate", "10", "--latency", "4")
    assert done.exit_code == 0, done.output
    written = tomllib.loads(file.read_text())["run"]
    assert written["trigger"] == "queue"
    assert written["queue_window_seconds"] <= 3


def test_a_latency_that_nothing_keeps_is_said(init):
    done, _ = init("--rate", "10", "--latency", "1")
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "none keeps 10 readings/s within 1 s" in text


def test_rate_and_interval_say_the_same(init):
    done, _ = init("--rate", "10", "--interval", "4")
    assert done.exit_code == 1
    assert "exclude each other" in done.output


def test_a_closed_standard_input_is_no_terminal(tmp_path, monkeypatch):
    monkeypatch.setattr("etl.cli.settings.sys", SimpleNamespace(stdin=None))
    file = tmp_path / "pipeline.toml"
    done = CliRunner().invoke(app, ["settings", "init", str(file)])
    assert done.exit_code == 0, done.output
    assert file.read_text() == example()


def test_an_endless_rate_is_refused(init):
    done, _ = init("--rate", "inf")
    assert done.exit_code == 1
    assert "can't be priced" in done.output
