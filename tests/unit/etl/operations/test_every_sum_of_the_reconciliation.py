"""Each term of the reconciliation counts: left out or with the wrong sign, a problem is missed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from etl.operations.receipts import Receipt
from etl.operations.reconciliation import Ledger, Reconciliation

RECEIPT = Receipt("p", "simulate", "2026-11-01", 10, 100, rows=80, duplicates=12, rejected=8)
LEDGER = Ledger(
    batches=2, messages=10, read=100, inserted=80, unchanged=2, duplicates=10, rejected=8,
    rejected_by={"not_json": 3, "missing:ts": 5},
)  # fmt: skip
BALANCED = Reconciliation([RECEIPT], 2, 10, 0, 0, LEDGER, 80)
TERMS = ("inserted", "updated", "unchanged", "duplicates", "conflicts", "conflicts_in_table", "rejected", "set_aside", "quarantined",
         "discarded")  # fmt: skip


def problems(**changes: Any) -> str:
    return "\n".join(replace(BALANCED, **changes).problems())


@pytest.mark.parametrize("term", TERMS)
def test_each_way_in_which_a_reading_ends_is_accounted_for(term):
    none = dict.fromkeys(TERMS, 0)
    ledger = replace(LEDGER, **{**none, term: 100, "read": 100})
    assert "accounted for" not in problems(ledger=ledger)
    assert "100 readings read, 101 accounted for" in problems(ledger=replace(ledger, **{term: 101}))
    assert "100 readings read, 99 accounted for" in problems(ledger=replace(ledger, **{term: 99}))


@pytest.mark.parametrize("term", ["inserted", "inserted_before", "quarantined", "discarded"])
def test_each_kind_of_row_is_held_against_what_publishers_know(term):
    none = dict.fromkeys((*TERMS, "inserted_before"), 0)
    ledger = replace(LEDGER, **{**none, term: 80})
    assert "the publishers expect 80" not in problems(ledger=ledger)
    assert "79 rows, but the publishers expect 80" in problems(ledger=replace(ledger, **{term: 79}))


@pytest.mark.parametrize(
    "term", ["duplicates", "conflicts", "conflicts_in_table", "unchanged", "updated"]
)
def test_each_kind_of_repeat_is_held_against_what_publishers_know(term):
    none = dict.fromkeys((*TERMS, "inserted_before"), 0)
    ledger = replace(LEDGER, **{**none, term: 12})
    assert "the publishers expect 12" not in problems(ledger=ledger)
    assert "13 duplicates, but the publishers expect 12" in problems(
        ledger=replace(ledger, **{term: 13})
    )


def test_rejects_are_held_against_what_publishers_know():
    ledger = replace(LEDGER, rejected=7, unchanged=3, rejected_by={"not_json": 7})
    assert "7 rejects, but the publishers expect 8" in problems(ledger=ledger)


def test_what_publishers_know_counts_only_where_all_of_them_know():
    other = replace(RECEIPT, messages=0, readings=0, rows=None, duplicates=None, rejected=None)
    assert problems(receipts=[replace(RECEIPT, rows=81), other]) == ""


def test_what_publishers_know_is_no_measure_once_messages_were_delivered_again():
    ledger = replace(LEDGER, messages=11, read=110, unchanged=12)
    assert problems(staged_messages=11, ledger=ledger) == ""
    assert "110 read" in problems(ledger=replace(ledger, messages=10))


def test_fewer_readings_than_were_published_are_a_problem_whatever_came_twice():
    ledger = replace(LEDGER, messages=11, read=99, unchanged=1)
    assert "100 readings published, 99 read" in problems(staged_messages=11, ledger=ledger)


@pytest.mark.parametrize("messages", [9, 11])
def test_messages_of_the_ledger_are_those_that_were_staged(messages):
    told = problems(ledger=replace(LEDGER, messages=messages))
    assert f"10 messages staged, {messages} in the ledger" in told


def test_a_ledger_row_without_its_batch_is_a_problem():
    assert "1 batch of the ledger has no raw object in S3" in problems(
        ledger=replace(LEDGER, batches=3)
    )


def test_rejects_by_reason_are_neither_more_nor_fewer():
    for count in (2, 4):
        ledger = replace(LEDGER, rejected_by={"not_json": count, "missing:ts": 5})
        assert "by reason" in problems(ledger=ledger)


def test_messages_in_a_queue_are_not_missing():
    ledger = replace(LEDGER, messages=8)
    for queues in ({"queued": 2}, {"dead": 2}, {"queued": 1, "dead": 1}):
        found = replace(BALANCED, staged_messages=8, ledger=ledger, **queues)
        assert not [one for one in found.problems() if "neither" in one]
    found = replace(BALANCED, staged_messages=8, ledger=ledger, queued=1)
    assert [one for one in found.problems() if "1 published message is neither" in one]


@pytest.mark.parametrize(
    ("changes", "in_progress"),
    [
        ({}, False),
        ({"queued": 1}, True),
        ({"staged_messages": 9}, True),
        ({"staged_messages": 9, "dead": 1}, False),
        ({"staged_batches": 3}, True),
        ({"staged_batches": 1}, False),
    ],
)
def test_it_is_in_progress_while_something_may_still_come(changes, in_progress):
    assert replace(BALANCED, **changes).in_progress is in_progress


def test_it_balances_where_there_is_no_problem_and_not_before():
    assert BALANCED.as_dict()["balanced"] is True
    assert replace(BALANCED, rows=79).as_dict()["balanced"] is False
