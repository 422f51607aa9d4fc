"""A command takes what another one prints, so ids are whole at any width of the terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console
from rich.table import Table

from etl.cli import context
from etl.cli.rerun_options import batch_table
from etl.operations.batches import Batch
from telemetry.layout import RawKey

NOW = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


def printed(table: Table, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    out = io.StringIO()
    monkeypatch.setattr(context, "console", Console(file=out, width=width))
    context.print_table(table)
    return out.getvalue()


@pytest.mark.parametrize("width", [20, 80, 200])
def test_an_id_and_a_time_are_on_one_line(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    execution = "backfill-2f61c09be8d7-5d0c3a7be1f24986-12"
    raw = RawKey("2026-11-23", execution, f"{execution}-0-00001", 50)
    text = printed(batch_table([Batch(raw, "key", 1, NOW)]), width, monkeypatch)
    assert raw.batch_id in text
    assert "2026-11-23 06:30:00" in text


@pytest.mark.parametrize("width", [20, 60, 80, 100])
def test_an_id_beside_a_long_text_is_on_one_line(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = "73447369-f4cc-40f5-82a7-6e3bbc13ccb0"
    table = Table()
    for heading in ("execution", "why"):
        table.add_column(heading)
    table.add_row(execution, "the database could not be reached " * 5)
    assert execution in printed(table, width, monkeypatch)


def test_a_table_uses_the_width_of_a_wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(expand=True)
    table.add_column("a")
    assert len(printed(table, 120, monkeypatch).splitlines()[0]) == 120
