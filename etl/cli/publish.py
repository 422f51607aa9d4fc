"""``etl simulate`` and ``etl publish``: publish messages over MQTT, as devices do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from etl.cli.context import (
    FILES,
    JsonOption,
    console,
    counted,
    fail,
    guard,
    notes,
    print_json,
    target_of,
)
from etl.cli.contract_option import FirstContractOption
from etl.cli.wait_line import log_lines, progress_bar
from etl.operations.contract_choice import named_contract
from etl.operations.escaping import escape_text
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
def publishing_bar(title: str, until: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error; call its value with the messages and readings sent."""
    with log_lines(title, until) as log, progress_bar(*PUBLISHING_COLUMNS, until=until) as progress:
        task = progress.add_task(escape(title), total=None, sent="connecting the devices")

        def show(messages: int, readings: int) -> None:
            log(_sent(messages, readings))
            progress.update(task, sent=_sent(messages, readings))

        yield show


@guard
def simulate(
    context: typer.Context,
    devices: Annotated[int, typer.Option(min=1, help="Devices in the fleet.")] = 20,
    rate: Annotated[
        float, typer.Option(min=0, help="Messages per second, over all devices; 0: no limit.")
    ] = 50.0,
    duration: Annotated[float, typer.Option(min=0.1, help="Seconds of publishing.")] = 20.0,
    readings: Annotated[int, typer.Option(min=1, help="Readings per message.")] = 20,
    mess: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of malformed messages and readings (0 to 1)."),
    ] = 0.02,
    seed: Annotated[int, typer.Option(help="Seed: the same one gives the same messages.")] = 1,
    basic_ingest: BasicIngestOption = False,
    contract: FirstContractOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the telemetry of a simulated fleet, partly malformed, over MQTT with certificates."""
    from etl.operations.publishing import FleetPlan
    from etl.operations.publishing import simulate as run_fleet
    from local.devices.fleet import can_simulate

    target = target_of(context.obj)
    chosen = named_contract(target, contract)
    if not can_simulate(chosen):
        raise fail(
            f"The simulated fleet can't make messages in the shape of contract '{chosen.name}'. "
            "Publish a file of messages with: etl publish FILE"
        )
    plan = FleetPlan(devices, rate, duration, readings, mess, seed, basic_ingest=basic_ingest)
    title = f"publishing from {counted(devices, 'device')}"
    with publishing_bar(title, f"for {duration:g} s") as show_progress:
        receipt = run_fleet(target, chosen, plan, show_progress)
    print_receipt(receipt, as_json=as_json)


@guard
def publish(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help=FILES)],
    readings: Annotated[
        int, typer.Option("--readings", min=1, help="Readings (messages of the file) per message.")
    ] = 1,
    connections: Annotated[
        int, typer.Option(min=1, help="MQTT connections for messages without a topic.")
    ] = 4,
    topic: Annotated[
        str | None,
        typer.Option(
            help="Topic of all messages; the contract's own filter ignores a recording's. "
            "Default: the recording's topics."
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", "--client", help="Thing that sends all messages: its client id."),
    ] = None,
    qos: Annotated[
        int, typer.Option(min=0, max=1, help="Quality of service; 0 is not acknowledged.")
    ] = 1,
    rate: Annotated[float, typer.Option(min=0, help="Messages per second; 0: no limit.")] = 0,
    basic_ingest: BasicIngestOption = False,
    contract: FirstContractOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the messages of a file over MQTT, as infer and check read them.

    NDJSON, JSON arrays, JSON over several lines, recordings, or CSV with a header (each row is a
    message), plain or compressed. Payloads are sent as they are. Messages of one device keep to
    one client. There is no option for retained messages: the policy of the devices doesn't allow
    them, and AWS IoT would close the connection.
    """
    from etl.operations.publishing import publish_file

    target = target_of(context.obj)
    chosen = named_contract(target, contract)
    one_level = chosen.readings and chosen.parents is None
    if readings > 1 and (not one_level or chosen.shape != "objects"):
        raise fail(
            f"With contract '{chosen.name}' each line of the file is a message: leave out "
            "--readings. Several readings per message need a contract of shape objects with "
            "`readings` of one level in its [message] table."
        )
    title = "standard input" if file == Path("-") else escape_text(file.name)
    remarks: list[str] = []
    with publishing_bar(f"publishing {title}", "until the end of the file") as show_progress:
        receipt = publish_file(
            target,
            chosen,
            file,
            readings_per_message=readings,
            connections=connections,
            basic_ingest=basic_ingest,
            topic=topic,
            device=device,
            qos=0 if qos == 0 else 1,
            rate=rate,
            progress=show_progress,
            notify=remarks.append,
        )
    for remark in remarks:
        notes.print(Text(escape_text(remark)), soft_wrap=True)
    print_receipt(receipt, as_json=as_json)


def _sent(messages: int, readings: int) -> str:
    return f"{counted(messages, 'message')}, {counted(readings, 'reading')}"


def print_receipt(receipt: Receipt, *, as_json: bool) -> None:
    """Print what was published."""
    if as_json:
        print_json(receipt.as_dict())
        return
    if receipt.unacknowledged:
        console.print(
            f"sent [bold]{counted(receipt.unacknowledged, 'message')}[/] without an "
            "acknowledgement: whether they arrived isn't known",
            soft_wrap=True,
        )
    console.print(
        f"published [bold]{_sent(receipt.messages, receipt.readings)}[/]; "
        f"receipt {receipt.publication}",
        soft_wrap=True,
    )


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(simulate)
    app.command()(publish)
