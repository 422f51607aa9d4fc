"""The verdict in each situation: what is under way has an owner, and what has none is a loss."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from etl.operations.batch_match import BatchMatch
from etl.operations.message_index import MessageMatch
from etl.operations.reconciliation_counts import Counts
from etl.operations.verdict import judge
from tests.unit.etl.operations.balanced_counts import (
    BALANCED,
    LEDGER,
    NOW,
    RECEIPT,
    group,
    verdict,
    with_batches,
)

TERMS = ("inserted", "updated", "unchanged", "duplicates", "conflicts", "conflicts_in_table",
         "rejected", "set_aside", "quarantined", "discarded")  # fmt: skip


def of_messages(**changes: Any) -> dict[str, Any]:
    return {"messages": replace(BALANCED.messages, **changes)}


def test_what_adds_up_is_balanced():
    found = judge(BALANCED)
    assert (found.status, found.reasons, found.notes) == ("balanced", (), ())
    assert found.headline == "balanced: every reading is accounted for, to the unit"
    assert not found.in_progress


def test_an_empty_pipeline_is_balanced():
    assert judge(Counts(at=NOW)).status == "balanced"


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        (replace(BALANCED, queued=1), "1 message is in the queue"),
        (replace(BALANCED, queued=2000), "2,000 messages are in the queue"),
        (
            with_batches(running=group(owners={"run-1"})),
            "1 batch is being loaded by run-1, the oldest since 2026-11-23 11:30 UTC",
        ),
        (with_batches(young=group(2)), "2 batches staged a moment ago"),
        (
            replace(BALANCED, queued=3, **of_messages(missing=3)),
            "3 messages are in the queue",
        ),
        (
            replace(BALANCED, last_receipt=NOW - timedelta(seconds=1), **of_messages(missing=3)),
            "3 messages published a moment ago not queued yet",
        ),
    ],
)
def test_what_a_queue_or_an_execution_has_is_under_way(counts: Counts, sentence: str):
    found = judge(counts)
    assert found.status == "under way"
    assert [reason.sentence for reason in found.reasons] == [sentence]
    assert found.in_progress


@pytest.mark.parametrize(
    ("counts", "sentence", "command"),
    [
        (replace(BALANCED, dead=1), "1 message is in the dead-letter queue", "etl dlq redrive"),
        (
            replace(BALANCED, rule_errors=2),
            "2 messages are in the topic rule's error queue",
            "etl dlq redrive --queue rule-errors",
        ),
        (
            replace(BALANCED, **of_messages(missing=3, missing_in=("p", "q"))),
            "3 published messages are neither in S3 nor in a queue (of p, q)",
            None,
        ),
        (with_batches(failed=group()), "1 batch failed (b0)", "etl replay --batch b0"),
        (
            with_batches(failed=group(2, errors=["KeyError", "SchemaBehindError"])),
            "2 batches failed (b0, b1): KeyError; SchemaBehindError (table or login and functions "
            "are of different versions: the sweep loads them after `etl deploy`)",
            "etl replay --batch b0 --batch b1",
        ),
        (
            with_batches(failed=group(7)),
            "7 batches failed (b0, b1, b2, b3, b4, and 2 more)",
            "etl replay --failed",
        ),
        (
            with_batches(unprocessed=group()),
            "1 batch was staged and never processed (b0)",
            "etl sweep",
        ),
        (
            with_batches(lost=group(messages=20)),
            "1 batch of 20 messages has neither a raw object nor a row in the ledger (b0)",
            "etl replay --batch b0",
        ),
        (
            with_batches(raw_missing=group(2)),
            "2 batches of the ledger have no raw object in S3 (b0, b1)",
            None,
        ),
        (
            with_batches(unrecorded=group()),
            "1 batch that ended before has no row in the ledger (b0)",
            "etl backfill --repair --from 2026-11-23 --to 2026-11-24",
        ),
        (
            with_batches(miscounted=group(expected=4, actual=3)),
            "4 messages staged, 3 in the ledger (b0)",
            "etl backfill --repair --from 2026-11-23 --to 2026-11-24",
        ),
        (
            with_batches(misread=group(expected=40, actual=39)),
            "40 readings published, 39 read (b0)",
            None,
        ),
        (
            replace(BALANCED, rows=79),
            "79 rows in the table, 80 inserted according to the ledger",
            "etl backfill --repair --from 2026-11-23 --to 2026-11-24",
        ),
        (
            replace(BALANCED, rows=81),
            "81 rows in the table, 80 inserted according to the ledger",
            None,
        ),
    ],
)
def test_what_nothing_will_change_is_not_balanced(
    counts: Counts, sentence: str, command: str | None
):
    found = judge(counts)
    assert found.status == "not balanced"
    [reason] = found.reasons
    assert reason.sentence.startswith(sentence)
    assert reason.command == command
    assert not found.in_progress


def test_a_failed_batch_is_not_under_way_whatever_else_is():
    found = judge(replace(with_batches(failed=group()), queued=5))
    assert found.status == "not balanced"
    assert [reason.status for reason in found.reasons] == ["under way", "not balanced"]


def test_messages_without_a_receipt_hide_none_that_are_missing():
    # 41 messages of others are staged beyond those published, and 20 of these are gone.
    staged = BatchMatch(group(1, 31 + 10 - 10))
    found = verdict(messages=MessageMatch(published=30, missing=20), batches=staged)
    assert any("20 published messages are neither" in r.sentence for r in found.reasons)


@pytest.mark.parametrize(
    ("queues", "left"),
    [({"queued": 2}, 3), ({"dead": 2}, 3), ({"rule_errors": 4}, 1), ({"queued": 1, "dead": 1}, 3)],
)
def test_only_as_many_as_a_queue_has_are_explained_by_it(queues: dict[str, int], left: int):
    found = verdict(**queues, **of_messages(missing=5))
    be = "is" if left == 1 else "are"
    assert any(f" {be} neither" in r.sentence and f"{left} " in r.sentence for r in found.reasons)


def test_a_batch_that_is_gone_explains_its_messages_once():
    for finding in ("raw_missing", "lost"):
        counts = with_batches(**{finding: group(messages=5)})
        found = judge(replace(counts, **of_messages(missing=5)))
        assert len(found.reasons) == 1
        found = judge(replace(counts, **of_messages(missing=6)))
        assert any("1 published message is neither" in r.sentence for r in found.reasons)


def test_messages_that_cannot_be_read_are_noted_and_no_loss():
    ledger = replace(LEDGER, read=92, inserted=70, rejected=10,
                     rejected_by={"not_json": 3, "missing:ts": 5, "unreadable_batch": 2})  # fmt: skip
    changes = of_messages(missing=2, missing_readings=10, unreadable_messages=2)
    found = verdict(ledger=ledger, rows=70, **changes)
    assert found.status == "balanced"
    assert "2 messages are in raw objects that can't be read" in found.notes[0]


def test_receipts_without_digests_are_compared_by_number():
    old = replace(RECEIPT, digests=False)
    messages = MessageMatch()
    assert verdict(receipts=[old], messages=messages).status == "balanced"
    fewer = BatchMatch(group(1, 9))
    found = verdict(receipts=[old], messages=messages, batches=fewer)
    assert any("1 published message is neither" in r.sentence for r in found.reasons)


def test_it_says_what_it_cannot_know():
    fleet = verdict(receipts=[], messages=MessageMatch())
    assert fleet.status == "balanced"
    assert "never reached the topic rule is not known" in fleet.notes[0]
    mixed = verdict(batches=BatchMatch(group(3, 5)))
    assert mixed.status == "balanced"
    assert "5 staged messages without a receipt" in mixed.notes[0]
    interrupted = verdict(receipts=[replace(RECEIPT, unacknowledged=2)])
    assert "2 messages are without the broker's acknowledgement" in interrupted.notes[0]


def sentences(**changes: Any) -> str:
    return "\n".join(reason.sentence for reason in verdict(**changes).reasons)


@pytest.mark.parametrize("term", TERMS)
def test_each_way_in_which_a_reading_ends_is_accounted_for(term: str):
    none = dict.fromkeys(TERMS, 0)
    ledger = replace(LEDGER, **{**none, term: 100, "read": 100})
    assert "accounted for" not in sentences(ledger=ledger)
    assert "100 readings read, 101 accounted for" in sentences(
        ledger=replace(ledger, **{term: 101})
    )
    assert "100 readings read, 99 accounted for" in sentences(ledger=replace(ledger, **{term: 99}))


def test_rejects_by_reason_are_neither_more_nor_fewer():
    for count in (2, 4):
        ledger = replace(LEDGER, rejected_by={"not_json": count, "missing:ts": 5})
        assert "by reason" in sentences(ledger=ledger)


def test_rows_in_the_tables_of_other_contracts_are_not_missed_in_todays():
    ledger = replace(LEDGER, elsewhere=50)
    assert sentences(ledger=ledger, rows=30) == ""
    assert "80 rows in the table, 30 inserted" in sentences(ledger=ledger, rows=80)


def test_rows_that_retention_dropped_are_not_missed():
    ledger = replace(LEDGER, dropped=50)
    assert sentences(ledger=ledger, rows=30) == ""
    assert (
        "31 rows in the table, 80 inserted according to the ledger, less 50 dropped by retention"
        in sentences(ledger=ledger, rows=31)
    )


def test_rows_of_a_batch_that_was_loaded_again_are_accounted_for():
    # 80 rows by the first load; the second, under another contract, found 75 and brought 5 more.
    receipt = replace(RECEIPT, rows=85, rejected=3)
    ledger = replace(
        LEDGER, inserted=5, inserted_before=80, unchanged=82, rejected=3, rejected_by={"a": 3}
    )
    assert sentences(receipts=[receipt], ledger=ledger, rows=85) == ""
    assert "84 rows in the table, 85 inserted" in sentences(
        receipts=[receipt], ledger=ledger, rows=84
    )


@pytest.mark.parametrize("term", ["inserted", "inserted_before", "quarantined", "discarded"])
def test_each_kind_of_row_is_held_against_what_publishers_know(term: str):
    def said(number: int) -> str:
        rest = {"unchanged": 10 + 2 - (number if term == "inserted_before" else 0), "duplicates": 0}
        parts = {**dict.fromkeys(TERMS, 0), **rest, "rejected": 8, term: number}
        # What an earlier load inserted is found as unchanged by the one that counts.
        if term == "inserted_before":
            parts["unchanged"] = 12 + number
            parts["read"] = 12 + number + 8
        ledger = replace(LEDGER, **{"read": 20 + number, **parts})
        rows = number if term in ("inserted", "inserted_before") else 0
        return sentences(ledger=ledger, rows=rows)

    assert said(80) == ""
    assert "79 rows, but the publishers expect 80" in said(79)


@pytest.mark.parametrize(
    "term", ["duplicates", "conflicts", "conflicts_in_table", "unchanged", "updated"]
)
def test_each_kind_of_repeat_is_held_against_what_publishers_know(term: str):
    def said(number: int) -> str:
        none = dict.fromkeys(TERMS, 0)
        parts = {**none, "inserted": 80, "rejected": 8, "read": 88 + number, term: number}
        return sentences(ledger=replace(LEDGER, **parts))

    assert said(12) == ""
    assert "13 duplicates, but the publishers expect 12" in said(13)


def test_rejects_are_held_against_what_publishers_know():
    ledger = replace(LEDGER, rejected=7, unchanged=3, rejected_by={"not_json": 7})
    assert "7 rejects, but the publishers expect 8" in sentences(ledger=ledger)


def test_what_publishers_know_counts_only_where_all_of_them_know():
    other = replace(RECEIPT, messages=0, readings=0, rows=None, duplicates=None, rejected=None)
    assert sentences(receipts=[replace(RECEIPT, rows=81), other]) == ""


def test_what_publishers_know_is_no_measure_once_messages_were_delivered_again():
    wrong = replace(RECEIPT, rows=81)
    again = BatchMatch(group(1, 11))
    assert sentences(receipts=[wrong], batches=again, **of_messages(repeated=1)) == ""
    assert "81" in sentences(receipts=[wrong])
