"""``etl executions``: the executions of the workflow, filtered, with what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from etl.cli.completion import complete_batch, complete_contract, complete_status
from etl.cli.context import JsonOption, guard, notes, print_json, print_table, target_of
from etl.cli.rerun_options import TIME_WIDTH
from etl.cli.wait_line import waiting
from etl.operations.escaping import escape_text
from etl.operations.execution_search import (
    FAILED,
    STATUSES,
    ExecutionFilter,
    is_idle,
    result_of,
    search,
)
from etl.operations.executions import Execution
from etl.operations.plurals import counted
from etl.operations.time_range import TimeRange, TimeRangeError

if TYPE_CHECKING:
    from types_boto3_stepfunctions.literals import ExecutionStatusType

__all__ = ["COLOURS", "register"]

COLOURS = {"SUCCEEDED": "green", "RUNNING": "yellow"}
EXAMINED = 2_000
"""Executions that are examined where no time range says how far back to search."""
RESULT_LENGTH = 200
"""Characters of a result in the table; ``--json`` has all of it."""


@guard
def executions(
    context: typer.Context,
    status: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Only with this status, repeatable: {', '.join(STATUSES).lower()}.",
            autocompletion=complete_status,
        ),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only failed, timed_out and aborted ones.")
    ] = False,
    start: Annotated[
        str | None,
        typer.Option("--from", help="Started at or after: 6h, 2d or 2026-11-23T06:30 (UTC)."),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Started before, written alike.")] = None,
    cause: Annotated[
        str, typer.Option(help="Only with this text in the result, such as DatabaseUnavailable.")
    ] = "",
    batch: Annotated[
        str,
        typer.Option(
            help="Only those that processed the batch of this id.", autocompletion=complete_batch
        ),
    ] = "",
    contract: Annotated[
        str,
        typer.Option(
            help="Only those that read batches by the contract of this name.",
            autocompletion=complete_contract,
        ),
    ] = "",
    idle: Annotated[
        bool, typer.Option("--idle", help="Also list, one by one, those with nothing to do.")
    ] = False,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="Number of executions.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List executions with what became of them, the last to start or end first.

    Consecutive executions that found nothing to do are one line, unless --idle is given.
    """
    started = _time_range(start, end)
    wanted = ExecutionFilter(
        statuses=_statuses(status or (), failed=failed),
        started=started,
        cause=cause,
        batch_id=batch,
        contract=contract,
    )
    found = search(target_of(context.obj), wanted)
    if started.is_open:
        found = islice(found, EXAMINED)
    with waiting("searching the executions", "Ctrl-C ends it"):
        rows = list(_first(found, most, idle=idle))
    if as_json:
        print_json([vars(e) | {"result": result_of(e)} for e in rows if idle or not is_idle(e)])
        return
    if not rows:
        notes.print("no execution matches")
        return
    print_table(_table(rows, idle=idle))
    if started.is_open and len(rows) == EXAMINED:
        notes.print(f"these are of the latest {EXAMINED:,} executions: --from 30d searches further")


def _statuses(named: Iterable[str], *, failed: bool) -> tuple[ExecutionStatusType, ...]:
    upper = {name.upper().replace("-", "_") for name in named}
    unknown = sorted(upper - set(STATUSES))
    if unknown:
        raise typer.BadParameter(
            f"{unknown[0].lower()!r} is not a status: {', '.join(STATUSES).lower()}",
            param_hint="--status",
        )
    return tuple(s for s in STATUSES if s in upper or (failed and s in FAILED))


def _time_range(start: str | None, end: str | None) -> TimeRange:
    found = TimeRange.since(start or "", end or "", datetime.now(UTC))
    if found.start >= found.end:
        raise TimeRangeError(f"--from {start} is not before --to {end}.")
    return found


def _first(found: Iterable[Execution], most: int, *, idle: bool) -> Iterator[Execution]:
    """Executions until there are enough; those with nothing to do count only with ``idle``."""
    for execution in found:
        most -= idle or not is_idle(execution)
        if most < 0:
            return
        yield execution


def _table(rows: list[Execution], *, idle: bool) -> Table:
    table = Table()
    table.add_column("execution")
    table.add_column("status")
    table.add_column("started (UTC)", min_width=TIME_WIDTH)
    table.add_column("seconds", justify="right")
    table.add_column("result")
    for folded, group in groupby(rows, key=lambda e: is_idle(e) and not idle):
        alike = list(group)
        if folded and len(alike) > 1:
            table.add_row("…", "", _started(alike[-1]), "", _nothing_to_do(alike), style="dim")
            continue
        for execution in alike:
            table.add_row(*_cells(execution))
    return table


def _nothing_to_do(alike: list[Execution]) -> str:
    return f"{counted(len(alike), 'execution')} until {_started(alike[0])}: nothing to do"


def _cells(execution: Execution) -> tuple[Any, ...]:
    seconds = "" if execution.seconds is None else f"{execution.seconds:.2f}"
    result = escape_text(" ".join(result_of(execution).split()))
    if len(result) > RESULT_LENGTH:
        result = result[: RESULT_LENGTH - 1] + "…"
    return (
        Text(execution.name),
        Text(execution.status, COLOURS.get(execution.status, "red")),
        _started(execution),
        seconds,
        Text(result),
    )


def _started(execution: Execution) -> str:
    return f"{execution.started.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(executions)
