"""``etl contract infer``, ``check`` and ``diff``: write contracts, and know what they will do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from etl.cli.context import JsonOption, console, fail, guard, notes, print_json, target_of
from telemetry.contract import Contract, load_contract

if TYPE_CHECKING:
    from etl.authoring.check import Checked
    from etl.authoring.diff import Difference
    from etl.authoring.samples import Sample

app = typer.Typer(
    help="Write a contract from sample messages, see what one does, compare two.",
    no_args_is_help=True,
)
DEPLOYED = "deployed"
FILES = "NDJSON, a JSON array, or raw objects with their envelopes; plain or .gz."
COLOURS = {"pass": "green", "warn": "yellow", "quarantine": "red"}
SIGNS = {"added": "[green]+[/]", "removed": "[red]-[/]", "changed": "[yellow]~[/]"}


def read(files: Sequence[Path], most: int) -> Sample:
    """A sample of the files, with progress on standard error."""
    from etl.authoring.samples import read_sample

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(
        *columns, console=notes, transient=True, disable=not notes.is_terminal
    ) as progress:
        task = progress.add_task("reading messages", total=None)
        sample = read_sample(
            files, most, lambda seen: progress.update(task, description=f"{seen:,} messages read")
        )
    notes.print(f"[dim]•[/] read {sample.sentence()}")
    return sample


@guard
def infer(
    files: Annotated[
        list[Path], typer.Argument(metavar="SAMPLE...", exists=True, dir_okay=False, help=FILES)
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; default: print it.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The contract's name; default: the file's.")
    ] = None,
    most: Annotated[
        int, typer.Option(min=1, help="Messages looked at, in runs spread over the files.")
    ] = 20_000,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a first contract from sample messages, with the reason for each line beside it."""
    from etl.authoring.infer import infer as infer_contract

    if out is not None and out.exists() and not force:
        raise fail(f"{out} is there already; give another --out, or --force")
    sample = read(files, most)
    with notes.status("working out types, limits and key"):
        found = infer_contract(sample, name or files[0].name, ", ".join(f.name for f in files))
        text, contract = found.text(), found.contract()
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    console.print(
        f"wrote [bold]{out}[/]: {len(contract.columns)} columns, key {', '.join(contract.key)}"
    )
    console.print(f"next: go through it, then etl contract check {out} {files[0]}", soft_wrap=True)
    console.print(f"then: etl up --contract {out}; etl publish {files[0]}", soft_wrap=True)


@guard
def check(
    contract_file: Annotated[
        Path, typer.Argument(metavar="CONTRACT", exists=True, dir_okay=False, help="TOML.")
    ],
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[SAMPLE]...", exists=True, dir_okay=False, help=FILES),
    ] = None,
    most: Annotated[
        int, typer.Option(min=1, help="Messages looked at, in runs spread over the files.")
    ] = 100_000,
    as_json: JsonOption = False,
) -> None:
    """Say what a contract does: its table, and what would be loaded and rejected of a sample.

    Exits with 1 where the contract is wrong, or the sample would be quarantined.
    """
    from etl.authoring.units import resolve_units
    from telemetry.ddl import plan_table

    contract = resolve_units(load_contract(contract_file))
    statements = plan_table(contract, None)
    checked = None
    if files:
        from etl.authoring.check import check as check_sample

        sample = read(files, most)
        with notes.status("cleaning"):
            checked = check_sample(contract, sample)
    if as_json:
        found = None if checked is None else checked.as_dict()
        facts = {"contract": contract.name, "digest": contract.digest, "statements": statements}
        print_json(facts | {"sample": found})
    else:
        tell_contract(contract, statements)
        if checked is not None:
            tell_checked(checked)
    if checked is not None and checked.verdict == "quarantine":
        raise typer.Exit(1)


def tell_contract(contract: Contract, statements: Sequence[str]) -> None:
    """Print the table and where its columns come from."""
    from etl.authoring.check import sources_text

    console.print(f"[green]sound[/]: contract [bold]{contract.name}[/], version {contract.digest}")
    console.print(f"topic {contract.topic}; on_conflict {contract.on_conflict}\n")
    for statement in statements:
        console.print(Text(f"{statement};"), soft_wrap=True)
    console.print()
    table = Table(box=None, pad_edge=False)
    for heading in ("column", "type", "from", "if it can't be taken"):
        table.add_column(heading, overflow="fold")
    for column in contract.columns:
        lost = "the value is lost" if column.on_invalid == "null" else "the reading is rejected"
        kind = column.type + (", required" if column.required else "")
        table.add_row(column.name, kind, Text(sources_text(column)), lost)
    console.print(table)


def tell_checked(checked: Checked) -> None:
    """Print what a load of the sample would come to."""
    console.print(f"\n[bold]Sample[/]: {checked.sample}, cleaned as one micro-batch")
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    counts = {"readings": checked.read, "  would be rows": checked.accepted}
    counts |= {"  duplicates": checked.duplicates, "  rejected": checked.rejected}
    counts |= {name.replace("_", " "): count for name, count in checked.other.items()}
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    console.print(table)
    if checked.min_time:
        console.print(f"from {checked.min_time} to {checked.max_time}")
    tell_columns(checked)
    for reason in checked.reasons:
        told = [f"readings rejected: {reason.readings:,}"] if reason.readings else []
        told += [f"values lost: {reason.values:,}"] if reason.values else []
        console.print(f"\n[yellow]{reason.reason}[/]: {', '.join(told)}; such as")
        for example in reason.examples:
            console.print(Text(f"  {example}"), soft_wrap=True)
    if checked.unread:
        console.print("\nmembers that no column takes:", Text(", ".join(checked.unread)))
    console.print(f"\nverdict: [bold {COLOURS[checked.verdict]}]{checked.verdict}[/]")
    for finding in checked.findings:
        console.print(f"  {finding.level}: {finding.sentence}")


def tell_columns(checked: Checked) -> None:
    """Print the columns that are not always filled with good values."""
    shown = [
        found
        for found in checked.columns
        if found.missing or found.invalid or found.out_of_range or found.too_long or found.more
    ]
    if not shown:
        console.print("every column always has a value")
        return
    console.print()
    table = Table(box=None, pad_edge=False)
    table.add_column("column")
    more = sorted({fault for found in shown for fault in found.more})
    for heading in ("missing", "invalid", "out of range", "too long", *more):
        table.add_column(heading.replace("_", " "), justify="right")
    for found in shown:
        parts = [found.missing, found.invalid, found.out_of_range, found.too_long]
        parts += [found.more.get(fault, 0.0) for fault in more]
        table.add_row(found.name, *(f"{part:.2%}" if part else "" for part in parts))
    console.print(table)
    never = [found.name for found in shown if found.missing == 1]
    if never and checked.accepted:
        console.print(f"[yellow]never filled[/]: {', '.join(never)}; is `from` right?")


@guard
def diff(
    context: typer.Context,
    old: Annotated[
        str, typer.Argument(help=f"A contract, or '{DEPLOYED}': that of the running pipeline.")
    ],
    new: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The contract to be.")],
    as_json: JsonOption = False,
) -> None:
    """Say what changes from one contract to another, and what deploy makes of it.

    Exits with 1 where something is left to a person.
    """
    from etl.authoring.diff import diff as compare

    if old == DEPLOYED and not Path(old).exists():
        before = target_of(context.obj).contract
    else:
        before = load_contract(Path(old))
    found = compare(before, load_contract(new))
    if as_json:
        print_json(found.as_dict())
    else:
        tell_difference(found)
    if found.destructive:
        raise typer.Exit(1)


def tell_difference(found: Difference) -> None:
    """Print the changes, their meaning, and the SQL."""
    if not found.changes:
        console.print("nothing that matters differs")
        return
    for change in found.changes:
        arrow = {"added": change.new, "removed": change.old}
        values = arrow.get(change.what, f"{change.old} -> {change.new}")
        line = Text.assemble(
            Text.from_markup(SIGNS[change.what]), f" {change.key}: {values}\n    {change.meaning}"
        )
        console.print(line, soft_wrap=True)
    if found.refused:
        console.print("\n[bold red]deploy refuses this[/]")
        console.print(Text(found.refused), soft_wrap=True)
    elif found.statements:
        console.print("\ndeploy will run")
        for statement in found.statements:
            console.print(Text(f"  {statement};"), soft_wrap=True)
    else:
        console.print("\nthe table stays as it is")


def register(parent: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (infer, check, diff):
        app.command()(command)
    parent.add_typer(app, name="contract")
