"""The overview shows the verdict of ``etl reconcile``: the same status, reasons and commands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dashboard.rendering import environment
from etl.cli import data
from etl.operations.account import Account
from etl.operations.verdict import judge
from tests.unit.etl.operations.accounts import BALANCED, group, with_batches

MADE = environment()


def page(account: Account) -> str:
    parts: Any = MADE.get_template("parts.html").module
    return str(parts.verdict(judge(account)))


def terminal(account: Account) -> str:
    with data.console.capture() as captured:
        data.print_verdict(judge(account))
    return captured.get()


@pytest.mark.parametrize(
    ("account", "level", "said"),
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
def test_page_and_terminal_say_the_same(account: Account, level: str, said: list[str]) -> None:
    assert f'class="verdict {level}"' in page(account)
    for text in said:
        assert text in page(account).lower() or text in page(account)
        assert text in terminal(account)


def test_the_name_of_a_batch_is_no_markup_on_either() -> None:
    hostile = group(keys=["<script>[bold]\x1b[2J"])
    account = with_batches(failed=hostile)
    assert "<script>" not in page(account)
    assert "\x1b[2J" not in terminal(account) + page(account)
    assert "[bold]" in terminal(account)
