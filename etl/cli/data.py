"""``etl reconcile`` and ``etl psql``: what arrived."""

from __future__ import annotations

import os
import shutil
import time
from typing import Annotated, get_args

import typer
from rich.table import Table

from etl.aws.target import DatabaseRole, Target
from etl.cli.context import (
    JsonOption,
    console,
    counted,
    guard,
    notes,
    print_json,
    target_of,
)
from etl.operations.reconciliation import Reconciliation, gather

POLL_SECONDS = 0.5


def table_name(target: Target) -> str:
    """Quoted, qualified name of the contract's table."""
    contract = target.contract
    return f'"{contract.schema}"."{contract.table}"'


def settle(target: Target, seconds: float) -> Reconciliation:
    """Count until nothing is under way, at most that long; the last count."""
    deadline = time.monotonic() + seconds
    while True:
        found = gather(target, table_name(target))
        if not found.under_way or time.monotonic() >= deadline:
            return found
        time.sleep(POLL_SECONDS)


def reconciliation_table(found: Reconciliation) -> Table:
    """The account of every message and reading."""
    table = Table(title="Reconciliation", title_justify="left")
    table.add_column("")
    table.add_column("messages", justify="right")
    table.add_column("readings", justify="right")

    def row(name: str, messages: int | None, readings: int | None, style: str = "") -> None:
        if messages is None and readings is None:
            return
        cells = ["" if n is None else f"{n:,}" for n in (messages, readings)]
        table.add_row(name, *cells, style=style)

    ledger = found.ledger
    row("published (receipts)", found.published_messages, found.published_readings)
    row("delivered again", found.delivered_again or None, None, "dim")
    row(
        f"staged in S3, {counted(found.staged_batches, 'micro-batch')}", found.staged_messages, None
    )
    row("still queued", found.queued, None)
    row("dead-lettered", found.dead, None)
    table.add_section()
    row("read by Transform", ledger.messages, ledger.read)
    row("  loaded: new rows", None, ledger.inserted)
    row("  loaded: rows updated", None, ledger.updated or None)
    row("  duplicates within a micro-batch", None, ledger.duplicates)
    row("  duplicates of loaded rows", None, ledger.unchanged)
    row("  rejected", None, ledger.rejected)
    for reason, count in ledger.rejected_by.items():
        row(f"    {reason}", None, count, "dim")
    row("  set aside: messages of other kinds", None, ledger.set_aside or None)
    if ledger.quarantined:
        row("  held in quarantine", None, ledger.quarantined)
    if ledger.discarded:
        row("  discarded by a person", None, ledger.discarded)
    table.add_section()
    row("rows in tables of other contracts", None, ledger.elsewhere or None)
    row("rows in the table", None, found.rows, "bold")
    return table


def tell(found: Reconciliation) -> bool:
    """Print the account; whether it balances."""
    console.print(reconciliation_table(found))
    problems = found.problems()
    for problem in problems:
        console.print(f"[red]✗[/] {problem}")
    if not problems:
        console.print("[bold green]✓ balanced: every reading is accounted for, to the unit[/]")
    return not problems


@guard
def reconcile(
    context: typer.Context,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for what is under way.")
    ] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Account for every message and reading. Exits with 1 when it does not balance."""
    found = settle(target_of(context.obj), wait)
    if as_json:
        print_json(found.as_dict())
        balanced = not found.problems()
    else:
        balanced = tell(found)
    if not balanced:
        if found.under_way:
            notes.print("Something is still under way; try again, or with --wait 60.")
        raise typer.Exit(1)


@guard
def psql(
    context: typer.Context,
    command: Annotated[
        str | None, typer.Option("--command", "-c", help="Run this SQL and leave.")
    ] = None,
    role: Annotated[
        str, typer.Option("--as", help="Role: loader, or analyst, who only reads.")
    ] = "loader",
) -> None:
    """Open psql on the pipeline's database, as the loader or as the analyst."""
    from local.postgres import binary

    target = target_of(context.obj)
    if role not in get_args(DatabaseRole):
        raise typer.BadParameter(f"{role!r} is no role here; use loader or analyst.")
    settings = target.database_settings(role)  # type: ignore[arg-type]
    program = shutil.which("psql") or str(binary("psql"))
    if target.local is not None:
        # The laptop's psql comes from the wheel, which has no TLS; so it takes the plain port.
        database = target.local.database
        program = str(binary("psql"))
        settings |= {"port": str(database.port), "sslmode": "disable", "sslrootcert": ""}
    environment = os.environ | {
        "PGHOST": settings["host"],
        "PGPORT": settings["port"],
        "PGDATABASE": settings["dbname"],
        "PGSSLMODE": settings["sslmode"],
        "PGSSLROOTCERT": settings.get("sslrootcert", ""),
        "PGUSER": settings["user"],
        "PGPASSWORD": settings["password"],
    }
    arguments = [program, *(["--command", command] if command else [])]
    os.execve(program, arguments, environment)  # noqa: S606 - psql takes the terminal over


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(reconcile)
    app.command()(psql)
