"""``etl contract``: infer a contract from messages, check it, compare two contracts."""

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
    from rich.console import Console

    from etl.authoring.check import SampleReport
    from etl.authoring.diff import Difference
    from etl.authoring.proof import Proof
    from etl.authoring.samples import Sample

app = typer.Typer(
    help="Infer a contract from sample messages, check a contract, compare two.",
    no_args_is_help=True,
)
DEPLOYED = "deployed"
FILES = "NDJSON, a JSON array, or raw objects with their envelopes; plain or .gz."
COLOURS = {"pass": "green", "warn": "yellow", "quarantine": "red"}
SIGNS = {"added": "[green]+[/]", "removed": "[red]-[/]", "changed": "[yellow]~[/]"}


def read(files: Sequence[Path], most: int) -> Sample:
    """Reads a sample of the files, and shows progress on standard error."""
    from etl.authoring.samples import read_sample

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(
        *columns, console=notes, transient=True, disable=not notes.is_terminal
    ) as progress:
        task = progress.add_task("reading messages", total=None)
        sample = read_sample(
            files, most, lambda count: progress.update(task, description=f"{count:,} messages read")
        )
    notes.print(f"[dim]•[/] read {sample.description()}")
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
        str | None, typer.Option(help="Name of the contract; default: from the file's name.")
    ] = None,
    most: Annotated[
        int, typer.Option(min=1, help="Most messages to examine, from all parts of the files.")
    ] = 20_000,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Infer a contract from sample messages, with the reason for each line as a comment.

    Then cleans the sample with it. Exits with 1 if a distinct reading or a value would be lost; the
    file is written all the same.
    """
    from etl.authoring.infer import infer as infer_contract
    from etl.authoring.infer import parse_draft
    from etl.authoring.proof import prove
    from etl.authoring.toml_writer import write_contract

    if out is not None and out.exists() and not force:
        raise fail(f"{out} already exists; choose another --out, or overwrite it with --force")
    sample = read(files, most)
    with notes.status("inferring types, limits and key"):
        draft = infer_contract(sample, name or files[0].name, ", ".join(f.name for f in files))
        text, contract = write_contract(draft), parse_draft(draft)
    with notes.status("cleaning the sample with the contract"):
        proof = prove(draft, contract, sample)
    if out is None:
        typer.echo(text, nl=False)
        print_proof(proof, notes)
    else:
        out.write_text(text, encoding="utf-8")
        key = ", ".join(contract.key)
        console.print(f"wrote [bold]{out}[/]: {len(contract.columns)} columns, key {key}")
        print_proof(proof, console)
        console.print(
            f"\nnext: review it, then run etl contract check {out} {files[0]}", soft_wrap=True
        )
        console.print(f"then: etl up --contract {out}; etl publish {files[0]}", soft_wrap=True)
    if proof.losses:
        raise typer.Exit(1)


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
        int, typer.Option(min=1, help="Most messages to examine, from all parts of the files.")
    ] = 100_000,
    as_json: JsonOption = False,
) -> None:
    """Show the table of a contract, and what would be loaded and rejected from a sample.

    Exits with 1 if the contract is invalid or the sample would be quarantined.
    """
    from etl.authoring.units import resolve_units
    from telemetry.ddl import plan_table

    contract = resolve_units(load_contract(contract_file))
    statements = plan_table(contract, None)
    checked = None
    if files:
        from etl.authoring.check import check as check_sample

        sample = read(files, most)
        with notes.status("cleaning the sample"):
            checked = check_sample(contract, sample)
    if as_json:
        result = None if checked is None else checked.as_dict()
        facts = {"contract": contract.name, "digest": contract.digest, "statements": statements}
        print_json(facts | {"sample": result})
    else:
        print_contract(contract, statements)
        if checked is not None:
            print_report(checked)
    if checked is not None and checked.verdict == "quarantine":
        raise typer.Exit(1)


def print_proof(proof: Proof, terminal: Console) -> None:
    """Print what the contract makes of the sample, and what it would lose."""
    report = proof.report
    table = Table(box=None, pad_edge=False)
    counts = {"readings": report.read, "rows": report.accepted, "repeats": report.duplicates}
    counts |= {"conflicts": report.conflicts, "rejected": report.rejected}
    counts |= {name.replace("_", " "): count for name, count in report.other.items()}
    counts["values to NULL"] = sum(found.values for found in proof.nulls)
    for name in counts:
        table.add_column(name, justify="right")
    table.add_row(*(f"{count:,}" for count in counts.values()))
    terminal.print(table)
    rejects = [reason for reason in report.reasons if reason.readings]
    for reason in rejects:
        terminal.print(Text(printable(f"  rejected: {reason.reason} {reason.readings:,}")))
    for found in proof.nulls:
        line = f"  NULL: {found.column} {found.values:,} ({found.why})"
        terminal.print(Text(printable(line)), soft_wrap=True)
    if proof.worth_a_look:
        terminal.print("most worth a look:")
    for line in proof.worth_a_look:
        terminal.print(Text(printable(f"  {line}")), soft_wrap=True)
    if proof.losses:
        terminal.print("[bold red]would be lost[/], or can't be expressed yet:")
        for line in proof.losses:
            terminal.print(Text(printable(f"  {line}")), soft_wrap=True)
    else:
        terminal.print("[green]nothing distinct would be lost[/]")


def printable(text: str) -> str:
    """The text without characters that a terminal obeys or hides: device-sent names have any."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def print_contract(contract: Contract, statements: Sequence[str]) -> None:
    """Print the table, and the sources of its columns."""
    from etl.authoring.check import sources_text

    console.print(f"[green]valid[/]: contract [bold]{contract.name}[/], version {contract.digest}")
    console.print(f"topic {contract.topic}; on_conflict {contract.on_conflict}\n")
    for statement in statements:
        console.print(Text(f"{statement};"), soft_wrap=True)
    console.print()
    table = Table(box=None, pad_edge=False)
    for heading in ("column", "type", "from", "an invalid value"):
        table.add_column(heading, overflow="fold")
    for column in contract.columns:
        invalid = "becomes NULL" if column.on_invalid == "null" else "rejects the reading"
        kind = column.type + (", required" if column.required else "")
        table.add_row(column.name, kind, Text(sources_text(column)), invalid)
    console.print(table)


def print_report(checked: SampleReport) -> None:
    """Print the counts, reasons and verdict of a checked sample."""
    console.print(f"\n[bold]Sample[/]: {checked.sample}, cleaned as one micro-batch")
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    counts = {"readings": checked.read, "  would be rows": checked.accepted}
    counts |= {"  repeats": checked.duplicates, "  conflicts": checked.conflicts}
    counts |= {"  rejected": checked.rejected}
    counts |= {name.replace("_", " "): count for name, count in checked.other.items()}
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    console.print(table)
    if checked.min_time:
        console.print(f"from {checked.min_time} to {checked.max_time}")
    print_columns(checked)
    for reason in checked.reasons:
        parts = [f"readings rejected: {reason.readings:,}"] if reason.readings else []
        parts += [f"values lost: {reason.values:,}"] if reason.values else []
        console.print(f"\n[yellow]{reason.reason}[/]: {', '.join(parts)}; for example")
        for example in reason.examples:
            console.print(Text(f"  {example}"), soft_wrap=True)
    if checked.conflicting_pair is not None:
        kept, lost = checked.conflicting_pair
        console.print(
            f"\n[yellow]conflicts[/]: {checked.conflicts:,} readings have the key of another one "
            "and other values; is the key too small? For example"
        )
        console.print(Text(f"  row:      {kept}"), soft_wrap=True)
        console.print(Text(f"  conflict: {lost}"), soft_wrap=True)
    if checked.unread:
        console.print("\nmembers that no column uses:", Text(", ".join(checked.unread)))
    console.print(f"\nverdict: [bold {COLOURS[checked.verdict]}]{checked.verdict}[/]")
    for finding in checked.findings:
        console.print(f"  {finding.level}: {finding.sentence}")


def print_columns(checked: SampleReport) -> None:
    """Print the columns with missing or faulty values."""
    shown = [
        found
        for found in checked.columns
        if found.missing or found.invalid or found.out_of_range or found.too_long or found.more
    ]
    if not shown:
        console.print("no column has missing or faulty values")
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
        console.print(f"[yellow]always NULL[/]: {', '.join(never)}; is `from` correct?")


@guard
def diff(
    context: typer.Context,
    old: Annotated[
        str,
        typer.Argument(help=f"Contract file, or '{DEPLOYED}' for that of the running pipeline."),
    ],
    new: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="New contract file.")],
    as_json: JsonOption = False,
) -> None:
    """Show what changes from one contract to another, and what deploy will do about it.

    Exits with 1 if deploy refuses the change, so that it must be made by hand.
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
        print_difference(found)
    if found.destructive:
        raise typer.Exit(1)


def print_difference(found: Difference) -> None:
    """Print the changes with their effect, and the SQL."""
    if not found.changes:
        console.print("no differences that have an effect")
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
        console.print("\nthe table does not change")


def register(parent: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (infer, check, diff):
        app.command()(command)
    parent.add_typer(app, name="contract")
