"""``etl reconcile`` of several contracts: totals, a line for each contract, and each deep check."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.cli import data
from etl.cli.main import app
from etl.operations.batch_match import BatchMatch
from etl.operations.deep_check import DeepCheck
from etl.operations.reconciliation import Reconciliation
from etl.operations.reconciliation_counts import ContractCounts, Counts, Ledger
from telemetry.contract import ContractSet
from tests.fixtures.telemetry_database import CONTRACT
from tests.unit.etl.operations.balanced_counts import BALANCED, LEDGER, RECEIPT, group

STATUS = replace(CONTRACT, name="status", table="states")
COUNTS = replace(
    BALANCED,
    receipts=[RECEIPT, replace(RECEIPT, publication="p-status", of_contract="status", rows=None)],
    messages=replace(BALANCED.messages, published=20),
    batches=BatchMatch(group(4, 5), {}, {None: group(2, 5), "status": group(2, 5)}),
    contracts=(
        ContractCounts("fleet", None, LEDGER, 80),
        ContractCounts("status", "status", Ledger(batches=2, messages=10, read=7, inserted=7), 7),
    ),
    ledger=replace(LEDGER, batches=4, messages=20, read=107, inserted=87),
    rows=87,
)


def reconciliation(counts: Counts) -> Reconciliation:
    return Reconciliation(**{one.name: getattr(counts, one.name) for one in fields(Counts)})


@pytest.fixture
def etl(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(
        counts: Counts, *options: str, deep: dict[str, DeepCheck] | None = None, status: int = 0
    ) -> str:
        contracts = ContractSet.of([CONTRACT, STATUS] if counts.contracts else [CONTRACT])
        target = SimpleNamespace(contracts=contracts)
        monkeypatch.setattr(data, "target_of", lambda _: target)
        monkeypatch.setattr(data, "reconcile", lambda *_: reconciliation(counts))
        monkeypatch.setattr(data, "check_values", lambda *given: (deep or {})[given[-1].name])
        result = CliRunner().invoke(app, ["reconcile", *options])
        assert result.exit_code == status, result.output
        return result.stdout

    return run


def test_a_line_for_each_contract(etl: Any) -> None:
    lines = [" ".join(one.replace("│", " ").split()) for one in etl(COUNTS).splitlines()]
    assert "fleet 10 10 100 80 8 0 80" in lines
    assert "status 10 10 7 7 0 0 7" in lines
    assert "rows in the tables 87" in lines
    assert "✓ balanced: every reading is accounted for, to the unit" in lines


def test_one_contract_is_told_as_before(etl: Any) -> None:
    output = etl(BALANCED)
    assert "By contract" not in output
    assert "rows in the table " in output
    assert "contracts" not in json.loads(etl(BALANCED, "--json"))


def test_rows_that_one_contract_lacks(etl: Any) -> None:
    first, second = COUNTS.contracts
    moved = replace(COUNTS, contracts=(replace(first, rows=81), replace(second, rows=6)))
    found = json.loads(etl(moved, "--json", status=1))
    assert found["problems"] == [
        "81 rows in the table of fleet, 80 inserted according to the ledger",
        "6 rows in the table of status, 7 inserted according to the ledger",
    ]
    assert found["contracts"]["status"]["published"] == {"messages": 10, "readings": 100}
    assert found["contracts"]["status"]["rows"] == 6


def test_readings_that_one_contract_lacks_are_hidden_by_no_others(etl: Any) -> None:
    first, second = COUNTS.contracts
    more = replace(first.ledger, read=99)
    less = replace(second.ledger, read=8)
    moved = replace(COUNTS, contracts=(replace(first, ledger=more), replace(second, ledger=less)))
    assert json.loads(etl(moved, "--json", status=1))["problems"] == [
        "contract fleet: 99 readings read, 100 accounted for",
        "contract status: 8 readings read, 7 accounted for",
    ]


def test_expected_results_are_of_the_contract_whose_publisher_knows_them(etl: Any) -> None:
    first, second = COUNTS.contracts
    ledger = replace(first.ledger, inserted=79, unchanged=3)
    moved = replace(COUNTS, contracts=(replace(first, ledger=ledger, rows=79), second))
    assert json.loads(etl(moved, "--json", status=1))["problems"] == [
        "contract fleet: 79 rows, but the publishers expect 80",
        "contract fleet: 13 duplicates, but the publishers expect 12",
    ]


def test_messages_of_a_contract_that_is_no_more_are_no_wrong_results(etl: Any) -> None:
    rejected = replace(
        BALANCED.ledger, inserted=0, unchanged=0, duplicates=0, rejected=100,
        rejected_by={"no_contract": 100},
    )  # fmt: skip
    assert json.loads(etl(replace(BALANCED, ledger=rejected, rows=0), "--json"))["balanced"]


def test_each_contracts_values_are_checked(etl: Any) -> None:
    good, bad = DeepCheck("keep_first", batches=1, rows=3), DeepCheck("keep_first", missing=2)
    deep = {"fleet": good, "status": bad}
    output = etl(COUNTS, "--deep", deep=deep, status=1)
    assert "✓ fleet: 3 readings of 1 batch" in output
    assert "✗ status: 0 readings" in output
    found = json.loads(etl(COUNTS, "--deep", "--json", deep=deep, status=1))["deep"]
    assert {name: one["holds"] for name, one in found.items()} == {"fleet": True, "status": False}
    alone = json.loads(etl(BALANCED, "--deep", "--json", deep=deep))["deep"]
    assert alone["rows"] == 3
