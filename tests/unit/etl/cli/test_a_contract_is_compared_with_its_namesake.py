"""`etl contract diff deployed NEW` finds the contract of a pipeline with several."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from etl.cli import contract as command
from etl.cli.main import app
from etl.deployment.pipeline_contracts import read_contracts
from tests.fixtures.contract_files import write_contract


def told(monkeypatch: pytest.MonkeyPatch, running: list[Path], *arguments: str) -> str:
    target = SimpleNamespace(contracts=read_contracts(running))
    monkeypatch.setattr(command, "target_of", lambda _: target)
    result = CliRunner().invoke(app, ["contract", "diff", "deployed", *arguments, "--json"])
    return result.output


@pytest.fixture
def running(tmp_path: Path) -> list[Path]:
    return [write_contract(tmp_path, name) for name in ("uplink", "status")]


@pytest.fixture
def new(tmp_path: Path) -> Path:
    (tmp_path / "new").mkdir()
    return write_contract(tmp_path / "new", "status", columns='[columns.v]\ntype = "float"\n')


def test_it_is_compared_with_the_one_of_its_name(monkeypatch, running, new):
    text = told(monkeypatch, running, str(new))
    assert '"columns.v"' in text
    assert '"table.name"' not in text


def test_another_one_is_chosen_by_its_name(monkeypatch, running, new):
    assert '"table.name"' in told(monkeypatch, running, str(new), "--contract", "uplink")


def test_the_only_one_is_compared_whatever_its_name(monkeypatch, running, new):
    assert '"table.name"' in told(monkeypatch, running[:1], str(new))


def test_a_name_that_is_not_there_is_answered_with_those_that_are(monkeypatch, running, tmp_path):
    alarm = write_contract(tmp_path, "alarm")
    text = " ".join(told(monkeypatch, running, str(alarm)).split())
    assert "no contract named 'alarm'; it has uplink, status" in text
