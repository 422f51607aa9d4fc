"""``etl rollups``: refresh or rebuild the rollups that the analysts' views read."""

from __future__ import annotations

from typing import Literal

import typer

from etl.cli.context import JsonOption, console, counted, guard, print_json, target_of
from etl.cli.contract_option import ContractOption
from etl.cli.wait_line import waiting
from etl.operations.rollups import refresh_rollups

__all__ = ["register"]

VERBS = {"refresh": "refreshes", "rebuild": "computes"}

app = typer.Typer(
    help="Hourly and daily rollups: always exact, and faster to query once refreshed."
)


@app.command()
@guard
def refresh(
    context: typer.Context, contract: ContractOption = None, as_json: JsonOption = False
) -> None:
    """Refresh the time ranges that loads have changed. Loads do this themselves, once a minute."""
    _work(context, "refresh", contract, as_json=as_json)


@app.command()
@guard
def rebuild(
    context: typer.Context, contract: ContractOption = None, as_json: JsonOption = False
) -> None:
    """Compute all rollups again from the rows. Safe at any time, and safe to run again."""
    _work(context, "rebuild", contract, as_json=as_json)


def _work(
    context: typer.Context,
    work: Literal["refresh", "rebuild"],
    contract: str | None,
    *,
    as_json: bool,
) -> None:
    calls = 0
    target = target_of(context.obj)
    with waiting(f"the migrate function {VERBS[work]} the rollups", "safe to interrupt") as say:
        for left in refresh_rollups(target, work, contract):
            calls += 1
            say(f"{counted(left, 'time range')} left")
    if as_json:
        print_json({"left": 0, "calls": calls})
    else:
        console.print("[green]✓[/] all rollups are up to date")


def register(root: typer.Typer) -> None:
    """Add this module's commands."""
    root.add_typer(app, name="rollups")
