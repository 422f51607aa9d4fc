"""Options, confirmation and progress of replay, backfill, release and discard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from etl.cli.context import console, notes, print_json
from etl.cli.wait_line import log_lines, progress_bar
from etl.operations.batches import Batch
from etl.operations.escaping import escape_text
from etl.operations.executions import Execution
from etl.operations.plurals import counted
from etl.operations.reruns import RerunProgress

__all__ = [
    "ConcurrencyOption",
    "DryRunOption",
    "YesOption",
    "batch_as_dict",
    "batch_table",
    "confirm",
    "print_executions",
    "show_progress",
]  # fmt: skip

ConcurrencyOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=1000, help="Batches processed in parallel; default: the stack's MaxConcurrency."
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")]
SHOWN_BATCHES = 20
TIME_WIDTH = len("2026-11-23 06:30:00")
COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(bar_width=24),
    MofNCompleteColumn(),
    TextColumn("{task.fields[failed]}", style="red"),
    TimeElapsedColumn(),
)


def batch_table(batches: list[Batch]) -> Table:
    """The first batches as a table, with a row for each."""
    table = Table()
    table.add_column("batch")
    table.add_column("staged (UTC)", min_width=TIME_WIDTH)
    table.add_column("messages", justify="right")
    table.add_column("status")
    for batch in batches[:SHOWN_BATCHES]:
        table.add_row(
            Text(escape_text(batch.raw.batch_id)),
            f"{batch.staged_at:%Y-%m-%d %H:%M:%S}",
            f"{batch.raw.messages:,}",
            batch.status,
        )
    if len(batches) > SHOWN_BATCHES:
        table.add_row(f"… {len(batches) - SHOWN_BATCHES:,} more", "", "", "", style="dim")
    return table


def batch_as_dict(batch: Batch) -> dict[str, Any]:
    """A batch as plain data."""
    return {
        "batch_id": batch.raw.batch_id,
        "raw_key": batch.key,
        **({"contract": batch.raw.contract} if batch.raw.contract is not None else {}),
        "staged_at": batch.staged_at.isoformat(),
        "messages": batch.raw.messages,
        "bytes": batch.size,
        "status": batch.status,
        "executions": [o.execution for o in batch.outcomes],
    }


def confirm(question: str, *, yes: bool) -> None:
    """Ask for confirmation unless ``yes``; ends the command where the answer is no."""
    if not yes:
        typer.confirm(question, abort=True, err=True)


def show_progress(steps: Iterable[RerunProgress], total: int) -> list[Execution]:
    """Show the progress of one execution after the other; returns them as they ended."""
    ended: list[Execution] = []
    before = 0
    until = "Ctrl-C stops watching; the execution keeps running"
    with (
        log_lines("loading through the workflow", until) as log,
        progress_bar(*COLUMNS, until=until) as progress,
    ):
        bar = progress.add_task("starting", total=total, failed="")
        for step in _with_a_note_on_interruption(steps):
            failed = f"{step.failed:,} failed" if step.failed else ""
            progress.update(
                bar,
                description=step.execution.name,
                completed=before + step.done,
                total=max(total, before + step.total),
                failed=failed,
            )
            log(f"{step.execution.name}: {before + step.done:,} of {counted(total, 'batch')}")
            if step.ended:
                before += step.done
                ended.append(step.execution)
    return ended


def _with_a_note_on_interruption(steps: Iterable[RerunProgress]) -> Iterator[RerunProgress]:
    try:
        yield from steps
    except (KeyboardInterrupt, GeneratorExit):
        notes.print("The execution keeps running; run the same command to follow it.")
        raise


def print_executions(ended: list[Execution], *, as_json: bool) -> None:
    """Print how the executions ended. Exits with 1 unless all of them succeeded."""
    if as_json:
        print_json(
            [
                {"execution": e.name, "status": e.status, "cause": e.cause, "output": e.output}
                for e in ended
            ]
        )
    else:
        for execution in ended:
            style = "green" if execution.status == "SUCCEEDED" else "red"
            message = (execution.output or {}).get("message") or execution.cause or ""
            console.print(Text(execution.status, style=style), end=" ")
            console.print(Text(_escaped(message)), soft_wrap=True)
    if any(execution.status != "SUCCEEDED" for execution in ended):
        raise typer.Exit(1)


def _escaped(message: str) -> str:
    return "\n".join(escape_text(line) for line in message.splitlines())
