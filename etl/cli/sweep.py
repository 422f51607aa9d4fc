"""``etl sweep``: load the staged batches that no execution is processing."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from etl.aws.invocation import FunctionFailedError, invoke
from etl.aws.target import Target
from etl.cli.context import JsonOption, console, counted, fail, guard, print_json, target_of
from etl.cli.wait_line import waiting

MEANINGS = {
    "settled": "have a row in the ledger",
    "running": "are in a running execution",
    "young": "were staged a moment ago",
    "waiting": "failed and wait to be retried, longer after each failure",
    "due": "are due: no execution is processing them",
    "permanent": "failed permanently: fix the cause, then `etl replay`",
    "exhausted": "failed too often for unknown reasons: look at them, then `etl replay`",
}


def invoke_sweep(target: Target, days: int | None, *, dry_run: bool) -> dict[str, Any]:
    """Invoke the sweep function and return its result. Ends the command where it failed."""
    event = {"dry_run": dry_run, **({"days": days} if days else {})}
    try:
        return invoke(target.client("lambda"), target.outputs["SweepFunctionName"], event)
    except FunctionFailedError as error:
        raise fail(f"The sweep failed with {error.kind}: {error.message}") from error


def sweep_table(result: dict[str, Any]) -> Table:
    """The number of batches in each state."""
    title = f"Staged batches of the last {result['days']} days"
    table = Table(title=title, title_justify="left", show_header=False, min_width=len(title))
    table.add_column(justify="right")
    table.add_column()
    for name, meaning in MEANINGS.items():
        if result[name] or name in {"settled", "due"}:
            table.add_row(f"{result[name]:,}", meaning)
    return table


@guard
def sweep(
    context: typer.Context,
    days: Annotated[
        int | None,
        typer.Option(min=1, max=3650, help="Days to look back; default: 15."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be loaded, and start nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Load staged batches that no execution is processing. Safe at any time; also scheduled."""
    target = target_of(context.obj)
    with waiting("the sweep function searches for staged batches", "15 minutes at most"):
        result = invoke_sweep(target, days, dry_run=dry_run)
    if as_json:
        print_json(result)
        return
    console.print(sweep_table(result))
    for key in result["for_a_person"]:
        console.print(f"[red]✗[/] {key}", soft_wrap=True)
    if result["execution"]:
        console.print(
            f"started [bold]{result['execution']}[/] with {counted(result['started'], 'batch')}"
        )
    elif result["due"]:
        console.print("started nothing" if dry_run else "another sweep has just started them: wait")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(sweep)
