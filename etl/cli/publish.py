"""``etl simulate`` and ``etl publish``: messages over MQTT, as devices send them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from etl.cli.context import JsonOption, console, fail, guard, notes, print_json, target_of
from etl.operations.receipts import Receipt

PUBLISHING_COLUMNS = (
    SpinnerColumn(),
    TextColumn("{task.description}"),
    BarColumn(bar_width=24),
    TextColumn("{task.fields[sent]}"),
    TimeElapsedColumn(),
)


BasicIngestOption = Annotated[
    bool,
    typer.Option(
        "--basic-ingest", help="Publish to $aws/rules/<rule>/<topic>: no messaging charge on AWS."
    ),
]


@contextmanager
def publishing_bar(title: str) -> Iterator[tuple[Progress, object]]:
    """A progress display on standard error."""
    with Progress(*PUBLISHING_COLUMNS, console=notes, transient=True) as progress:
        yield progress, progress.add_task(title, total=None, sent="")


@guard
def simulate(
    context: typer.Context,
    devices: Annotated[int, typer.Option(min=1, help="Devices in the fleet.")] = 20,
    rate: Annotated[
        float, typer.Option(min=0, help="Messages a second over all devices; 0: no limit.")
    ] = 50.0,
    duration: Annotated[float, typer.Option(min=0.1, help="Seconds of publishing.")] = 20.0,
    readings: Annotated[int, typer.Option(min=1, help="Readings in a message.")] = 20,
    mess: Annotated[
        float, typer.Option(min=0, max=1, help="Share of messages and readings that are messy.")
    ] = 0.02,
    seed: Annotated[int, typer.Option(help="The same seed makes the same mess.")] = 1,
    basic_ingest: BasicIngestOption = False,
    as_json: JsonOption = False,
) -> None:
    """Publish a simulated fleet's telemetry, messy on purpose, over MQTT with certificates."""
    from etl.operations.publishing import FleetPlan
    from etl.operations.publishing import simulate as run_fleet

    target = target_of(context.obj)
    about = target.contract
    if about.shape != "objects" or about.melt or about.only or about.readings == ():
        raise fail(
            f"contract '{about.name}' has messages of a shape or kind that the simulated fleet "
            "does not know; publish a file of messages with: etl publish FILE"
        )
    plan = FleetPlan(devices, rate, duration, readings, mess, seed, basic_ingest=basic_ingest)
    with publishing_bar(f"{devices} devices publish") as (bar, task):
        receipt = run_fleet(
            target,
            target.contract,
            plan,
            lambda m, r: bar.update(task, sent=f"{m:,} messages, {r:,} readings"),  # type: ignore[arg-type]
        )
    print_receipt(receipt, as_json=as_json)


@guard
def publish(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="NDJSON, plain or .gz.")
    ],
    readings: Annotated[
        int, typer.Option("--readings", min=1, help="Readings (lines) put into one message.")
    ] = 1,
    connections: Annotated[int, typer.Option(min=1, help="MQTT connections.")] = 4,
    basic_ingest: BasicIngestOption = False,
    as_json: JsonOption = False,
) -> None:
    """Publish a file over MQTT: each line one reading, one or several to a message."""
    from etl.operations.publishing import publish_file

    target = target_of(context.obj)
    contract = target.contract
    if readings > 1 and (not contract.readings or contract.shape != "objects"):
        raise fail(
            f"contract '{contract.name}' takes the file's lines as messages, as they are: leave "
            "--readings out. Several in one message need a contract with `readings` in its "
            "[message] table, of shape objects."
        )
    with publishing_bar(f"publishing {file.name}") as (bar, task):
        receipt = publish_file(
            target,
            contract,
            file,
            readings_per_message=readings,
            connections=connections,
            basic_ingest=basic_ingest,
            progress=lambda m, r: bar.update(task, sent=f"{m:,} messages, {r:,} readings"),  # type: ignore[arg-type]
        )
    print_receipt(receipt, as_json=as_json)


def print_receipt(receipt: Receipt, *, as_json: bool) -> None:
    """Say what was published."""
    if as_json:
        print_json(asdict(receipt))
        return
    console.print(
        f"published [bold]{receipt.messages:,}[/] messages, "
        f"[bold]{receipt.readings:,}[/] readings; receipt {receipt.publication}"
    )


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(simulate)
    app.command()(publish)
