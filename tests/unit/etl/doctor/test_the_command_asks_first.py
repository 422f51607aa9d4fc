"""On AWS the command asks before the change set and the canary; exit statuses and output follow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.cli.main import app
from etl.doctor import sections
from etl.doctor.check_result import CheckResult, failed, not_checked, passed
from etl.doctor.examination import Examination
from layers.notify import Notify

SETTINGS = """
stack = "plant"
region = "eu-central-1"
[database]
host = "db.example.com"
"""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Examination]:
    """The examinations that the command started; each has one result of each status."""
    found: list[Examination] = []

    def examine(examination: Examination, _notify: Notify) -> Iterator[CheckResult]:
        found.append(examination)
        yield passed("region", "eu-central-1")
        yield not_checked("quotas", "you may not call GetAccountSettings", "allow it")

    monkeypatch.chdir(tmp_path)
    Path("pipeline.toml").write_text(SETTINGS, encoding="utf-8")
    monkeypatch.setattr(sections, "examine", examine)
    return found


@pytest.mark.parametrize(
    ("words", "answers", "change_set", "canary", "questions"),
    [
        ([], "y\ny\n", True, True, 2),
        ([], "n\ny\n", False, True, 2),
        ([], "y\nn\n", True, False, 2),
        (["--yes"], "", True, True, 0),
        (["--no-canary"], "y\n", True, False, 1),
        (["--no-canary", "--yes"], "", True, False, 0),
        (["--read-only"], "", False, False, 0),
        (["--read-only", "--yes"], "", False, False, 0),
    ],
)
def test_nothing_is_done_that_was_not_agreed_to(
    words: list[str],
    answers: str,
    change_set: bool,
    canary: bool,
    questions: int,
    runs: list[Examination],
) -> None:
    result = CliRunner().invoke(app, ["doctor", *words], input=answers)
    assert result.exit_code == 0, result.output
    [examination] = runs
    assert examination.may_create_change_set is change_set
    assert examination.may_send_canary is canary
    assert result.output.count("[y/N]") == questions


def test_without_an_answer_nothing_is_examined(runs: list[Examination]) -> None:
    assert CliRunner().invoke(app, ["doctor"], input="").exit_code == 1
    assert runs == []


def test_each_line_has_its_status_and_what_to_do(runs: list[Examination]) -> None:
    result = CliRunner().invoke(app, ["doctor", "--read-only"])
    assert result.stdout == (
        "pass         region: eu-central-1\n"
        "not checked  quotas: you may not call GetAccountSettings\n"
        "             → allow it\n"
        "1 passed, 0 failed, 1 not checked\n"
    )
    assert len(runs) == 1


def test_a_failure_ends_with_1_and_the_report_is_written_all_the_same(
    runs: list[Examination], monkeypatch: pytest.MonkeyPatch
) -> None:
    result = failed("database", "db.example.com offers no TLS", "switch it on")
    monkeypatch.setattr(sections, "examine", lambda *_: iter([result]))
    ended = CliRunner().invoke(app, ["doctor", "--read-only", "--json", "--report", "report.json"])
    assert ended.exit_code == 1
    assert json.loads(ended.stdout)[0]["finding"] == "db.example.com offers no TLS"
    assert "db.example.com" not in Path("report.json").read_text(encoding="utf-8")
    assert runs == []
