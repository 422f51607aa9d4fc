"""``etl export``: rows of a contract's table as CSV or Parquet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from etl.cli.context import JsonOption, counted, guard, notes, print_json, target_of
from etl.cli.contract_option import FirstContractOption
from etl.cli.wait_line import waiting
from etl.operations.export_destination import parse_destination
from etl.operations.export_query import Selection
from etl.operations.exporting import Export, Exported, export_rows
from etl.operations.time_range import TimeRange

__all__ = ["register"]


@guard
def export(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="File, s3://BUCKET/KEY, or - for standard output; .csv, .csv.gz or .parquet.",
        ),
    ],
    form: Annotated[
        str | None,
        typer.Option("--format", help="csv or parquet; default: by the suffix, csv for -."),
    ] = None,
    contract: FirstContractOption = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", help="This column; repeatable. Default: all of the contract."),
    ] = None,
    devices: Annotated[
        list[str] | None,
        typer.Option("--device", help="This device, as in the key of the table; repeatable."),
    ] = None,
    since: Annotated[
        str, typer.Option(help="Measured at this time or later: 6h, 2d or an ISO time (UTC).")
    ] = "",
    until: Annotated[
        str, typer.Option(help="Measured before this time: 6h, 2d or an ISO time (UTC).")
    ] = "",
    after: Annotated[
        str | None,
        typer.Option(
            metavar="CURSOR", help="Only rows written since the export that printed this cursor."
        ),
    ] = None,
    cursor: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Only rows written since the last export with this file: it has the cursor, and "
            "gets the new one. Without the file: all rows.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Export rows of the table: all, or those written since an earlier export.

    The file appears once it is complete. Rows are one consistent snapshot, in no order. With a
    cursor, each row that was inserted or updated since is exported at least once; deleted rows are
    not mentioned.
    """
    if after is not None and cursor is not None:
        raise typer.BadParameter("use --after or --cursor", param_hint="--cursor")
    destination = parse_destination(file, form, overwrite=overwrite)
    if as_json and destination.is_stdout:
        raise typer.BadParameter("standard output has the rows", param_hint="--json")
    times = TimeRange.since(since, until, datetime.now(UTC))
    selection = Selection(tuple(columns or ()), tuple(devices or ()), times)
    chosen = Export(
        destination=destination,
        selection=selection,
        contract=contract,
        after=after,
        cursor_file=cursor,
    )
    target = target_of(context.obj, "emulator", "postgres")
    with waiting("exporting rows", "Ctrl-C leaves no file") as say:
        found = export_rows(
            target, chosen, lambda rows, size: say(f"{counted(rows, 'row')}, {size / 1e6:,.0f} MB")
        )
    if as_json:
        print_json({"file": file, **found.as_dict()})
    else:
        _print_result(found, chosen)


def _print_result(found: Exported, export: Export) -> None:
    kind = " written since the last export" if found.incremental else ""
    name = "standard output" if export.destination.is_stdout else export.destination.name
    line = f"{counted(found.rows, 'row')}{kind}: {name}"
    notes.print(f"[green]✓[/] {escape(line)}", soft_wrap=True)
    where = export.cursor_file or found.cursor
    notes.print(f"  [dim]cursor[/] {escape(str(where))}", soft_wrap=True)


def register(root: typer.Typer) -> None:
    """Add this module's command."""
    root.command()(export)
