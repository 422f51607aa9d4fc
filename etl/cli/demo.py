"""``etl demo`` (`make run`): runs the whole pipeline on this machine and reconciles it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live
from rich.table import Table

from etl.aws.target import Target
from etl.cli.context import console, guard
from etl.cli.data import print_reconciliation, say_reason
from etl.cli.deploy_options import waiting_for_phases
from etl.cli.stack import ContractOption
from etl.cli.wait_line import waiting
from etl.operations.reconciliation import reconcile
from infrastructure.settings import DEFAULT_CONTRACT
from layers.folders import INSTALLED
from telemetry.ddl import qualified

if TYPE_CHECKING:
    from etl.operations.executions import Execution
    from etl.operations.publishing import FleetPlan

SETTLE_SECONDS = 90.0
SCHEDULE_AFTER = timedelta(seconds=8)
"""Delay from the start of the fleet to the schedule; the queue trigger is always active."""


class Phases:
    """Prints the title of each phase and measures its duration."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one phase."""
        console.rule(f"[bold]{name}", align="left")
        begin = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - begin


@guard
def demo(
    context: typer.Context,
    contract: ContractOption = DEFAULT_CONTRACT,
    devices: Annotated[int, typer.Option(min=1, help="Devices in the fleet.")] = 20,
    rate: Annotated[float, typer.Option(min=1, help="Messages per second.")] = 60.0,
    duration: Annotated[float, typer.Option(min=1, help="Seconds of publishing.")] = 15.0,
    mess: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of malformed messages and readings (0 to 1)."),
    ] = 0.02,
    seed: Annotated[int, typer.Option(help="Seed: the same one gives the same messages.")] = 1,
    keep: Annotated[bool, typer.Option(help="Keep everything running at the end.")] = False,
) -> None:
    """Run the whole pipeline on this machine, end to end, and reconcile every reading.

    It has a state folder of its own, which it deletes, so that a stack of `etl up` stays as it is.
    """
    from etl.deployment.laptop import bring_up
    from etl.operations.publishing import FleetPlan
    from local.stack import delete

    phases = Phases()
    balanced = False
    state = context.obj.state if keep else context.obj.state / "demo"
    if not keep:
        delete(state)  # of a demonstration that was killed
    try:
        starting = "starting the local stack"
        with phases.phase("Start and deploy"), waiting_for_phases(starting) as notify:
            target = bring_up(
                state,
                context.obj.stack,
                contract,
                schedule=_once(SCHEDULE_AFTER + timedelta(seconds=10)),
                die_with_parent=not keep,
                notify=notify,
            )
        with phases.phase("Publish over MQTT with certificates"):
            _publish(target, FleetPlan(devices, rate, duration, 20, mess, seed))
        with phases.phase("Reconcile every reading"):
            with waiting("waiting for all rows", f"{SETTLE_SECONDS:.0f} s at most") as say:
                found = reconcile(target, SETTLE_SECONDS, say_reason(say))
                executions = _ended_executions(target)
            balanced = print_reconciliation(found)
            _print_executions(executions)
    finally:
        if not keep:
            delete(state)
    _print_end(phases, keep=keep)
    if not balanced:
        raise typer.Exit(1)


def _once(after: timedelta) -> str:
    """Return a one-time schedule; recurring ones, as of ``etl up``, have at least a minute."""
    return f"at({datetime.now(UTC) + after:%Y-%m-%dT%H:%M:%S})"


def _publish(target: Target, plan: FleetPlan) -> None:
    from etl.operations.publishing import simulate

    sent = (0, 0)
    failure: list[BaseException] = []

    def count(messages: int, readings: int) -> None:
        nonlocal sent
        sent = messages, readings

    def publish() -> None:
        try:
            simulate(target, target.contract, plan, count)
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while thread.is_alive():
            live.update(_progress(target, sent))
            thread.join(0.5)
    if failure:
        raise failure[0]
    console.print(
        f"published {sent[0]:,} messages, {sent[1]:,} readings, {plan.mess:.0%} of them malformed"
    )


def _progress(target: Target, sent: tuple[int, int]) -> Table:
    from etl.aws.sqs import queue_depth
    from etl.operations.reconciliation import staged_messages

    batches, staged = staged_messages(target.client("s3"), target.bucket)
    with target.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {qualified(target.contract)}")  # noqa: S608 - quoted
        [(rows,)] = cursor.fetchall()
    connection.close()
    table = Table(show_header=True)
    for heading in ("published", "queued", "staged in S3", "micro-batches", "rows in PostgreSQL"):
        table.add_column(heading, justify="right")
    queued = queue_depth(target.client("sqs"), target.outputs["QueueUrl"]).total
    table.add_row(*(f"{n:,}" for n in (sent[0], queued, staged, batches, rows)))
    return table


def _print_executions(executions: list[Execution]) -> None:
    by_queue = sum(e.name.startswith("esm-") for e in executions)
    succeeded = sum(e.status == "SUCCEEDED" for e in executions)
    console.print(
        f"{len(executions)} executions ({by_queue} started by the queue, "
        f"{len(executions) - by_queue} by the schedule), {succeeded} succeeded"
    )


def _ended_executions(target: Target) -> list[Execution]:
    """Return all executions once the last one has ended: rows are loaded before Summarize runs."""
    from etl.operations.executions import latest

    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        executions = latest(target, 1000)
        if time.monotonic() > deadline or all(e.status != "RUNNING" for e in executions):
            return executions
        time.sleep(0.2)


def _print_end(phases: Phases, *, keep: bool) -> None:
    parts = [f"{name.lower()} {seconds:.1f} s" for name, seconds in phases.seconds.items()]
    console.print(f"[dim]{'; '.join(parts)}[/]")
    etl = "etl" if INSTALLED else ".venv/bin/etl"
    console.print("\nWhat to try next:")
    if not keep:
        console.print(f"  {etl} up                    start a pipeline and leave it running")
    console.print(f"  {etl} simulate --devices 50 --mess 0.1")
    console.print(f"  {etl} run                   start an execution and watch it")
    console.print(f"  {etl} dashboard             open the control room in the browser")
    console.print(f"  {etl} executions; {etl} trace NAME")
    console.print(f'  {etl} psql -c "table etl.ledger"')
    console.print(f"  {etl} up --contract your.toml; {etl} publish your.ndjson")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(demo)
