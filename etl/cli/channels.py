"""``etl channels``: where notifications go beside email, and a test of each."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from etl.cli.context import JsonOption, console, guard, notes, print_json, print_table, target_of
from etl.operations.channels import (
    listed_channels,
    remove_channel,
    set_channel,
    signing_key,
    test_channels,
)
from etl.operations.escaping import escape_text
from functions.notify.channel_secret import PAGERDUTY_EVENTS, Channel

__all__ = ["register"]

app = typer.Typer(
    help="Channels: post notifications to Slack, Teams, PagerDuty or a webhook.",
    no_args_is_help=True,
)
ChannelArgument = Annotated[Channel, typer.Argument(help="slack, teams, pagerduty or webhook.")]
ASKED = {
    "slack": "URL of Slack's incoming webhook",
    "teams": "URL of the webhook of a Teams workflow",
    "pagerduty": "Integration key of the PagerDuty service (Events API v2)",
    "webhook": "URL of your webhook",
}


@app.command("list")
@guard
def show(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the channels that have an address, and its host alone."""
    target = target_of(context.obj)
    found = listed_channels(target)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        console.print("no channel has an address: etl channels set slack")
        return
    table = Table()
    for heading in ("channel", "host"):
        table.add_column(heading)
    for one in found:
        table.add_row(one.channel, Text(one.host or one.problem))
    print_table(table)


@app.command("set")
@guard
def enter(
    context: typer.Context,
    channel: ChannelArgument,
    endpoint: Annotated[
        str, typer.Option(help="Where PagerDuty takes events: Europe has an address of its own.")
    ] = PAGERDUTY_EVENTS,
) -> None:
    """Enter the address of a channel, which is asked for: hidden on a terminal, else from stdin.

    It is kept in the pipeline's secret alone, and used from the next notification on.
    """
    target = target_of(context.obj)
    set_channel(target, channel, _asked(ASKED[channel]), endpoint)
    console.print(f"[green]set[/]: notifications go to {channel}")
    console.print(f"try: etl channels test {channel}")


@app.command("remove")
@guard
def remove(context: typer.Context, channel: ChannelArgument) -> None:
    """Delete the address of a channel: nothing is posted there any more."""
    remove_channel(target_of(context.obj), channel)
    console.print(f"[green]removed[/]: no notification goes to {channel}")


@app.command("test")
@guard
def send_test(
    context: typer.Context,
    channel: Annotated[
        Channel | None, typer.Argument(help="One channel; default: all that have an address.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Send a test message, and show what each server answered. Exits with 1 if one refused it."""
    found = test_channels(target_of(context.obj), channel)
    if as_json:
        print_json([asdict(one) for one in found])
    for one in () if as_json else found:
        word, style = ("delivered", "green") if one.delivered else ("failed", "bold red")
        line = Text(f"{one.channel} ").append(word, style)
        console.print(line.append(f": {escape_text(one.answer)}"), soft_wrap=True)
    if not all(one.delivered for one in found):
        raise typer.Exit(1)


@app.command("signing-key")
@guard
def show_signing_key(context: typer.Context) -> None:
    """Print the key with which a webhook's receiver verifies the signature. It is a secret."""
    key = signing_key(target_of(context.obj))
    notes.print("[yellow]keep it secret:[/] with it anybody can sign messages as this pipeline")
    console.print(key, markup=False)


def _asked(question: str) -> str:
    """The answer to a question about a secret, which is neither shown nor kept in a history."""
    if sys.stdin.isatty():
        return str(typer.prompt(question, hide_input=True, err=True)).strip()
    return sys.stdin.readline().strip()


def register(app_: typer.Typer) -> None:
    """Add this module's commands."""
    app_.add_typer(app, name="channels")
