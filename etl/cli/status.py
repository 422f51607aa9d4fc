"""``etl status``: whether the pipeline is healthy, each check in one line, with exit codes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from etl.cli.context import (
    JsonOption,
    console,
    guard,
    message_of,
    print_json,
    target_of,
    why_no_stack,
)
from etl.cli.wait_line import waiting
from etl.operations.escaping import escape_text
from etl.operations.pipeline_status import PipelineStatus, gather_status

if TYPE_CHECKING:
    from etl.aws.target import Target
    from local.health import ServerHealth

__all__ = ["register"]

WIDTH = len("failed executions")
MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("•", "dim")}


@guard
def status(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show whether the pipeline is healthy: failures, alarms, queues, quarantine, lag.

    Exits with 0 if it is healthy, with 1 if something needs attention or can't be reached, and
    with 2 for invalid arguments. Backlog and lag only inform: alarms have their limits. For the
    local stack also what died, when and why.
    """
    try:
        _check(context, as_json)
    except Exception as error:
        message = message_of(error)
        if as_json and message is not None:
            _print_failure(message)
        raise


def _check(context: typer.Context, as_json: bool) -> None:
    from local.stack import read

    if as_json and not context.obj.on_aws and read(context.obj.state) is None:
        _print_failure(why_no_stack(context.obj.state))
    servers = _servers(context)
    down = [one for one in servers if not one.running]
    found: PipelineStatus | None = None
    facts: dict[str, Any] = {}
    if not any(one.role == "emulator" for one in down):
        target = target_of(context.obj)
        with waiting("checking executions, alarms, queues, database and S3"):
            facts, found = _facts(target), gather_status(target)
    healthy = found is not None and found.healthy and not down
    if as_json:
        shown = {one.role: asdict(one) for one in servers}
        known = {**facts, **(found.as_dict() if found is not None else {}), "healthy": healthy}
        print_json({**known, **({"servers": shown} if servers else {})})
    else:
        _print_status(facts, found, servers)
    if not healthy:
        raise typer.Exit(1)


def _print_failure(message: str) -> None:
    """Print the JSON of a pipeline that can't be asked."""
    problem = {"check": "stack", "sentence": message, "remedy": ""}
    print_json({"healthy": False, "problems": [problem]})


def _facts(target: Target) -> dict[str, Any]:
    return {
        "stack": target.stack,
        "endpoint": target.client("sts").meta.endpoint_url,
        "contract": ", ".join(target.contracts.names),
        "data_bucket": target.bucket,
    }


def _print_status(
    facts: dict[str, Any], found: PipelineStatus | None, servers: list[ServerHealth]
) -> None:
    for death in (one.sentence() for one in servers):
        if death:
            console.print(Text(death), soft_wrap=True)
    if found is None:
        return
    executions = ", ".join(f"{number:,} {name}" for name, number in found.executions.items())
    for name, value in {**facts, "executions": executions or "none yet"}.items():
        _print_line("", "", name.replace("_", " "), Text(str(value)))
    for check in found.checks:
        sentence = Text(escape_text(check.sentence), "red" if check.well is False else "")
        _print_line(*MARKS[check.well], check.name, sentence)
        if check.remedy:
            console.print(Text(f"    {check.remedy}", "bold"), soft_wrap=True)


def _print_line(mark: str, style: str, name: str, text: Text) -> None:
    start = Text(f"{mark:1} ", style).append(f"{name:{WIDTH}} ", "default")
    console.print(start.append(text), soft_wrap=True)


def _servers(context: typer.Context) -> list[ServerHealth]:
    """The servers of the local stack; none for a stack in AWS."""
    from local.health import read_health
    from local.stack import read

    if context.obj.on_aws or read(context.obj.state) is None:
        return []
    health = read_health(context.obj.state)
    return list(health.servers.values()) if health is not None else []


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(status)
