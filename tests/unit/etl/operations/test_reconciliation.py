from __future__ import annotations

from dataclasses import replace

import pytest

from etl.operations.receipts import Receipt
from etl.operations.reconciliation import Ledger, Reconciliation

RECEIPT = Receipt("p", "simulate", "2026-11-01", 10, 100, rows=80, duplicates=12, rejected=8)
LEDGER = Ledger(
    batches=2,
    messages=10,
    read=100,
    inserted=80,
    unchanged=2,
    duplicates=10,
    rejected=8,
    rejected_by={"not_json": 3, "missing:ts": 5},
)
BALANCED = Reconciliation([RECEIPT], 2, 10, 0, 0, LEDGER, 80)


def test_what_adds_up_has_no_problem() -> None:
    assert BALANCED.problems() == []
    assert not BALANCED.in_progress


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": 79}, "79 rows in the table, 80 inserted according to the ledger"),
        ({"staged_messages": 9}, "1 published message is neither in S3 nor in a queue"),
        ({"queued": 1}, "1 message is still in the queue"),
        ({"queued": 2000}, "2,000 messages are still in the queue"),
        ({"dead": 1}, "1 message is in the dead-letter queue"),
        ({"staged_batches": 3}, "1 of 3 staged batches has no row in the ledger"),
        ({"ledger": replace(LEDGER, read=101)}, "101 readings read, 100 accounted for"),
        ({"ledger": replace(LEDGER, inserted=79, rejected=9)}, "reason"),
        ({"receipts": [replace(RECEIPT, rows=81, readings=101)]}, "101 readings published"),
        ({"receipts": [replace(RECEIPT, rows=81)]}, "publishers expect 81"),
    ],
)
def test_each_gap_is_said(change: dict[str, object], said: str) -> None:
    assert any(said in problem for problem in replace(BALANCED, **change).problems())  # type: ignore[arg-type]


def test_a_message_delivered_again_is_shown_and_is_no_problem() -> None:
    ledger = replace(LEDGER, messages=11, read=110, unchanged=12)
    found = replace(BALANCED, staged_messages=11, ledger=ledger)
    assert found.delivered_again == 1
    assert found.problems() == []


def test_rows_in_the_tables_of_other_contracts_are_not_missed_in_todays() -> None:
    found = replace(BALANCED, ledger=replace(LEDGER, elsewhere=50), rows=30)
    assert found.problems() == []
    assert replace(found, rows=80).problems() == [
        "80 rows in the table, 30 inserted according to the ledger"
    ]


def test_messages_set_aside_are_accounted_for() -> None:
    ledger = replace(LEDGER, read=103, set_aside=3)
    receipt = replace(RECEIPT, readings=103)
    assert replace(BALANCED, ledger=ledger, receipts=[receipt]).problems() == []
    unread = replace(BALANCED, ledger=replace(ledger, set_aside=2), receipts=[receipt])
    assert unread.problems() == ["103 readings read, 102 accounted for"]


def test_discarded_readings_are_accounted_for() -> None:
    ledger = replace(LEDGER, inserted=70, discarded=10)
    assert replace(BALANCED, ledger=ledger, rows=70).problems() == []
    lost = replace(BALANCED, ledger=replace(ledger, discarded=9), rows=70)
    assert "100 readings read, 99 accounted for" in lost.problems()


def test_rows_of_a_batch_that_was_loaded_again_are_accounted_for() -> None:
    # 80 rows by the first load; the second, under another contract, found 75 and brought 5 more.
    receipt = replace(RECEIPT, rows=85, rejected=3)
    ledger = replace(
        LEDGER, inserted=5, inserted_before=80, unchanged=82, rejected=3, rejected_by={"a": 3}
    )
    found = replace(BALANCED, receipts=[receipt], ledger=ledger, rows=85)
    assert found.problems() == []
    assert "84 rows in the table, 85 inserted" in replace(found, rows=84).problems()[0]


def test_an_empty_pipeline_balances() -> None:
    assert Reconciliation([], 0, 0, 0, 0, Ledger(), 0).problems() == []
