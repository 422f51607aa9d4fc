"""Prints contracts, checked samples and differences: the view of ``etl contract``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from etl.cli.context import console
from etl.operations.escaping import escape_text
from telemetry.contract import Contract

if TYPE_CHECKING:
    from rich.console import Console

    from etl.authoring.check import SampleReport
    from etl.authoring.diff import Difference
    from etl.authoring.proof import Proof

__all__ = ["print_contract", "print_difference", "print_proof", "print_report"]

COLOURS = {"pass": "green", "warn": "yellow", "quarantine": "red"}
UNREAD = 10
"""Most members without a column that are printed."""
SIGNS = {"added": "[green]+[/]", "removed": "[red]-[/]", "changed": "[yellow]~[/]"}


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
        terminal.print(Text(f"  rejected: {reason.reason} {reason.readings:,}"))
    for found in proof.nulls:
        line = f"  NULL: {found.column} {found.values:,} ({found.why})"
        terminal.print(Text(escape_text(line)), soft_wrap=True)
    if proof.worth_a_look:
        terminal.print("most worth a look:")
    for line in proof.worth_a_look:
        terminal.print(Text(f"  {escape_text(line)}"), soft_wrap=True)
    if proof.losses:
        terminal.print("[bold red]would be lost[/], or can't be expressed yet:")
        for line in proof.losses:
            terminal.print(Text(f"  {escape_text(line)}"), soft_wrap=True)
    else:
        terminal.print("[green]nothing distinct would be lost[/]")


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
        table.add_row(column.name, kind, Text(escape_text(sources_text(column))), invalid)
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
        if reason.values:
            kept = f", kept in {reason.kept_in}" if reason.kept_in else ""
            parts.append(f"values lost: {reason.values:,}{kept}")
        console.print(f"\n[yellow]{reason.reason}[/]: {', '.join(parts)}; for example")
        if reason.raised is not None:
            console.print(Text(f"  {escape_text(reason.raised)}"), soft_wrap=True)
        for example in reason.examples:
            console.print(Text(f"  {escape_text(example)}"), soft_wrap=True)
    if checked.conflicting_pair is not None:
        kept, lost = checked.conflicting_pair
        console.print(
            f"\n[yellow]conflicts[/]: {checked.conflicts:,} readings have the key of another one "
            "and other values; is the key too small? For example"
        )
        console.print(Text(f"  row:      {escape_text(kept)}"), soft_wrap=True)
        console.print(Text(f"  conflict: {escape_text(lost)}"), soft_wrap=True)
    print_unread(checked)
    for note in checked.notes:
        console.print(Text(f"\nnote: {note}"), soft_wrap=True)
    console.print(f"\nverdict: [bold {COLOURS[checked.verdict]}]{checked.verdict}[/]")
    for finding in checked.findings:
        console.print(f"  {finding.level}: {finding.sentence}")


def print_unread(checked: SampleReport) -> None:
    """Print the members that nothing in the contract reads, each with an example."""
    if not checked.unread:
        return
    console.print(
        f"\nmembers that no column uses, by messages of {checked.messages:,} with a value"
    )
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    for member in checked.unread[:UNREAD]:
        name, example = escape_text(member.name), escape_text(member.example)
        table.add_row(Text(f"  {name}"), f"{member.messages:,}", Text(f"such as {example}"))
    console.print(table)
    if len(checked.unread) > UNREAD:
        console.print(f"  and {len(checked.unread) - UNREAD:,} more; --json lists all")


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


def print_difference(found: Difference) -> None:
    """Print the changes with their effect, and the SQL."""
    if not found.changes:
        console.print("no differences that have an effect")
        return
    for change in found.changes:
        arrow = {"added": change.new, "removed": change.old}
        values = arrow.get(change.what, f"{change.old} -> {change.new}")
        sign, text = Text.from_markup(SIGNS[change.what]), escape_text(f"{change.key}: {values}")
        line = Text.assemble(sign, f" {text}\n    {change.meaning}")
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
