"""``etl devices``: erase the data of one device, and list what was erased."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from etl.cli.context import (
    JsonOption,
    console,
    counted,
    fail,
    guard,
    notes,
    print_json,
    print_table,
    target_of,
)
from etl.cli.rerun_options import DryRunOption, YesOption, confirm
from etl.cli.wait_line import waiting
from etl.operations.erasure import (
    ErasurePlan,
    erase_device,
    erasure_records,
    mixed_sentence,
    plan_erasure,
)
from etl.operations.escaping import escape_text

__all__ = ["register"]

app = typer.Typer(help="The data of single devices, for privacy requests.", no_args_is_help=True)
UNTIL = "safe to interrupt: run the same command again"
SHOWN_OBJECTS = 5


@app.command("forget")
@guard
def forget(
    context: typer.Context,
    device: Annotated[str, typer.Argument(help="The device, as the table's key column names it.")],
    whole_messages: Annotated[
        bool,
        typer.Option(
            "--whole-messages",
            help="Also remove messages with readings of other devices that can't be shortened.",
        ),
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete one device's data for good: rows, objects in S3, rejects, conflicts, dead letters.

    Shows what it finds, and asks. Revoke the device's certificate before, or it sends more. An
    interrupted run is finished by the same command. Replay and backfill don't bring it back.
    """
    target = target_of(context.obj)
    with waiting(f"searching for {escape_text(device)}") as say:
        plan = plan_erasure(target, device, lambda _, done, of: say(f"{done:,} of {of:,} objects"))
    _print_plan(plan)
    if plan.unfinished is None and plan.mixed and not whole_messages and not dry_run:
        raise fail(mixed_sentence(plan))
    if dry_run or plan.nothing:
        if as_json:
            print_json(plan.as_dict())
        _check_readable(plan)
        return
    confirm("Delete all of it? It can't be restored.", yes=yes)
    with waiting(f"erasing {escape_text(device)}", UNTIL) as say:
        record = erase_device(
            target,
            plan,
            whole=whole_messages,
            notify=lambda doing, done, of: say(f"{doing}: {done:,} of {of:,}"),
        )
    if as_json:
        print_json(asdict(record))
    else:
        console.print(
            f"[green]✓[/] {counted(record.rows, 'row')} deleted, "
            f"{counted(record.readings, 'reading')} of {counted(record.messages, 'message')} "
            f"removed from S3, {counted(record.conflicts, 'conflict')} and "
            f"{counted(record.dead_letters, 'dead-letter message')} deleted: "
            f"request {record.request}",
            soft_wrap=True,
        )
    _check_readable(plan)


def _print_plan(plan: ErasurePlan) -> None:
    """Prints what was found to standard error: the result alone can be piped."""
    found = plan.as_dict()
    if plan.nothing:
        notes.print(Text(f"{escape_text(plan.device)} is nowhere in the pipeline."))
        return
    if plan.unfinished is not None:
        notes.print(f"Request {plan.unfinished.request} was interrupted: it is finished now.")
    readings = counted(found["readings"], "reading")
    lines = [
        f"{counted(plan.rows, 'row')} in the {'tables' if plan.contracts else 'table'}",
        f"{readings} ({found['rejects']:,} of them rejected) of "
        f"{counted(found['messages'], 'message')}, in {counted(found['objects'], 'raw object')} "
        f"of {found['bytes']:,} bytes to rewrite, with what was made of them",
        counted(plan.conflicts, "conflict"),
    ]
    if plan.dead_letters:
        lines.append(f"{counted(plan.dead_letters, 'dead-letter message')} to search")
    notes.print(Text(f"{escape_text(plan.device)}:", style="bold"))
    lines += [
        f"{name}: {counted(part.rows, 'row')}, {counted(part.readings, 'reading')} in "
        f"{counted(part.objects, 'raw object')}, {counted(part.conflicts, 'conflict')}"
        for name, part in plan.contracts.items()
    ]
    lines += [f"{name}: its key names no device" for name in plan.without_device]
    for line in lines:
        notes.print(Text(f"  {line}"), soft_wrap=True)
    if plan.mixed:
        notes.print(
            Text(
                f"  {counted(plan.mixed, 'message')} that can only be removed as a whole "
                f"(--whole-messages), with {counted(found['others'], 'reading')} of other devices",
                style="yellow",
            ),
            soft_wrap=True,
        )


def _check_readable(plan: ErasurePlan) -> None:
    """Ends the command with 1 where objects could not be searched."""
    if plan.unknown:
        shown = ", ".join(escape_text(key) for key in plan.unknown[:SHOWN_OBJECTS])
        notes.print(
            f"[bold red]error[/] {counted(len(plan.unknown), 'raw object')} of contracts that the "
            f"pipeline has no more may hold the device's readings: {escape(shown)}. Add the "
            "contract again, then run the command again, or delete the object.",
            soft_wrap=True,
        )
        if not plan.unreadable:
            raise typer.Exit(1)
    if plan.unreadable:
        shown = ", ".join(escape_text(key) for key in plan.unreadable[:SHOWN_OBJECTS])
        raise fail(
            f"{counted(len(plan.unreadable), 'raw object')} can't be read, and may hold the "
            f"device's readings: {shown}. Restore an older version, then run the command again, "
            "or delete the object."
        )


@app.command("erasures")
@guard
def list_erasures(
    context: typer.Context,
    device: Annotated[
        str | None, typer.Option("--device", help="Only those of this device.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the requests. They hold no names of devices; --device finds those of one."""
    found = [
        one
        for one in erasure_records(target_of(context.obj))
        if device is None or one.is_of(device)
    ]
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        console.print("no erasures")
        return
    table = Table()
    for heading in ("request", "requested", "finished"):
        table.add_column(heading)
    for heading in ("readings", "rows", "batches"):
        table.add_column(heading, justify="right")
    for one in found:
        numbers = (f"{n:,}" for n in (one.readings, one.rows, len(one.batches)))
        table.add_row(one.request, one.requested_at, one.finished_at or "unfinished", *numbers)
    print_table(table)


def register(main: typer.Typer) -> None:
    """Add this module's commands."""
    main.add_typer(app, name="devices")
