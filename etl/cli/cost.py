"""``etl cost``: dollars on paper, before anything is deployed."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Group
from rich.table import Table

from etl.cli.context import JsonOption, console, fail, guard, print_json
from etl.cost.bill import AIM, Bill, bill
from etl.cost.formatting import (
    as_data,
    count,
    dollars,
    held_up_by,
    nearest_quota,
    small,
    variants,
)
from etl.cost.prices import AS_OF, REGION
from etl.cost.result import Outcome
from etl.cost.settings import Fleet, Pipeline, Trigger
from etl.cost.simulation import simulate

__all__ = ["register", "told"]


def told(made: Bill, outcome: Outcome) -> Group:
    """The bill by service, and whether the pipeline keeps up."""
    fleet, batches = made.fleet, made.batches
    table = Table(
        title=f"{count(fleet.rate)} readings/s of {fleet.devices:,} devices, "
        f"{fleet.readings_per_message} a message, trigger: {made.pipeline.trigger}",
        title_justify="left",
    )
    table.add_column("service")
    table.add_column("a month", justify="right")
    table.add_column("a million readings", justify="right")
    for name, amount in made.services():
        table.add_row(name, dollars(amount), small(amount / fleet.readings_a_month))
    table.add_section()
    table.add_row("all", dollars(made.dollars()), small(made.a_million()))
    keeps = f"keeps up, rows {outcome.lag:.0f} s behind" if outcome.keeps_up else "falls behind"
    short = held_up_by(outcome)
    return Group(
        table,
        f"{count(batches.readings)} readings a batch, {count(batches.rate * 3600)} batches an hour",
        f"beyond IoT's messages, a million readings: {small(made.beyond_messages)} "
        f"(aim: under ${AIM}), of which {small(made.a_million('storage'))} storage",
        f"simulated: {keeps}; {nearest_quota(outcome)}" + (f"; short: {short}" if short else ""),
        f"prices of {REGION}, {AS_OF}, without free tier, database and network: docs/cost.md",
    )


def compared(fleet: Fleet, pipeline: Pipeline) -> Table:
    """One line for each thing that one could do otherwise."""
    table = Table()
    for heading in ("", "a month", "a million readings", "beyond IoT's messages"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, made in variants(fleet, pipeline):
        table.add_row(
            name, dollars(made.dollars()), small(made.a_million()), small(made.beyond_messages)
        )
    return table


@guard
def cost(
    devices: Annotated[int, typer.Option(min=1, help="Devices, always connected.")] = 1_000,
    rate: Annotated[
        float, typer.Option(min=0.001, help="Readings a second, over all devices.")
    ] = 1_000.0,
    readings: Annotated[
        int, typer.Option("--readings-per-message", min=1, help="Readings in a message.")
    ] = 50,
    reading_bytes: Annotated[
        float | None, typer.Option(min=1, help="Of a reading in a message. [default: as measured]")
    ] = None,
    basic_ingest: Annotated[
        bool, typer.Option("--basic-ingest", help="Devices publish straight to the rule.")
    ] = False,
    trigger: Annotated[str, typer.Option(help="queue or schedule.")] = "queue",
    window: Annotated[
        float, typer.Option(min=1, max=300, help="QueueWindowSeconds.")
    ] = Pipeline.window_seconds,
    period: Annotated[
        float, typer.Option(min=60, help="Seconds between scheduled drains.")
    ] = Pipeline.period_seconds,
    batch: Annotated[
        int, typer.Option(min=1, help="Most messages in a micro-batch.")
    ] = Pipeline.batch_messages,
    months: Annotated[
        int, typer.Option(min=1, help="Months that objects in S3 are kept.")
    ] = Pipeline.months_kept,
    compare: Annotated[
        bool, typer.Option("--compare", help="Show what other settings would cost.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what a fleet would cost a month on AWS, by service, and whether the pipeline keeps up."""
    chosen: dict[str, Trigger] = {"queue": "queue", "schedule": "schedule"}
    if trigger not in chosen:
        raise fail(f"--trigger is queue or schedule, not {trigger!r}")
    fleet = Fleet(
        devices=devices,
        rate=rate,
        readings_per_message=readings,
        reading_bytes=reading_bytes,
        basic_ingest=basic_ingest,
    )
    pipeline = Pipeline(
        trigger=chosen[trigger],
        window_seconds=window,
        period_seconds=period,
        batch_messages=batch,
        trigger_batch=min(batch, Pipeline.trigger_batch),
        months_kept=months,
    )
    made = bill(fleet, pipeline)
    outcome = simulate(fleet, pipeline)
    if as_json:
        data = as_data(made, outcome)
        if compare:
            data["compared"] = [
                {
                    "name": name,
                    "dollars_a_month": other.dollars(),
                    "dollars_a_million_readings": other.a_million(),
                    "beyond_messages": other.beyond_messages,
                }
                for name, other in variants(fleet, pipeline)
            ]
        print_json(data)
        return
    console.print(told(made, outcome))
    if compare:
        console.print(compared(fleet, pipeline))


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(cost)
