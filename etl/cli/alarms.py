"""``etl alarms``: the alarms that are firing, since when, why, and what to do."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from etl.aws.target import Target
from etl.cli.completion import complete_alarm
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
from etl.cli.rerun_options import TIME_WIDTH
from etl.cli.wait_line import waiting
from etl.operations.alarm_delivery import TEST_QUEUE, WAIT_SECONDS, listening, refused_actions
from etl.operations.alarms import Alarm, StateChange, alarm, alarms, changes, trigger
from etl.operations.escaping import escape_text
from etl.operations.observability import SETTING, deployed_level

__all__ = ["register"]

app = typer.Typer(help="Alarms: which are firing, why, and what to do.")

STATES = {
    "ALARM": ("firing", "bold red"),
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
    most: Annotated[int, typer.Option(min=1, max=1000, help="Number of changes to show.")] = 30,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 1 if an alarm is firing, for scripts.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show every alarm, the firing ones first, with what to do about them."""
    if context.invoked_subcommand is not None:
        return
    target = target_of(context.obj)
    if history:
        _show_history(changes(target, most=most), as_json=as_json)
        return
    with waiting("asking CloudWatch for the alarms"):
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
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name of an alarm; default: all.",
            autocompletion=complete_alarm,
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=1, max=1000, help="Number of changes.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Show when alarms started firing and when they recovered."""
    _show_history(changes(target_of(context.obj), name, most), as_json=as_json)


@app.command("test")
@guard
def send_test(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="Name of an alarm, such as executions-failed.", autocompletion=complete_alarm
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")] = False,
) -> None:
    """Trigger a test alarm, and check that its notification comes through the topic.

    The alarm recovers within a minute. A queue subscribes to the topic until the notification has
    come. Fails where none comes within a minute.
    """
    target = target_of(context.obj)
    one = alarm(target, name)
    if not one.actions:
        raise fail(f"{one.name} sends no notification: its actions are disabled.")
    if one.state == "ALARM":
        raise fail(f"{one.name} is firing already and sends no second notification: test another.")
    if not yes and not typer.confirm(f"Send a test notification for {name} to all subscribers?"):
        raise typer.Exit(1)
    for topic in one.actions:
        _test_topic(target, one, topic)


def _test_topic(target: Target, one: Alarm, topic: str) -> None:
    """Trigger the alarm and say what came of it. Fails where no notification came."""
    from botocore.exceptions import ClientError

    began = datetime.now(UTC)
    reason = f"Test by `etl alarms test` at {began:%Y-%m-%d %H:%M:%S.%f} UTC."
    with ExitStack() as stack:
        try:
            listener = stack.enter_context(listening(target, topic))
        except ClientError as error:
            trigger(target, one.name, reason)
            code = error.response["Error"]["Code"]
            console.print(f"{one.name} is firing", soft_wrap=True)
            notes.print(
                f"[yellow]not checked:[/] no queue can be subscribed to {topic} ({code}). Look at "
                "what the subscribers below have received."
            )
            _print_subscribers(target, topic)
            return
        trigger(target, one.name, reason)
        console.print(f"{one.name} is firing", soft_wrap=True)
        with waiting("waiting for the notification", f"{WAIT_SECONDS:.0f} s at most"):
            seconds = listener.received(reason)
    if seconds is None:
        refused = refused_actions(target, one, began)
        raise fail(
            f"no notification has come through {topic}.\n"
            + ("\n".join(refused) or "CloudWatch has noted no failed action.")
            + "\n`etl deploy` restores the policies of topic and key."
        )
    console.print(f"its notification came through {topic} after {seconds:.1f} s", soft_wrap=True)
    _print_subscribers(target, topic)


def _print_subscribers(target: Target, topic: str) -> None:
    subscribers = _subscribers(target, topic)
    if not subscribers:
        notes.print(
            "[yellow]this topic has no confirmed subscriber:[/] "
            "deploy with an alert email, or subscribe"
        )
    for protocol, endpoint in subscribers:
        console.print(Text(f"  {protocol} {escape_text(endpoint)}"))


def _subscribers(target: Target, topic: str) -> list[tuple[str, str]]:
    """Protocol and endpoint of a topic's confirmed subscribers, without a test's own queue."""
    pages = target.client("sns").get_paginator("list_subscriptions_by_topic")
    return [
        (one["Protocol"], one["Endpoint"])
        for page in pages.paginate(TopicArn=topic)
        for one in page["Subscriptions"]
        if one["SubscriptionArn"].startswith("arn:") and TEST_QUEUE not in one["Endpoint"]
    ]


def _print(target: Target, found: list[Alarm]) -> None:
    if not found:
        console.print(f"the stack {target.stack} has no alarms: deploy it again")
        return
    table = Table()
    for heading in ("alarm", "state", "since (UTC)", "why"):
        table.add_column(heading, min_width=TIME_WIDTH if "UTC" in heading else None)
    for one in found:
        word, style = STATES[one.state]
        why = one.reason if one.state == "ALARM" else ""
        table.add_row(one.short, Text(word, style), f"{one.since:%Y-%m-%d %H:%M:%S}", Text(why))
    print_table(table)
    level = deployed_level(target)
    if level != "full":
        notes.print(f"these are the alarms of level {level}; {SETTING} = full has all")
    for one in found:
        if one.state == "ALARM":
            console.print(Text(f"\n{one.short}: ", "bold red").append(one.description, "default"))
            if not one.actions:
                notes.print(
                    f"[yellow]{one.short} sends no notification:[/] its actions are disabled"
                )


def _show_history(found: list[StateChange], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        console.print("no alarm has changed its state")
        return
    table = Table()
    for heading in ("time (UTC)", "alarm", "before", "after", "why"):
        table.add_column(heading, min_width=TIME_WIDTH if "UTC" in heading else None)
    for one in found:
        before, after = (STATES.get(state, (state, "")) for state in (one.before, one.after))
        table.add_row(
            f"{one.time:%Y-%m-%d %H:%M:%S}", one.short, Text(*before), Text(*after), one.reason
        )
    print_table(table)


def _as_dict(one: Alarm) -> dict[str, Any]:
    return asdict(one) | {"runbook": one.runbook}


def register(app_: typer.Typer) -> None:
    """Add this module's commands."""
    app_.add_typer(app, name="alarms")
