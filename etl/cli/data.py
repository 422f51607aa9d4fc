"""``etl reconcile`` and ``etl psql``: check and query what arrived."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Annotated, Any, get_args

import typer
from rich.table import Table
from rich.text import Text

from etl.aws.target import DatabaseRole, Target
from etl.cli.context import (
    JsonOption,
    console,
    counted,
    guard,
    notes,
    print_json,
    print_table,
    target_of,
)
from etl.cli.wait_line import waiting
from etl.operations.deep_check import DeepCheck, check_values
from etl.operations.escaping import escape_text
from etl.operations.reconciliation import Reconciliation, reconcile
from etl.operations.verdict import Verdict


def reconciliation_table(found: Reconciliation) -> Table:
    """The counts of messages and readings, from publishing to the table."""
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
    if found.receipts:
        row("of other publishers, without a receipt", found.without_receipt or None, None, "dim")
    row("delivered more than once", found.messages.repeated or None, None, "dim")
    row(
        f"staged in S3, {counted(found.staged_batches, 'micro-batch')}", found.staged_messages, None
    )
    row("still queued", found.queued, None)
    row("in the dead-letter queue", found.dead, None)
    row("in the topic rule's error queue", found.rule_errors or None, None)
    row("in raw objects that can't be read", *_unreadable(found))
    table.add_section()
    row("read by Transform", ledger.messages, ledger.read)
    row("  loaded: new rows", None, ledger.inserted)
    row("  loaded: rows updated", None, ledger.updated or None)
    row("  duplicates within a micro-batch", None, ledger.duplicates)
    row("  duplicates of loaded rows", None, ledger.unchanged)
    row("  conflicts, kept beside the rows", None, ledger.conflicts + ledger.conflicts_in_table)
    row("  rejected", None, ledger.rejected)
    for reason, count in ledger.rejected_by.items():
        row(f"    {reason}", None, count, "dim")
    row("  set aside: other kinds of messages", None, ledger.set_aside or None)
    row("  forgotten: removed for good", None, ledger.forgotten or None)
    if ledger.quarantined:
        row("  held in quarantine", None, ledger.quarantined)
    if ledger.discarded:
        row("  discarded by an operator", None, ledger.discarded)
    table.add_section()
    row("rows in tables of other contracts", None, ledger.elsewhere or None)
    row("rows of forgotten readings, deleted", None, ledger.rows_forgotten or None)
    row("rows dropped by retention", None, ledger.dropped or None)
    tables = "tables" if found.contracts else "table"
    row(f"rows in the {tables}", None, found.rows, "bold")
    return table


def contracts_table(found: Reconciliation) -> Table:
    """The counts of each contract of a pipeline that has several, from publishing to its table."""
    table = Table(title="By contract", title_justify="left")
    table.add_column("contract")
    headings = ("published", "staged", "read", "inserted", "rejected", "dropped", "rows")
    for heading in headings:
        table.add_column(heading, justify="right")
    for one in found.contracts:
        ledger = one.ledger
        numbers = (
            sum(receipt.messages for receipt in found.receipts_of(one)),
            found.staged_of(one).messages,
            ledger.read,
            ledger.inserted + ledger.inserted_before,
            ledger.rejected,
            ledger.dropped + ledger.rows_forgotten,
            one.rows,
        )
        table.add_row(one.name, *(f"{number:,}" for number in numbers))
    table.caption = "published and staged are messages, the others readings and rows"
    table.caption_justify = "left"
    return table


def _unreadable(found: Reconciliation) -> tuple[int | None, int | None]:
    """Messages that can't be read, and their readings where the receipts know them."""
    messages = found.messages
    if not messages.unreadable_messages:
        return None, None
    known = messages.missing == messages.unreadable_messages
    return messages.unreadable_messages, messages.missing_readings if known else None


MARKS = {"balanced": "[bold green]✓", "under way": "[bold yellow]…", "not balanced": "[bold red]✗"}


def print_verdict(verdict: Verdict) -> None:
    """Print the verdict: its headline, the reasons with what repairs them, and the notes."""
    console.print(f"{MARKS[verdict.status]} {verdict.headline}[/]")
    for reason in verdict.reasons:
        style = "yellow" if reason.status == "under way" else "red"
        console.print(Text(f"  {escape_text(reason.sentence)}", style=style), soft_wrap=True)
        if reason.command:
            console.print(Text(f"    {reason.command}", style="bold"), soft_wrap=True)
    for note in verdict.notes:
        console.print(Text(f"  note: {note}", style="dim"), soft_wrap=True)


def print_reconciliation(found: Reconciliation) -> bool:
    """Print the reconciliation; returns whether it balances."""
    console.print(reconciliation_table(found))
    if found.contracts:
        print_table(contracts_table(found))
    print_verdict(found.verdict)
    return found.verdict.status == "balanced"


@guard
def show_reconciliation(
    context: typer.Context,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for batches in progress.")
    ] = 0.0,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Also compare the values in the table with the clean zone."),
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="With --deep: compare so many batches, chosen at random."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Reconcile every message and reading. Exits with 1 when they do not balance.

    Messages and batches are matched one by one, the table's rows are only counted: a row that was
    deleted and one that was inserted by hand cancel each other out. With --deep each row must also
    equal a reading in the clean zone: that finds missing rows, values that were changed in the
    table, and columns that were dropped and added again.
    """
    if sample is not None and not deep:
        raise typer.BadParameter("it belongs to --deep", param_hint="--sample")
    target = target_of(context.obj)
    until = f"until nothing is under way, {wait:.0f} s at most" if wait else ""
    with waiting("counting messages, batches, ledger and rows", until) as say:
        found = reconcile(target, wait, say_reason(say))
    values = _checked_values(target, sample) if deep else {}
    balanced = found.verdict.status == "balanced"
    if as_json:
        print_json(found.as_dict() | _deep_as_dict(values))
    else:
        print_reconciliation(found)
        for name, checked in values.items():
            print_values(checked, name if len(values) > 1 else "")
    if balanced and not all(checked.holds for checked in values.values()):
        raise typer.Exit(1)
    if not balanced:
        if found.in_progress:
            notes.print("Batches are still in progress: try again, or wait with --wait 60.")
        raise typer.Exit(1)


def say_reason(say: Callable[[str], None]) -> Callable[[Reconciliation], None]:
    """Shows the first reason why a reconciliation is still under way."""
    return lambda found: say(
        next((r.sentence for r in found.verdict.reasons if r.status == "under way"), "")
    )


def _checked_values(target: Target, sample: int | None) -> dict[str, DeepCheck]:
    """The deep check of each contract, by its name."""
    with waiting("comparing values") as show_progress:

        def notify(done: int, of: int) -> None:
            show_progress(f"{done:,} of {counted(of, 'batch')}")

        return {one.name: check_values(target, sample, notify, one) for one in target.contracts}


def _deep_as_dict(values: dict[str, DeepCheck]) -> dict[str, Any]:
    """The deep check for ``--json``; that of several contracts by their names."""
    found = {name: checked.as_dict() for name, checked in values.items()}
    if not found:
        return {}
    return {"deep": found if len(found) > 1 else next(iter(found.values()))}


def print_values(found: DeepCheck, contract: str = "") -> None:
    """Print the result of a deep check, and the command that repairs what it found.

    ``contract``: its name, in a pipeline of several.
    """
    whose = f"{contract}: " if contract else ""
    checked = f"{whose}{counted(found.rows, 'reading')} of {counted(found.batches, 'batch')}"
    of = f" (of {found.of_batches:,})" if found.batches != found.of_batches else ""
    if found.holds:
        what = "a value of such a reading" if found.policy == "fill_missing" else "such a reading"
        console.print(f"[bold green]✓[/] {checked}{of}: each row is {what}")
    else:
        console.print(f"[bold red]✗[/] {checked}{of}: the table differs from the clean zone")
    sentences = [f"the table has no column {name}" for name in found.absent_columns]
    if found.missing:
        sentences.append(f"{counted(found.missing, 'row')} missing")
    if found.different:
        sentences.append(f"{counted(found.different, 'row')} with other values")
    for name, (rows, empty) in found.columns.items():
        said = f", {empty:,} of them without a value" if empty else ""
        sentences.append(f"  {name}: {counted(rows, 'row')}{said}")
    sentences += [f"such as {key}" for key in found.keys]
    for sentence in sentences:
        console.print(Text(f"  {escape_text(sentence)}", style="red"), soft_wrap=True)
    if found.command:
        console.print(Text(f"    {found.command}", style="bold"), soft_wrap=True)
    if found.dropped:
        said = f"  note: {counted(found.dropped, 'row')} dropped by retention, not compared"
        console.print(Text(said, style="dim"), soft_wrap=True)
    for reason, batches in found.skipped.items():
        said = f"  note: {counted(batches, 'batch')} not compared: {reason}"
        console.print(Text(said, style="dim"), soft_wrap=True)


@guard
def psql(
    context: typer.Context,
    flags: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FLAGS OF PSQL]", help="Such as -c 'SELECT 1', --csv or -At."),
    ] = None,
    role: Annotated[
        str, typer.Option("--as", help="Role: loader, or analyst (read-only).")
    ] = "loader",
) -> None:
    """Open psql on the pipeline's database, with the role loader or analyst.

    All other flags are psql's: -c runs one statement and exits, --csv and -At print for scripts.
    """
    from local.postgres import binary

    target = target_of(context.obj, "emulator", "postgres")
    if role not in get_args(DatabaseRole):
        raise typer.BadParameter(f"{role!r} is not a role: use loader or analyst.")
    settings = target.database_settings(role)  # type: ignore[arg-type]
    program = shutil.which("psql") or str(binary("psql"))
    if target.local is not None:
        # The local psql comes from a wheel that is built without TLS, so it uses the plain port.
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
    os.execve(program, [program, *(flags or ())], environment)  # noqa: S606 - psql takes over the terminal


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("reconcile")(show_reconciliation)
    # Unknown to us, known to psql.
    app.command(context_settings={"ignore_unknown_options": True})(psql)
