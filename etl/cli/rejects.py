"""``etl rejects``: readings that could not become rows, and why."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from etl.aws.target import Target
from etl.cli.completion import complete_batch, complete_reason
from etl.cli.context import (
    JsonOption,
    console,
    counted,
    fail,
    guard,
    notes,
    print_json,
    target_of,
)
from etl.cli.contract_option import ContractOption
from etl.cli.wait_line import waiting
from etl.operations.contract_choice import chosen_contracts, has_several
from etl.operations.escaping import escape_text
from etl.operations.reject_export import Format, as_dict, output, write
from etl.operations.rejects import (
    Reject,
    RejectCounts,
    RejectFilter,
    count,
    most_first,
    read_rejects,
)
from etl.operations.time_range import TimeRange
from telemetry.contract.contract_set import NO_CONTRACT

__all__ = [
    "BatchOption",
    "FormatOption",
    "FromOption",
    "OutputOption",
    "OverwriteOption",
    "ToOption",
    "Unreadable",
    "checked_format",
    "register",
]

app = typer.Typer(help="Readings that could not become rows, as the device sent them.")

ReasonOption = Annotated[
    list[str] | None,
    typer.Option(
        help="This reason ('missing:ts') or all of a kind ('missing'); repeatable.",
        autocompletion=complete_reason,
    ),
]
DeviceOption = Annotated[
    list[str] | None,
    typer.Option(help="This device, client id, or level of the topic; repeatable."),
]
BatchOption = Annotated[
    list[str] | None,
    typer.Option(
        help="This micro-batch; repeatable.",
        autocompletion=complete_batch,
    ),
]
FromOption = Annotated[
    str | None,
    typer.Option("--from", help="Staged at this time or later: ISO date or time, UTC."),
]
ToOption = Annotated[
    str | None,
    typer.Option("--to", help="Staged before this time: ISO date or time, UTC."),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", dir_okay=False, help="File (compressed if .gz); default: standard output."
    ),
]
FormatOption = Annotated[
    str, typer.Option("--format", help="ndjson (bytes in base64) or csv (for spreadsheets).")
]
OverwriteOption = Annotated[bool, typer.Option(help="Replace the file if it exists.")]
SHOWN_CHARACTERS = 2000
NO_CONTRACT_REMEDY = (
    f"{NO_CONTRACT}: these messages came by the topic rule of a contract that the pipeline did not "
    "have any more. Once it is in the settings and deployed again, this loads them: "
    f"etl replay --reason {NO_CONTRACT}"
)


def checked_format(form: str, file: Path | None, *, overwrite: bool) -> Format:
    """The format of an export; ends the command where that or the file can't be used."""
    if form not in get_args(Format):
        raise typer.BadParameter("use ndjson or csv", param_hint="--format")
    if file is not None and file.exists() and not overwrite:
        raise fail(f"{file} exists: --overwrite replaces it.")
    return cast("Format", form)


def _filter_of(
    reason: list[str] | None,
    device: list[str] | None,
    batch: list[str] | None,
    start: str | None,
    end: str | None,
    contract: str | None,
    target: Target,
) -> RejectFilter:
    """The conditions; ends the command for a contract that the pipeline doesn't have."""
    named = () if contract is None else chosen_contracts(target, contract)
    return RejectFilter(
        tuple(reason or ()),
        tuple(device or ()),
        tuple(batch or ()),
        TimeRange.of(start, end),
        tuple(one.name for one in named),
    )


class Unreadable:
    """Reports objects that can't be read at once, and ends the command with exit status 1."""

    def __init__(
        self, end: str = "Not all rejects could be read: replay their batches to write them again."
    ) -> None:
        self.any = False
        self._end = end

    def __call__(self, sentence: str) -> None:
        """Print one sentence."""
        self.any = True
        notes.print(Text(sentence, style="red"), soft_wrap=True)

    def end(self) -> None:
        """End the command where there was one."""
        if self.any:
            raise fail(self._end)


@app.command("list")
@guard
def list_rejects(
    context: typer.Context,
    reason: ReasonOption = None,
    device: DeviceOption = None,
    batch: BatchOption = None,
    start: FromOption = None,
    end: ToOption = None,
    contract: ContractOption = None,
    most: Annotated[int, typer.Option(min=1, help="Rows of each table.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Count rejects by reason, by device and by day. A reject with two reasons counts twice.

    In a pipeline of several contracts also by contract.
    """
    target = target_of(context.obj)
    reject_filter = _filter_of(reason, device, batch, start, end, contract, target)
    unreadable = Unreadable()
    with waiting("reading rejects") as show_progress:
        counts = count(
            read_rejects(
                target,
                reject_filter,
                unreadable=unreadable,
                progress=lambda n: show_progress(counted(n, "object")),
            )
        )
    if as_json:
        print_json(counts.as_dict())
    else:
        console.print(_tables(counts, most))
        if NO_CONTRACT in counts.by_reason:
            notes.print(NO_CONTRACT_REMEDY, soft_wrap=True)
    unreadable.end()


def _tables(counts: RejectCounts, most: int) -> Group:
    if not counts.rejects:
        return Group("no rejects")
    total = f"{counted(counts.rejects, 'reject')} in {counted(counts.batches, 'micro-batch')}"
    by_contract = most_first(counts.by_contract)
    return Group(
        total,
        *([_table("contract", by_contract, most)] if by_contract else []),
        _table("reason", most_first(counts.by_reason), most),
        _table("device", most_first(counts.by_device), most),
        _table("day", sorted(counts.by_day.items()), most),
    )


def _table(heading: str, lines: list[tuple[str, int]], most: int) -> Table:
    table = Table()
    table.add_column(heading)
    table.add_column("rejects", justify="right")
    for name, number in lines[:most]:
        table.add_row(Text(escape_text(name) or "(none)"), f"{number:,}")
    left = Counter(dict(lines[most:]))
    if left:
        table.add_row(f"… {len(left):,} more", f"{left.total():,}", style="dim")
    return table


@app.command("show")
@guard
def show(
    context: typer.Context,
    reason: ReasonOption = None,
    device: DeviceOption = None,
    batch: BatchOption = None,
    start: FromOption = None,
    end: ToOption = None,
    contract: ContractOption = None,
    most: Annotated[int, typer.Option(min=1, help="Number of rejects to show.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Show rejects with the bytes that the device sent; unprintable characters are escaped."""
    target = target_of(context.obj)
    reject_filter = _filter_of(reason, device, batch, start, end, contract, target)
    unreadable = Unreadable()
    found = read_rejects(target, reject_filter, unreadable=unreadable)
    shown = list(islice(found, most + 1))
    if as_json:
        print_json([as_dict(reject) for reject in shown[:most]])
    else:
        for reject in shown[:most]:
            console.print(_lines_of(reject), soft_wrap=True)
        if not shown:
            console.print("no rejects")
        if len(shown) > most:
            notes.print(
                f"There are more than {most}: --most shows more, `etl rejects export` shows all."
            )
    unreadable.end()


def _lines_of(reject: Reject) -> Text:
    """A reject as a few lines; escape sequences in it do not reach the terminal."""
    text = Text()
    text.append(" ".join(escape_text(reason) for reason in reject.reasons), style="bold red")
    place = "" if reject.index is None else f"  reading {reject.index} of its message"
    if reject.readings > 1:
        place = f"  {reject.readings:,} readings of its message"
    text.append(f"{place}\n")
    members = {
        "device": reject.device,
        "topic": reject.topic,
        "received": reject.received,
        **({"contract": reject.contract} if reject.contract is not None else {}),
        "batch": reject.batch_id,
        "message": reject.message_id,
    }
    for name, value in members.items():
        text.append(f"  {name:<9}", style="dim").append(f"{escape_text(value) or '(none)'}\n")
    sent = escape_text(reject.payload if reject.reading is None else reject.reading)
    cut = len(sent) - SHOWN_CHARACTERS
    text.append("  sent     ", style="dim").append(sent[:SHOWN_CHARACTERS])
    return text.append(f"… {cut:,} characters more\n" if cut > 0 else "\n")


@app.command("export")
@guard
def export(
    context: typer.Context,
    reason: ReasonOption = None,
    device: DeviceOption = None,
    batch: BatchOption = None,
    start: FromOption = None,
    end: ToOption = None,
    contract: ContractOption = None,
    file: OutputOption = None,
    form: FormatOption = "ndjson",
    overwrite: OverwriteOption = False,
) -> None:
    """Export rejects as NDJSON with the original bytes, or as CSV that is safe in a spreadsheet."""
    export_format = checked_format(form, file, overwrite=overwrite)
    target = target_of(context.obj)
    reject_filter = _filter_of(reason, device, batch, start, end, contract, target)
    unreadable = Unreadable()
    written = _export(target, reject_filter, unreadable, file, export_format)
    where = "printed" if file is None else f"written to {file}"
    notes.print(f"{counted(written, 'reject')} {where}", soft_wrap=True)
    unreadable.end()


def _export(
    target: Target,
    reject_filter: RejectFilter,
    unreadable: Unreadable,
    file: Path | None,
    form: Format,
) -> int:
    objects = written = 0

    def reached(number: int) -> None:
        nonlocal objects
        objects = number

    with waiting("exporting rejects") as show_progress, output(file) as out:
        found = read_rejects(target, reject_filter, unreadable=unreadable, progress=reached)
        for written in write(found, out, form, with_contract=has_several(target)):
            if written % 1000 == 0:
                show_progress(f"{counted(written, 'reject')} of {counted(objects, 'object')}")
    return written


def register(main: typer.Typer) -> None:
    """Add this module's commands."""
    main.add_typer(app, name="rejects")
