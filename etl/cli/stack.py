"""``etl up``, ``etl down``, ``etl status``: start, stop and inspect the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from etl.aws.target import Target
from etl.cli.context import JsonOption, console, guard, print_json, target_of
from etl.cli.deploy_options import print_phase
from etl.deployment.settings_schema import setting_of
from infrastructure.settings import DEFAULT_CONTRACT, DeploySettings, TriggerMode

ContractOption = Annotated[
    Path, typer.Option(exists=True, dir_okay=False, help=setting_of("contract").text)
]
WINDOW = setting_of("run.queue_window_seconds")


@guard
def up(
    context: typer.Context,
    contract: ContractOption = DEFAULT_CONTRACT,
    trigger: Annotated[
        TriggerMode, typer.Option(help=setting_of("run.trigger").text)
    ] = DeploySettings.trigger_mode,
    schedule: Annotated[
        str, typer.Option(help=setting_of("run.schedule").text)
    ] = DeploySettings.schedule_expression,
    window: Annotated[
        int, typer.Option(min=WINDOW.least, max=WINDOW.most, help=WINDOW.text)
    ] = WINDOW.local,
    bare: Annotated[
        bool,
        typer.Option("--bare", help="Start the stand-ins only; `etl deploy` then deploys to them."),
    ] = False,
) -> None:
    """Start the stand-ins on this machine and deploy the template to them. Safe to run again."""
    from etl.deployment.laptop import bring_up, start_stand_ins

    if bare:
        local = start_stand_ins(context.obj.state, notify=print_phase)
        console.print(f"[green]up[/]: stand-ins at {local.endpoint_url}, nothing is deployed")
        console.print("try: etl plan; etl deploy; etl down")
        return
    target = bring_up(
        context.obj.state,
        context.obj.stack,
        contract,
        trigger=trigger,
        schedule=schedule,
        window=window,
        notify=print_phase,
    )
    console.print(
        f"[green]up[/]: stack [bold]{target.stack}[/] at {target.client('sts').meta.endpoint_url}"
    )
    console.print("try: etl simulate --duration 10; etl reconcile --wait 60; etl psql; etl down")


@guard
def down(context: typer.Context) -> None:
    """Stop the stand-ins. The next `etl up` starts with an empty account and database."""
    from local.stack import stop

    console.print("stopped" if stop(context.obj.state) else "nothing is running")


@guard
def status(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the pipeline, its queue depths and the statuses of its executions."""
    facts = _facts(context)
    if as_json:
        print_json(facts)
        return
    table = Table(show_header=False)
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), str(value))
    console.print(table)


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
