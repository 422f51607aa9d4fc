"""``etl conflicts``: readings that lost against an existing row, and how to get them back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from etl.cli.context import JsonOption, console, counted, guard, notes, print_json, target_of
from etl.cli.contract_option import ContractOption
from etl.cli.rejects import (
    BatchOption,
    FormatOption,
    OutputOption,
    OverwriteOption,
    Unreadable,
    checked_format,
)
from etl.cli.wait_line import waiting
from etl.operations.conflicts import ConflictCount, count_conflicts, read_conflicts
from etl.operations.contract_choice import has_several
from etl.operations.escaping import escape_text
from etl.operations.reject_export import output, write

__all__ = ["register"]

app = typer.Typer(
    help="Readings with the key of an existing row and other values, as the device sent them."
)


@app.command("list")
@guard
def list_conflicts(
    context: typer.Context,
    most: Annotated[int, typer.Option(min=1, help="Rows of the table.")] = 20,
    contract: ContractOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count conflicts with the table by micro-batch.

    Conflicts within a micro-batch are among its rejects: `etl rejects list --reason conflict`.
    """
    target = target_of(context.obj)
    found = count_conflicts(target, contract=contract)
    several = has_several(target)
    if as_json:
        print_json([_as_dict(one, with_contract=several) for one in found])
    elif found:
        console.print(_table(found, most, with_contract=several))
    else:
        console.print("no conflicts with the table")


def _as_dict(one: ConflictCount, *, with_contract: bool) -> dict[str, Any]:
    found = asdict(one)
    if not with_contract:
        del found["contract"]
    return found


def _table(found: list[ConflictCount], most: int, *, with_contract: bool) -> Table:
    table = Table()
    if with_contract:
        table.add_column("contract")
    table.add_column("batch")
    table.add_column("readings that lost", justify="right")
    table.add_column("rows replaced", justify="right")
    for one in found[:most]:
        contract = [one.contract] if with_contract else []
        numbers = (f"{one.readings:,}", f"{one.rows:,}")
        table.add_row(*contract, Text(escape_text(one.batch_id)), *numbers)
    if len(found) > most:
        table.add_row(f"… {len(found) - most:,} more", style="dim")
    return table


@app.command("export")
@guard
def export(
    context: typer.Context,
    batch: BatchOption = None,
    contract: ContractOption = None,
    file: OutputOption = None,
    form: FormatOption = "ndjson",
    overwrite: OverwriteOption = False,
) -> None:
    """Export what lost against the table, with the bytes that the device sent.

    The bytes come from the raw objects. With a corrected contract, `etl replay --conflicts` loads
    the batches again.
    """
    export_format = checked_format(form, file, overwrite=overwrite)
    unreadable, written = Unreadable("Not all conflicts could be read."), 0
    target = target_of(context.obj)
    found = read_conflicts(
        target, batches=tuple(batch or ()), contract=contract, unreadable=unreadable
    )
    several = has_several(target)
    with waiting("exporting conflicts") as show_progress, output(file) as out:
        for written in write(found, out, export_format, with_contract=several):
            if written % 1000 == 0:
                show_progress(counted(written, "conflict"))
    where = "printed" if file is None else f"written to {file}"
    notes.print(f"{counted(written, 'conflict')} {where}", soft_wrap=True)
    unreadable.end()


def register(main: typer.Typer) -> None:
    """Add this module's commands."""
    main.add_typer(app, name="conflicts")
