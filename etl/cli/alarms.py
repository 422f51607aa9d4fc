"""``etl alarms``: which alarms sound, since when, why, and what to do about each."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from etl.aws.target import Target
from etl.cli.context import JsonOption, console, fail, guard, notes, print_json, target_of
from etl.operations.alarms import Alarm, StateChange, alarms, changes, trigger
from etl.operations.escaping import escape_text

__all__ = ["register"]

app = typer.Typer(help="Alarms: which sound, why, and what to do.")

TOLD = {
    "ALARM": ("sounds", "bold red"),
    "OK": ("ok", "green"),
    "INSUFFICIENT_DATA": ("no data", "dim"),
}


@app.callback(invoke_without_command=True)
@guard
def show(
    context: typer.Context,
    history: Annotated[
        bool, typer.Option("--history", help="Show changes of state instead, newest first.")
    ] = False,
    most: Annotated[int, typer.Option(min=1, max=1000, help="Changes of the history.")] = 30,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 1 where an alarm sounds, for scripts.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show every alarm, those that sound first, with what to do about them."""
    if context.invoked_subcommand is not None:
        return
    target = target_of(context.obj)
    if history:
        _show_history(changes(target, most=most), as_json=as_json)
        return
    found = alarms(target)
    if as_json:
        print_json([_as_dict(one) for one in found])
    else:
        _print(target, found)
    if check and any(one.state == "ALARM" for one in found):
        raise typer.Exit(1)


@app.command("history")
@guard
def show_history(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="One alarm; default: all of them.")] = None,
    most: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Show when alarms began to sound and when they were over."""
    _show_history(changes(target_of(context.obj), name, most), as_json=as_json)


@app.command("test")
@guard
def try_out(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="An alarm, such as executions-failed.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Let an alarm sound, to see that its message arrives. It ends by itself within a minute."""
    target = target_of(context.obj)
    if not yes and not typer.confirm(f"Tell everybody who listens that {name} sounds, as a test?"):
        raise typer.Exit(1)
    now = datetime.now(UTC)
    tried = trigger(target, name, f"A test by `etl alarms test` at {now:%Y-%m-%d %H:%M:%S} UTC.")
    if not tried.actions:
        raise fail(f"{tried.name} sounds, but it tells nobody: its actions are switched off.")
    for topic in tried.actions:
        listening = _listeners(target, topic)
        console.print(f"{tried.name} sounds, and has told {topic}")
        if not listening:
            notes.print(
                "[yellow]nobody listens to this topic:[/] deploy with an alert e-mail, or subscribe"
            )
        for protocol, endpoint in listening:
            console.print(Text(f"  {protocol} {escape_text(endpoint)}"))


def _listeners(target: Target, topic: str) -> list[tuple[str, str]]:
    """Protocol and endpoint of a topic's subscribers; those who have not confirmed hear nothing."""
    pages = target.client("sns").get_paginator("list_subscriptions_by_topic")
    return [
        (one["Protocol"], one["Endpoint"])
        for page in pages.paginate(TopicArn=topic)
        for one in page["Subscriptions"]
        if one["SubscriptionArn"].startswith("arn:")
    ]


def _print(target: Target, found: list[Alarm]) -> None:
    if not found:
        console.print(f"the stack {target.stack} has no alarms: deploy it anew")
        return
    table = Table()
    for heading in ("alarm", "state", "since (UTC)", "why"):
        table.add_column(heading, overflow="fold")
    for one in found:
        word, style = TOLD[one.state]
        why = one.reason if one.state == "ALARM" else ""
        table.add_row(one.short, Text(word, style), f"{one.since:%Y-%m-%d %H:%M:%S}", Text(why))
    console.print(table)
    for one in found:
        if one.state == "ALARM":
            console.print(Text(f"\n{one.short}: ", "bold red").append(one.description, "default"))
            if not one.actions:
                notes.print(f"[yellow]{one.short} tells nobody:[/] its actions are switched off")


def _show_history(found: list[StateChange], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        console.print("no alarm has changed its state")
        return
    table = Table()
    for heading in ("time (UTC)", "alarm", "before", "after", "why"):
        table.add_column(heading, overflow="fold")
    for one in found:
        before, after = (TOLD.get(state, (state, "")) for state in (one.before, one.after))
        table.add_row(
            f"{one.time:%Y-%m-%d %H:%M:%S}", one.short, Text(*before), Text(*after), one.reason
        )
    console.print(table)


def _as_dict(one: Alarm) -> dict[str, Any]:
    return asdict(one) | {"runbook": one.runbook}


def register(app_: typer.Typer) -> None:
    """Add this module's commands."""
    app_.add_typer(app, name="alarms")
