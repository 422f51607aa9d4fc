"""``etl table``: the partitions of the table, and what retention drops."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from etl.cli.context import JsonOption, console, counted, guard, print_json, target_of
from etl.cli.contract_option import ContractOption
from etl.cli.wait_line import waiting
from etl.operations.contract_choice import chosen_contracts, has_several
from etl.operations.escaping import escape_text
from etl.operations.maintenance import run_maintenance
from etl.operations.table_life import PartitionFacts, TableLife, read_life

__all__ = ["register"]

app = typer.Typer(help="The table's partitions, and the rows that leave it because of their age.")


@app.command()
@guard
def show(
    context: typer.Context, contract: ContractOption = None, as_json: JsonOption = False
) -> None:
    """Show the partitions, and when the maintenance drops each of them."""
    target = target_of(context.obj)
    chosen = chosen_contracts(target, contract)
    lives = {one.name: read_life(target, contract=one) for one in chosen}
    if as_json:
        found = {name: life.as_dict() for name, life in lives.items()}
        print_json(found if has_several(target) else next(iter(found.values())))
        return
    for life in lives.values():
        _show(life)


def _show(life: TableLife) -> None:
    if life.partition == "none":
        console.print(Text(f"{life.table} has no partitions: its rows never expire"))
        return
    console.print(_table(life, datetime.now(UTC)))
    for sentence in _sentences(life):
        console.print(Text(sentence), soft_wrap=True)
    for kept in life.kept:
        _print_kept(kept.partition, kept.reason)


def _table(life: TableLife, now: datetime) -> Table:
    table = Table(title=life.table, title_justify="left")
    table.add_column("partition")
    for heading in ("rows, about", "MB", "dropped from"):
        table.add_column(heading, justify="right")
    for one in life.partitions:
        rows = "" if one.rows is None else f"{one.rows:,}"
        table.add_row(escape_text(one.name), rows, f"{one.size / 1e6:,.1f}", _due(one, life, now))
    return table


def _due(one: PartitionFacts, life: TableLife, now: datetime) -> str:
    """The day from which a partition is dropped."""
    if one.end is None:
        return "row by row" if life.retention_days is not None and one.start is None else ""
    if one.due is None:
        return ""
    if any(kept.partition == one.name for kept in life.kept):
        return "kept"
    return "now due" if one.due <= now else f"{one.due:%Y-%m-%d}"


def _sentences(life: TableLife) -> list[str]:
    if life.retention_days is None or life.horizon is None:
        return ["No retention is set: rows never expire."]
    sentences = [
        f"Rows stay for {counted(life.retention_days, 'day')}: the next maintenance drops those "
        f"before {life.horizon:%Y-%m-%d} (UTC) whose batches are in S3."
    ]
    if life.dropped_until is not None and life.last_drop is not None:
        sentences.append(
            f"{counted(life.dropped_rows, 'row')} dropped so far, the last on "
            f"{life.last_drop:%Y-%m-%d %H:%M} UTC."
        )
    return sentences


@app.command()
@guard
def maintain(
    context: typer.Context, contract: ContractOption = None, as_json: JsonOption = False
) -> None:
    """Make partitions ahead and drop old ones now. The schedule does this once a day.

    Exits with 1 where rows are older than the retention and are kept, because S3 lacks some of
    their batches. Safe to run at any time, and again.
    """
    with waiting("the migrate function makes and drops partitions", "safe to interrupt"):
        done = run_maintenance(target_of(context.obj), contract)
    if as_json:
        print_json(done)
    else:
        _print_maintenance(done)
    if done["kept"]:
        raise typer.Exit(1)


def _print_maintenance(done: dict[str, Any]) -> None:
    for one in done["dropped"]:
        if one["rows"]:
            name = escape_text(one["partition"])
            console.print(Text(f"dropped {name}: {counted(one['rows'], 'row')}"), soft_wrap=True)
    for one in done["kept"]:
        _print_kept(one["partition"], one["reason"])
    rows = sum(one["rows"] for one in done["dropped"])
    made = sum("ATTACH PARTITION" in statement for statement in done["made"])
    left = f"; {counted(done['left'], 'partition')} left to the next one" if done["left"] else ""
    dropped = f"{counted(len(done['dropped']), 'partition')} dropped with {counted(rows, 'row')}"
    made_ones = f"{counted(made, 'partition')} made"
    console.print(f"[green]✓[/] {made_ones}, {dropped}{left}", soft_wrap=True)


def _print_kept(partition: str, reason: str) -> None:
    sentence = f"✗ {partition} is kept: {reason}"
    console.print(Text(escape_text(sentence), style="red"), soft_wrap=True)


def register(root: typer.Typer) -> None:
    """Add this module's commands."""
    root.add_typer(app, name="table")
