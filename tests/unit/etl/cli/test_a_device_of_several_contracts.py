"""``etl devices forget --dry-run`` tells the contracts apart, and which objects it can't search."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.cli import devices
from etl.cli.main import app
from etl.operations.erasure_plan import ContractPart, ErasurePlan, FoundBatch

BATCH = FoundBatch("raw/b", 1_000, 3, 9, 0, 0, 0)


@pytest.fixture
def forget(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(plan: ErasurePlan, status: int = 0) -> Any:
        monkeypatch.setattr(devices, "target_of", lambda _: None)
        monkeypatch.setattr(devices, "plan_erasure", lambda *_: plan)
        arguments = ["devices", "forget", "box", "--dry-run", "--json"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == status, result.output
        return result

    return run


def test_each_contract_has_its_line(forget: Any) -> None:
    parts = {"fleet": ContractPart(5, 1, 1, 3, 9), "status": ContractPart()}
    plan = ErasurePlan("box", [BATCH], rows=5, contracts=parts, without_device=["clocks"])
    result = forget(plan)
    lines = [line.strip() for line in result.stderr.splitlines()]
    assert "5 rows in the tables" in lines
    assert "fleet: 5 rows, 9 readings in 1 raw object, 1 conflict" in lines
    assert "status: 0 rows, 0 readings in 0 raw objects, 0 conflicts" in lines
    assert "clocks: its key names no device" in lines
    found = json.loads(result.stdout)
    assert found["contracts"]["fleet"]["rows"] == 5
    assert found["without_device"] == ["clocks"]


def test_objects_without_a_contract_are_an_error(forget: Any) -> None:
    plan = ErasurePlan("box", [BATCH], rows=5, unknown=["raw/b.gone.n1.ndjson.gz"])
    error = " ".join(forget(plan, status=1).stderr.split())
    assert "1 raw object of contracts that the pipeline has no more" in error
    assert "raw/b.gone.n1.ndjson.gz" in error


def test_of_one_contract_it_says_what_it_did_before(forget: Any) -> None:
    result = forget(ErasurePlan("box", [BATCH], rows=5))
    assert "5 rows in the table" in result.stderr
    assert set(json.loads(result.stdout)).isdisjoint({"contracts", "without_device", "unknown"})
