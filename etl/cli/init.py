"""``etl init``: make a project of one's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from etl.cli.context import console, counted, fail, guard
from etl.cli.wait_line import waiting

FROM = "--from"


@guard
def init(
    name: Annotated[
        Path | None,
        typer.Argument(
            help="Folder to make, or an empty one; its name is that of the contract and the stack. "
            "Asked for on a terminal."
        ),
    ] = None,
    sample: Annotated[
        Path | None,
        typer.Option(
            FROM,
            metavar="SAMPLE",
            exists=True,
            dir_okay=False,
            help="File of messages to infer the contract from, as `etl contract infer` does.",
        ),
    ] = None,
    example: Annotated[
        bool,
        typer.Option("--example", help="Use the example of a greenhouse without being asked."),
    ] = False,
) -> None:
    """Make a project: contract, sample, test, notebook, settings, workflow of GitHub Actions.

    The folder must be empty. In the project and below it, `etl up` runs its contract.
    """
    from etl.new_project.create import create_project

    if example and sample is not None:
        raise fail(f"{FROM} and --example exclude each other: give one of them.")
    on_terminal = sys.stdin.isatty()
    if name is None:
        if not on_terminal:
            raise fail("Give the project a name: etl init NAME")
        name = Path(typer.prompt("Name of the project", err=True))
    if sample is None and not example and on_terminal:
        text = "File of sample messages (empty: the example of a greenhouse)"
        answer = typer.prompt(text, default="", show_default=False, err=True).strip()
        sample = Path(answer).expanduser() if answer else None
    with waiting("making the project"):
        made = create_project(name, sample)
    report = made.report
    console.print(
        f"made [bold]{escape(str(made.folder))}[/]: contract {made.contract.name}, "
        f"{len(made.contract.columns)} columns, table {made.contract.schema}.{made.contract.table}",
        soft_wrap=True,
    )
    console.print(
        f"the sample: {counted(report.read, 'reading')}, {counted(report.accepted, 'row')}, "
        f"{report.duplicates} repeats, {report.conflicts} conflicts, {report.rejected} rejected",
        soft_wrap=True,
    )
    if not made.simulated:
        console.print(
            "simulated devices can't make valid messages for this contract: its test has the "
            "sample alone",
            soft_wrap=True,
        )
    console.print(
        f"next: cd {made.folder}; etl up; etl publish {made.sample}", soft_wrap=True, markup=False
    )


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(init)
