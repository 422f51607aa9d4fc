"""``etl up``, ``etl down``, ``etl status``: the pipeline on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from etl.cli.context import JsonOption, console, guard, notes, print_json, target_of
from infrastructure.settings import TriggerMode

DEFAULT_CONTRACT = Path("contracts/fleet.toml")
ContractOption = Annotated[
    Path, typer.Option(exists=True, dir_okay=False, help="What a reading is (TOML).")
]


@guard
def up(
    context: typer.Context,
    contract: ContractOption = DEFAULT_CONTRACT,
    trigger: Annotated[
        TriggerMode, typer.Option(help="What starts executions: schedule, queue or both.")
    ] = "both",
    schedule: Annotated[
        str, typer.Option(help="EventBridge Scheduler expression.")
    ] = "rate(1 minute)",
    window: Annotated[
        int, typer.Option(min=1, max=300, help="Seconds the queue trigger gathers messages.")
    ] = 5,
    bare: Annotated[
        bool,
        typer.Option("--bare", help="Start the stand-ins and deploy nothing: `etl deploy` does."),
    ] = False,
) -> None:
    """Start the stand-ins on this machine and deploy the template to them. Safe to repeat."""
    from etl.deployment.laptop import bring_up, start_stand_ins

    if bare:
        local = start_stand_ins(
            context.obj.state, told=lambda text: notes.print(f"[dim]•[/] {text}")
        )
        console.print(f"[green]up[/]: the stand-ins at {local.endpoint_url}, with nothing deployed")
        console.print("try: etl plan; etl deploy; etl down")
        return
    target = bring_up(
        context.obj.state,
        context.obj.stack,
        contract,
        trigger=trigger,
        schedule=schedule,
        window=window,
        told=lambda text: notes.print(f"[dim]•[/] {text}"),
    )
    console.print(
        f"[green]up[/]: stack [bold]{target.stack}[/] at {target.client('sts').meta.endpoint_url}"
    )
    console.print("try: etl simulate --duration 10; etl reconcile --wait 60; etl psql; etl down")


@guard
def down(context: typer.Context) -> None:
    """Stop the stand-ins. The next `etl up` begins with an empty account and database."""
    from local.stack import stop

    console.print("stopped" if stop(context.obj.state) else "nothing was running")


@guard
def status(context: typer.Context, as_json: JsonOption = False) -> None:
    """Say what runs, how deep the queues are, and how executions ended."""
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
        "executions": ended,
    }


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (up, down, status):
        app.command()(command)
