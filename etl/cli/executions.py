"""``etl run``, ``etl logs``, ``etl trace``: run and watch the workflow."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from etl.aws.target import Target
from etl.cli.completion import complete_execution, complete_function
from etl.cli.context import (
    JsonOption,
    console,
    fail,
    guard,
    notes,
    print_json,
    print_table,
    target_of,
)
from etl.cli.execution_list import COLOURS
from etl.cli.wait_line import log_lines, waiting
from etl.operations.escaping import escape_text
from etl.operations.executions import Execution, execution_arn, follow, start
from etl.operations.log_format import LogLine, parse_log_line
from etl.pictures.history import StateVisit

LOG_POLL_SECONDS = 1.0


def state_table(execution: Execution, states: list[StateVisit]) -> Table:
    """One execution as a table, with a row for each visit to a state."""
    colour = COLOURS.get(execution.status, "red")
    table = Table(title=f"{execution.name}  [{colour}]{execution.status}[/]", title_justify="left")
    for heading in ("state", "seconds", "retries", "error"):
        table.add_column(heading, justify="right" if heading in {"seconds", "retries"} else "left")
    for visit in states:
        seconds = "…" if visit.seconds is None else f"{visit.seconds:.2f}"
        retries = str(visit.retries or "")
        table.add_row(visit.name, seconds, retries, Text(visit.error or "", style="red"))
    return table


@guard
def run(
    context: typer.Context,
    prefix: Annotated[
        str | None,
        typer.Option(help="Load the batches under this S3 prefix, not the queue."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start an execution and follow it state by state. Exits with 1 when it fails."""
    target = target_of(context.obj)
    arn = start(target, {"prefix": prefix} if prefix else {})
    execution = _followed(target, arn, shown=not as_json)
    if as_json:
        print_json(vars(execution))
    elif execution.output:
        console.print_json(json.dumps(execution.output))
    if execution.status != "SUCCEEDED":
        why = escape_text(f"{execution.error}: {execution.cause}")
        raise fail(why if not as_json else execution.status)


def _followed(target: Target, arn: str, *, shown: bool) -> Execution:
    """Follow an execution to its end, with a table of its states if ``shown``."""
    with ExitStack() as stack:
        name, until = arn.rpartition(":")[2], "Ctrl-C stops watching; the execution keeps running"
        wait = log_lines if shown and console.is_terminal else waiting
        say = stack.enter_context(wait(f"execution {name} is running", until))
        live = stack.enter_context(Live(console=console, refresh_per_second=4)) if shown else None
        for execution, states in follow(target, arn):
            say(states[-1].name if states else "")
            if live is not None:
                live.update(state_table(execution, states))
    return execution


def log_groups(target: Target) -> dict[str, str]:
    """The log group of each function, from the stack's outputs."""
    suffix = "LogGroupName"
    return {
        name.removesuffix(suffix).lower(): value
        for name, value in target.outputs.items()
        if name.endswith(suffix)
    }


@guard
def logs(
    context: typer.Context,
    function: Annotated[
        str | None,
        typer.Argument(
            help="Function, such as extract; default: all.", autocompletion=complete_function
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="Minutes to look back.")] = 15.0,
    search: Annotated[str | None, typer.Option(help="CloudWatch Logs filter pattern.")] = None,
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing.")] = False,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Print every line as it is, metrics included."),
    ] = False,
) -> None:
    """Print the functions' logs, oldest first."""
    target = target_of(context.obj)
    groups = log_groups(target)
    if function and function not in groups:
        raise fail(f"There is no function '{function}'. Functions: {', '.join(sorted(groups))}.")
    chosen = {function: groups[function]} if function else groups
    since = int((time.time() - minutes * 60) * 1000)
    seen: set[str] = set()
    while True:
        for time_text, name, message in _log_lines(target, chosen, since, search, seen):
            _print_line(time_text, name, message, raw=raw)
        if not follow_on:
            if not seen:
                notes.print("no log lines in this time")
            return
        time.sleep(LOG_POLL_SECONDS)


def _print_line(time_text: str, name: str, message: str, *, raw: bool) -> None:
    line = LogLine(message.rstrip()) if raw else parse_log_line(message)
    if line is None:
        return
    text = Text(f"{time_text} ", "dim").append(f"{name} ", "cyan")
    if line.level not in ("", "INFO"):
        text.append(
            f"{escape_text(line.level)} ", "bold red" if line.level == "ERROR" else "yellow"
        )
    text.append(escape_text(line.message), "default")
    for field, value in line.fields.items():
        text.append(f" {escape_text(field)}=", "dim").append(escape_text(value), "default")
    console.print(text, soft_wrap=True)
    if line.trace:
        console.print(Text(escape_text(line.trace), "dim"), soft_wrap=True)


def _log_lines(
    target: Target, groups: dict[str, str], since: int, search: str | None, seen: set[str]
) -> list[tuple[str, str, str]]:
    client = target.client("logs")
    options: dict[str, Any] = {"startTime": since}
    if search:
        options["filterPattern"] = search
    lines = []
    for name, group in groups.items():
        pages = client.get_paginator("filter_log_events").paginate(logGroupName=group, **options)
        for page in pages:
            for event in page["events"]:
                identity = event.get("eventId") or f"{group}{event['timestamp']}{event['message']}"
                if identity not in seen:
                    seen.add(identity)
                    time_text = time.strftime("%H:%M:%S", time.gmtime(event["timestamp"] / 1000))
                    lines.append((event["timestamp"], time_text, name, event["message"]))
    return [(time_text, name, message) for _, time_text, name, message in sorted(lines)]


@guard
def trace(
    context: typer.Context,
    execution: Annotated[
        str,
        typer.Argument(
            help="Name or ARN of an execution.",
            autocompletion=complete_execution,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Print the timeline of an execution: each stage of its trace."""
    from etl.operations.observability import deployed_level, untraced
    from etl.operations.traces import load_trace, timeline

    target = target_of(context.obj)
    found = load_trace(target, execution_arn(target, execution))
    if found is None:
        raise fail(f"X-Ray has no trace of '{execution}' ({untraced(deployed_level(target))})")
    if as_json:
        print_json(found)
        return
    print_table(timeline(found))


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (run, logs, trace):
        app.command()(command)
