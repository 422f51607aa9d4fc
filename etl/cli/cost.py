"""``etl cost``: an estimate of the monthly bill, before anything is deployed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, TypeVar, get_args

import typer
from rich.console import Group
from rich.table import Table

from etl.cli.context import JsonOption, console, fail, guard, print_json
from etl.cli.deploy_options import SettingsOption, pipeline_of
from etl.cost.bill import TARGET, Bill, bill, further_contract
from etl.cost.formatting import (
    alternatives,
    bottleneck,
    cost_data,
    dollars,
    dollars_per_million,
    most_used_quota,
    rounded,
    seconds_text,
    way_name,
)
from etl.cost.latency import latency
from etl.cost.prices import AS_OF, REGION
from etl.cost.result import SimulationResult
from etl.cost.settings import Delivery, Fleet, Pipeline, Trigger
from etl.cost.simulation import simulate
from telemetry.metric_table import LEVELS

__all__ = ["register", "summary"]

Name = TypeVar("Name", bound=str)


def summary(made: Bill, result: SimulationResult) -> Group:
    """The bill by service, and whether the pipeline keeps up, for the terminal."""
    fleet, batches = made.fleet, made.batches
    table = Table()
    table.add_column("service")
    table.add_column("per month", justify="right")
    table.add_column("per million readings", justify="right")
    for name, amount in made.services():
        table.add_row(name, dollars(amount), dollars_per_million(amount / fleet.readings_a_month))
    table.add_section()
    table.add_row("total", dollars(made.dollars()), dollars_per_million(made.per_million()))
    if result.keeps_up:
        verdict = f"keeps up, rows are loaded {result.lag:.0f} s after they were sent"
    else:
        verdict = "falls behind"
    slow = bottleneck(result)
    storage = dollars_per_million(made.per_million("storage"))
    time = latency(fleet, made.pipeline)
    return Group(
        f"readings/s: {rounded(fleet.rate)}; devices: {fleet.devices:,}; "
        f"readings per message: {fleet.readings_per_message}; "
        f"observability: {made.pipeline.observability}",
        f"trigger: {way_name(made.pipeline)}",
        table,
        f"readings per batch: {rounded(batches.readings)}; "
        f"batches per hour: {rounded(batches.rate * 3600)}",
        f"without IoT's messages: {dollars_per_million(made.beyond_messages)} per million "
        f"(storage {storage}; target: under ${TARGET})",
        *_contracts(made),
        f"latency: {seconds_text(time.typical)} on average, at most {seconds_text(time.longest)}",
        f"simulated: {verdict}",
        *([f"bottleneck: {slow}"] if slow else []),
        f"most used AWS quota: {most_used_quota(result)}",
        f"prices of {REGION}, {AS_OF}, without free tier, database and network: docs/cost.md",
    )


def _contracts(made: Bill) -> Iterator[str]:
    """Say what the contracts after the first one cost, where there are any."""
    if made.pipeline.contracts > 1:
        fixed, batches = further_contract(made)
        yield (
            f"contracts: {made.pipeline.contracts}; each after the first one adds {dollars(fixed)} "
            f"per month fixed (alarms of its topic rule) and {dollars(batches)} for batches of its "
            "own"
        )


def comparison(fleet: Fleet, pipeline: Pipeline) -> Table:
    """The bills of other configurations, one row each."""
    table = Table()
    for heading in ("", "per month", "per million readings", "without IoT's messages", "latency"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, made in alternatives(fleet, pipeline):
        per_million = (made.per_million(), made.beyond_messages)
        time = latency(made.fleet, made.pipeline)
        table.add_row(
            name,
            dollars(made.dollars()),
            *map(dollars_per_million, per_million),
            f"{seconds_text(time.typical)}, at most {seconds_text(time.longest)}",
        )
    return table


def _check_finite(**options: float | None) -> None:
    """Raises :class:`typer.BadParameter` for an option that is infinite or no number."""
    for name, value in options.items():
        if value is not None and not math.isfinite(value):
            raise typer.BadParameter("must be finite", param_hint=f"--{name.replace('_', '-')}")


def _one_of(option: str, given: str, choices: Sequence[Name]) -> Name:
    """The choice of that name. Raises the error of the command line where there is none."""
    for choice in choices:
        if choice == given:
            return choice
    *most, last = choices
    raise fail(f"{option} must be {', '.join(most)} or {last}, not {given!r}")


@guard
def cost(
    context: typer.Context,
    devices: Annotated[
        int, typer.Option(min=1, help="Number of devices, always connected.")
    ] = 1_000,
    rate: Annotated[
        float, typer.Option(min=0.001, help="Readings per second, over all devices.")
    ] = 1_000.0,
    readings: Annotated[
        int, typer.Option("--readings-per-message", min=1, help="Readings per message.")
    ] = 50,
    reading_bytes: Annotated[
        float | None,
        typer.Option(min=1, help="Bytes of one reading in a message. [default: as measured]"),
    ] = None,
    basic_ingest: Annotated[
        bool, typer.Option("--basic-ingest", help="Devices publish through Basic Ingest.")
    ] = False,
    trigger: Annotated[
        str, typer.Option(help="Trigger of the pipeline: queue, schedule or both.")
    ] = "queue",
    delivery: Annotated[
        str,
        typer.Option(
            help="Delivery of the queue trigger: drain, one execution that empties the queue once "
            "per window, or mapping, an execution for each batch."
        ),
    ] = Pipeline.delivery,
    observability: Annotated[
        str,
        typer.Option(help="Metrics, alarms, dashboard, logs and traces: lean, standard or full."),
    ] = Pipeline.observability,
    window: Annotated[
        float, typer.Option(min=1, max=300, help="Seconds that the queue trigger gathers messages.")
    ] = Pipeline.window_seconds,
    period: Annotated[
        float, typer.Option(min=60, help="Seconds between scheduled drains.")
    ] = Pipeline.period_seconds,
    batch: Annotated[
        int, typer.Option(min=1, help="Largest number of messages in a micro-batch.")
    ] = Pipeline.batch_messages,
    months: Annotated[
        int, typer.Option(min=1, help="Months for which objects in S3 are kept.")
    ] = Pipeline.months_kept,
    clean: Annotated[
        bool, typer.Option(help="The cleaned readings are kept in S3 as Parquet too.")
    ] = Pipeline.clean,
    channels: Annotated[
        bool, typer.Option("--channels", help="Notifications go to channels too.")
    ] = False,
    partitions: Annotated[
        bool, typer.Option("--partitions", help="The contract's table has partitions.")
    ] = False,
    contracts: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Contracts, each with an equal share of the messages. Default: as many as the "
            "settings name.",
        ),
    ] = None,
    settings: SettingsOption = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also show the cost of other settings.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Estimate the monthly AWS bill of a fleet by service, and whether the pipeline keeps up."""
    _check_finite(rate=rate, window=window, period=period, reading_bytes=reading_bytes)
    fleet = Fleet(
        devices=devices,
        rate=rate,
        readings_per_message=readings,
        reading_bytes=reading_bytes,
        basic_ingest=basic_ingest,
    )
    pipeline = Pipeline(
        trigger=_one_of("--trigger", trigger, get_args(Trigger)),
        delivery=_one_of("--delivery", delivery, get_args(Delivery)),
        observability=_one_of("--observability", observability, LEVELS),
        window_seconds=window,
        period_seconds=period,
        batch_messages=batch,
        trigger_batch=min(batch, Pipeline.trigger_batch),
        months_kept=months,
        clean=clean,
        channels=channels,
        partitions=partitions,
        contracts=contracts or len(pipeline_of(context, settings).contracts),
    )
    made = bill(fleet, pipeline)
    result = simulate(fleet, pipeline)
    if as_json:
        data = cost_data(made, result)
        if compare:
            data["compared"] = [
                {
                    "name": name,
                    "dollars_a_month": other.dollars(),
                    "dollars_a_million_readings": other.per_million(),
                    "beyond_messages": other.beyond_messages,
                    "latency_seconds": vars(latency(other.fleet, other.pipeline)),
                }
                for name, other in alternatives(fleet, pipeline)
            ]
        print_json(data)
        return
    console.print(summary(made, result))
    if compare:
        console.print(comparison(fleet, pipeline))


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(cost)
