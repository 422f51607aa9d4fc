"""``etl rollups``: the figures that analysts' views keep, brought up to date or made anew."""

from __future__ import annotations

from typing import Literal

import typer

from etl.cli.context import JsonOption, console, counted, guard, notes, print_json, target_of
from etl.operations.rollups import refresh_rollups

__all__ = ["register"]

app = typer.Typer(
    help="Hourly and daily figures: always exact, and faster to read once they are refreshed."
)


@app.command()
@guard
def refresh(context: typer.Context, as_json: JsonOption = False) -> None:
    """Compute now what loads have marked. They do so themselves, once a minute."""
    _work(context, "refresh", as_json=as_json)


@app.command()
@guard
def rebuild(context: typer.Context, as_json: JsonOption = False) -> None:
    """Compute every figure from the rows anew. Safe at any time, and to repeat."""
    _work(context, "rebuild", as_json=as_json)


def _work(context: typer.Context, work: Literal["refresh", "rebuild"], *, as_json: bool) -> None:
    calls = 0
    for left in refresh_rollups(target_of(context.obj), work):
        calls += 1
        if left:
            notes.print(f"{counted(left, 'mark')} left")
    if as_json:
        print_json({"left": 0, "calls": calls})
    else:
        console.print("[green]✓[/] every figure is kept; nothing is read from the rows")


def register(root: typer.Typer) -> None:
    """Add this module's commands."""
    root.add_typer(app, name="rollups")
