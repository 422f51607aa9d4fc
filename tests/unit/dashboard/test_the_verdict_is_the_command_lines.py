"""The overview shows the verdict of ``etl reconcile``: the same status, reasons and commands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dashboard.rendering import environment
from etl.cli import data
from etl.operations.reconciliation_counts import Counts
from etl.operations.verdict import judge
from tests.unit.etl.operations.balanced_counts import BALANCED, group, with_batches

MADE = environment()


def page(counts: Counts) -> str:
    parts: Any = MADE.get_template("parts.html").module
    return str(parts.verdict(judge(counts)))


def terminal(counts: Counts) -> str:
    with data.console.capture() as captured:
        data.print_verdict(judge(counts))
    return captured.get()


@pytest.mark.parametrize(
    ("counts", "level", "said"),
    [
        (BALANCED, "good", ["balanced: every reading is accounted for, to the unit"]),
        (replace(BALANCED, queued=3), "busy", ["under way", "messages are in the queue"]),
        (
            replace(with_batches(failed=group(7)), queued=3),
            "bad",
            ["not balanced", "batches failed", "etl replay --failed"],
        ),
        (replace(BALANCED, receipts=[]), "good", ["never reached the topic rule is not known"]),
    ],
)
def test_page_and_terminal_say_the_same(counts: Counts, level: str, said: list[str]) -> None:
    assert f'class="verdict {level}"' in page(counts)
    for text in said:
        assert text in page(counts).lower() or text in page(counts)
        assert text in terminal(counts)


def test_the_name_of_a_batch_is_no_markup_on_either() -> None:
    hostile = group(keys=["<script>[bold]\x1b[2J"])
    counts = with_batches(failed=hostile)
    assert "<script>" not in page(counts)
    assert "\x1b[2J" not in terminal(counts) + page(counts)
    assert "[bold]" in terminal(counts)
