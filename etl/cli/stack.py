"""``etl up``, ``etl down``: start and stop the local stack."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from etl.cli.context import console, fail, guard, notes
from etl.cli.deploy_options import (
    project_additions,
    project_contracts,
    waiting_for_phases,
)
from etl.cli.wait_line import waiting
from etl.deployment.settings_schema import setting_of
from infrastructure.settings import Delivery, DeploySettings, TriggerMode

if TYPE_CHECKING:
    from etl.aws.target import Target
    from etl.operations.held_readings import HeldReadings

ContractOption = Annotated[
    Path, typer.Option(exists=True, dir_okay=False, help=setting_of("contract").text)
]
TRIGGER, DELIVERY = setting_of("run.trigger"), setting_of("run.queue_delivery")
WINDOW = setting_of("run.queue_window_seconds")


@guard
def up(
    context: typer.Context,
    contracts: Annotated[
        list[Path] | None,
        typer.Option(
            "--contract",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Contract (TOML) to run. Default: the project's, or the one that runs, or the "
            "example fleet's. "
            "Repeatable, for several kinds of messages.",
        ),
    ] = None,
    trigger: Annotated[TriggerMode, typer.Option(help=TRIGGER.text)] = TRIGGER.local,
    delivery: Annotated[Delivery, typer.Option(help=DELIVERY.text)] = DELIVERY.local,
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

    Goes on with the data of the last time. The contracts that run, and states of your own in the
    workflow, are kept unless others are named, here or in the pipeline.toml of a project.
    """
    from etl.deployment.laptop import ContractSwitchError, bring_up, start_stand_ins

    if bare:
        with waiting_for_phases("starting the stand-ins") as notify:
            local = start_stand_ins(context.obj.state, notify=notify)
        console.print(f"[green]up[/]: stand-ins at {local.endpoint_url}, nothing is deployed")
        console.print("try: etl plan; etl deploy; etl status")
        return
    contracts = contracts or project_contracts()
    bring_up_with = partial(
        bring_up,
        context.obj.state,
        context.obj.stack,
        contracts[0] if contracts else None,
        further=contracts[1:] if contracts else (),
        trigger=trigger,
        delivery=delivery,
        schedule=schedule,
        window=window,
        channels=channels,
        additions=project_additions(),
    )
    with waiting_for_phases("starting the local stack") as notify:
        try:
            target = bring_up_with(switch=lambda _: yes, notify=notify)
        except ContractSwitchError as error:
            target, question = None, error
    if target is None:
        if not _agreed(f"{question} Switch?"):
            raise question
        with waiting_for_phases("deploying the contract") as notify:
            target = bring_up_with(switch=lambda _: True, notify=notify)
    console.print(
        f"[green]up[/]: stack [bold]{target.stack}[/] at {target.client('sts').meta.endpoint_url}"
    )
    _print_tables(target)
    console.print("try: etl simulate --duration 10; etl reconcile --wait 60; etl psql; etl status")


def _print_tables(target: Target) -> None:
    """Print which messages go to which table, where the pipeline has several."""
    if len(target.contracts) == 1:
        return
    for contract in target.contracts:
        console.print(
            f"  contract {contract.name}: messages of {contract.topic_filter.mqtt} go to the table "
            f"{contract.schema}.{contract.table}",
            soft_wrap=True,
            markup=False,
        )


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
    with waiting("looking at what the stack holds, then stopping it"):
        unsettled = [one for held in _held(context) for one in held.unsettled]
        stopped = stack.stop(state)
    if not stopped:
        console.print("nothing is running")
        return
    text = f"stopped; the data is kept in {state}, and `etl up` goes on with it"
    console.print(text, soft_wrap=True, markup=False)
    for sentence in unsettled:
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
    with waiting("looking at what the stack holds"):
        held = _held(context)
    if stack.read(state) is None:
        notes.print("  what they hold is not known while they are stopped: `etl up` and look")
    for sentence in (one for each in held for one in each.sentences()):
        notes.print(f"  {sentence}", soft_wrap=True, markup=False)
    if not yes and not _agreed("Delete all of it?"):
        raise fail("Nothing was deleted. In a script, give --yes.")
    with waiting("stopping the servers and deleting their data"):
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


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (up, down):
        app.command()(command)
