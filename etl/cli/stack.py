"""``etl up``, ``etl down``, ``etl status``: start, stop and inspect the pipeline."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from etl.aws.target import Target
from etl.cli.context import JsonOption, console, fail, guard, notes, print_json, target_of
from etl.cli.deploy_options import print_phase
from etl.deployment.settings_schema import setting_of
from infrastructure.settings import DeploySettings, TriggerMode

if TYPE_CHECKING:
    from etl.operations.held_readings import HeldReadings
    from local.health import ServerHealth

ContractOption = Annotated[
    Path, typer.Option(exists=True, dir_okay=False, help=setting_of("contract").text)
]
WINDOW = setting_of("run.queue_window_seconds")


@guard
def up(
    context: typer.Context,
    contract: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Contract (TOML) to run. Default: the one that runs, or the example fleet's.",
        ),
    ] = None,
    trigger: Annotated[
        TriggerMode, typer.Option(help=setting_of("run.trigger").text)
    ] = DeploySettings.trigger_mode,
    schedule: Annotated[
        str, typer.Option(help=setting_of("run.schedule").text)
    ] = DeploySettings.schedule_expression,
    window: Annotated[
        int, typer.Option(min=WINDOW.least, max=WINDOW.most, help=WINDOW.text)
    ] = WINDOW.local,
    channels: Annotated[
        bool | None,
        typer.Option(
            "--channels/--no-channels",
            help="Post notifications to `etl channels`. Default: as it runs, or not.",
        ),
    ] = None,
    bare: Annotated[
        bool,
        typer.Option("--bare", help="Start the stand-ins only; `etl deploy` then deploys to them."),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Switch to another contract without being asked.")
    ] = False,
) -> None:
    """Start the stand-ins on this machine and deploy the template to them. Safe to run again.

    Goes on with the data of the last time. The contract that runs is kept unless another is named.
    """
    from etl.deployment.laptop import bring_up, start_stand_ins

    if bare:
        local = start_stand_ins(context.obj.state, notify=print_phase)
        console.print(f"[green]up[/]: stand-ins at {local.endpoint_url}, nothing is deployed")
        console.print("try: etl plan; etl deploy; etl status")
        return
    target = bring_up(
        context.obj.state,
        context.obj.stack,
        contract,
        switch=lambda question: yes or _agreed(f"{question} Switch?"),
        trigger=trigger,
        schedule=schedule,
        window=window,
        channels=channels,
        notify=print_phase,
    )
    console.print(
        f"[green]up[/]: stack [bold]{target.stack}[/] at {target.client('sts').meta.endpoint_url}"
    )
    console.print("try: etl simulate --duration 10; etl reconcile --wait 60; etl psql; etl status")


def _agreed(question: str) -> bool:
    """Ask on a terminal; a script can't answer, so it has to give --yes."""
    return sys.stdin.isatty() and typer.confirm(question, err=True)


@guard
def down(
    context: typer.Context,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete all data too: account, database, devices.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without being asked.")] = False,
) -> None:
    """Stop the stand-ins and keep their data: the next `etl up` goes on from there.

    With --delete it says what goes, asks, and deletes all of it.
    """
    from local import stack

    state = context.obj.state
    if delete:
        _delete(context, yes=yes)
        return
    waiting = [one for held in _held(context) for one in held.unsettled]
    if not stack.stop(state):
        console.print("nothing is running")
        return
    text = f"stopped; the data is kept in {state}, and `etl up` goes on with it"
    console.print(text, soft_wrap=True, markup=False)
    for sentence in waiting:
        console.print(f"  {sentence}", soft_wrap=True, markup=False)


def _delete(context: typer.Context, *, yes: bool) -> None:
    from local import stack

    state = context.obj.state
    if stack.read(state) is None and not stack.has_data(state):
        console.print("there is nothing to delete")
        return
    notes.print("[bold red]to delete[/]")
    notes.print(
        f"  the emulated account, the database, traces and devices in {state}", markup=False
    )
    held = _held(context)
    if stack.read(state) is None:
        notes.print("  what they hold is not known while they are stopped: `etl up` and look")
    for sentence in (one for each in held for one in each.sentences()):
        notes.print(f"  {sentence}", soft_wrap=True, markup=False)
    if not yes and not _agreed("Delete all of it?"):
        raise fail("Nothing was deleted. In a script, give --yes.")
    stack.delete(state)
    console.print("deleted")


def _held(context: typer.Context) -> list[HeldReadings]:
    """List the contents of the stacks that run here; empty where none runs or answers."""
    from botocore.exceptions import BotoCoreError, ClientError

    from etl.deployment.laptop import local_target
    from etl.operations.held_readings import held_readings
    from local.stack import down_servers, read

    local = read(context.obj.state)
    if local is None or any(one.role == "emulator" for one in down_servers(context.obj.state)):
        return []
    try:
        return list(held_readings(local_target(context.obj.state, context.obj.stack, local)))
    except (BotoCoreError, ClientError):
        return []


@guard
def status(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the pipeline, its queue depths and the statuses of its executions.

    For the local stack also what died, when and why; exits with 1 while a server is down.
    """
    servers = _servers(context)
    down_now = [one for one in servers if not one.running]
    facts: dict[str, Any] = {}
    if not any(one.role == "emulator" for one in down_now):
        facts = _facts(context)
    if as_json:
        shown = {one.role: asdict(one) for one in servers}
        print_json({**facts, **({"servers": shown} if servers else {})})
    else:
        _print_status(facts, servers)
    if down_now:
        raise typer.Exit(1)


def _print_status(facts: dict[str, Any], servers: list[ServerHealth]) -> None:
    table = Table(show_header=False)
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), str(value))
    if facts:
        console.print(table)
    for sentence in (one.sentence() for one in servers):
        if sentence:
            console.print(Text(sentence), soft_wrap=True)


def _servers(context: typer.Context) -> list[ServerHealth]:
    """The servers of the local stack; none for a stack in AWS."""
    from local.health import read_health
    from local.stack import read

    if context.obj.on_aws or read(context.obj.state) is None:
        return []
    health = read_health(context.obj.state)
    return list(health.servers.values()) if health is not None else []


def _facts(context: typer.Context) -> dict[str, Any]:
    from etl.aws.sqs import queue_depth
    from etl.operations.executions import latest

    target = target_of(context.obj)
    sqs = target.client("sqs")
    ended: dict[str, int] = {}
    for execution in latest(target, 1000):
        ended[execution.status.lower()] = ended.get(execution.status.lower(), 0) + 1
    return {
        "stack": target.stack,
        "endpoint": target.client("sts").meta.endpoint_url,
        "contract": target.contract.name,
        "data_bucket": target.bucket,
        "queued": queue_depth(sqs, target.outputs["QueueUrl"]).total,
        "dead_lettered": queue_depth(sqs, target.outputs["DeadLetterQueueUrl"]).total,
        "reconciliation": _verdict(target),
        "executions": ended,
    }


def _verdict(target: Target) -> str:
    """The headline of the reconciliation; the rest of the status needs no database."""
    import psycopg2

    from etl.operations.reconciliation import gather

    try:
        return gather(target).verdict.headline
    except psycopg2.OperationalError:
        return "not known: the database can't be reached"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (up, down, status):
        app.command()(command)
