"""``etl triggers``: which of the triggers that drain the queue are on, and switch them on."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.text import Text

from etl.cli.context import JsonOption, console, guard, notes, print_json, target_of
from etl.operations.triggers import running_loops, switch, triggers

__all__ = ["register"]

app = typer.Typer(
    help="The triggers that drain the queue: its own, and the schedule.",
    no_args_is_help=True,
)


@app.command("list")
@guard
def show(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show which triggers the stack has, and whether they are on."""
    found = triggers(target_of(context.obj))
    if as_json:
        print_json([{**asdict(one), "drains": one.drains} for one in found])
        return
    for one in found:
        console.print(Text(one.sentence), soft_wrap=True)


@app.command("enable")
@guard
def switch_on(context: typer.Context) -> None:
    """Switch on the triggers that were switched off by hand. Safe to run again.

    The stack stays as it was deployed: a trigger that it does not have needs a deployment.
    """
    target = target_of(context.obj)
    off = [one for one in triggers(target) if not one.enabled]
    if not off:
        notes.print("no trigger is off")
    for one in off:
        switch(target, one, on=True)
        console.print(Text(f"{one.name} is on again"), soft_wrap=True)


@app.command("disable")
@guard
def switch_off(context: typer.Context) -> None:
    """Switch off the triggers, as by hand: messages then wait in the queue. Safe to run again.

    A drain loop that runs goes on until its interval ends; the command that stops it at once is
    shown. What it has staged is loaded in any case, by itself or by the sweep.
    """
    target = target_of(context.obj)
    on = [one for one in triggers(target) if one.enabled]
    if not on:
        notes.print("no trigger is on")
    for one in on:
        switch(target, one, on=False)
        console.print(Text(f"{one.name} is off"), soft_wrap=True)
    for arn in running_loops(target):
        sentence = "a drain loop goes on until its interval ends; to stop it at once: "
        endpoint = target.client("stepfunctions").meta.endpoint_url if target.local else ""
        command = f"aws stepfunctions stop-execution --execution-arn {arn}"
        command += f" --endpoint-url {endpoint}" if endpoint else ""
        console.print(Text(sentence + command), soft_wrap=True)


def register(main: typer.Typer) -> None:
    """Add this module's commands."""
    main.add_typer(app, name="triggers")
