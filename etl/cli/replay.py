"""``etl replay`` and ``etl backfill``: batches through the workflow once more, from S3."""

from __future__ import annotations

from typing import Annotated

import typer

from etl.aws.target import Target
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
from etl.cli.rejects import FromOption, ToOption, progress_line
from etl.cli.rerun_options import (
    ConcurrencyOption,
    DryRunOption,
    YesOption,
    batch_as_dict,
    batch_table,
    confirm,
    print_executions,
    show_progress,
)
from etl.operations.batch_selection import BatchFilter, find_batches
from etl.operations.reruns import chunks, concurrency_of, rerun, tally
from etl.operations.time_range import TimeRange

__all__ = ["register"]


def _deployed(target: Target) -> str:
    outputs = target.outputs
    return f"contract '{outputs['ContractName']}' ({outputs['ContractDigest'][:12]})"


@guard
def replay(
    context: typer.Context,
    execution: Annotated[
        list[str] | None, typer.Option(help="All batches of this execution; repeatable.")
    ] = None,
    batch: Annotated[list[str] | None, typer.Option(help="This micro-batch; repeatable.")] = None,
    start: FromOption = None,
    end: ToOption = None,
    reason: Annotated[
        list[str] | None,
        typer.Option(help="Batches with rejects of this reason or kind of reason; repeatable."),
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(help="Batches with rejects of this device; repeatable.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed.")] = False,
    concurrency: ConcurrencyOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load batches again from S3, by the contract that is deployed now, and follow them.

    What this contract has loaded already is left as it is, and so is what was discarded. Under
    another contract a batch is loaded again: rows that are there stay or follow the contract's
    on_conflict, readings that were rejected and no longer are become rows. Given twice, it changes
    nothing the second time.
    """
    batch_filter = BatchFilter(
        executions=tuple(execution or ()),
        batches=tuple(batch or ()),
        time_range=TimeRange.of(start, end),
        reasons=tuple(reason or ()),
        devices=tuple(device or ()),
        failed=failed,
    )
    if batch_filter.is_empty:
        raise fail("say which: --execution, --batch, --from/--to, --reason, --device or --failed")
    target = target_of(context.obj)
    with progress_line("looking for batches"):
        chosen = list(find_batches(target, batch_filter))
    found = [one for one in chosen if one.status != "discarded"]
    if len(chosen) > len(found):
        left_out = counted(len(chosen) - len(found), "micro-batch")
        notes.print(f"Left out: {left_out}, discarded (`etl quarantine release` loads them).")
    at_once = f", {concurrency_of(target, concurrency)} at once" if found else ""
    notes.print(f"Replay by {_deployed(target)}: {tally(found)}{at_once}.", soft_wrap=True)
    if dry_run or not found:
        if as_json:
            print_json([batch_as_dict(one) for one in found])
        elif found:
            console.print(batch_table(found))
        return
    confirm("Load them again?", yes=yes)
    steps = (
        step
        for part in chunks(found)
        for step in rerun(target, part, "replay", kind="replay", concurrency=concurrency)
    )
    print_executions(show_progress(steps, len(found)), as_json=as_json)


@guard
def backfill(
    context: typer.Context,
    start: Annotated[
        str,
        typer.Option("--from", help="Staged at this time or later: ISO date or time, UTC."),
    ],
    end: Annotated[
        str,
        typer.Option("--to", help="Staged before this time (itself excluded): ISO, UTC."),
    ],
    piece: Annotated[int, typer.Option(min=1, max=10_000, help="Batches of one execution.")] = 1000,
    concurrency: ConcurrencyOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load all that was staged in a range of time again, by the contract that is deployed now.

    One execution after the other, so that --concurrency bounds what PostgreSQL sees. Interrupted
    (Ctrl-C, a crash, another machine), the same command follows what runs and goes on from there.
    """
    from etl.operations.backfill import Backfill

    target = target_of(context.obj)
    work = Backfill.of(target, TimeRange.of(start, end))
    with progress_line("looking for batches"):
        running = work.running()
        whole, left = work.tallies()
    notes.print(
        f"Backfill {work.id} of {work.time_range} by {_deployed(target)}: {whole}; "
        f"{whole.batches - left.batches:,} dealt with already, {left.batches:,} to go, "
        f"{piece:,} to an execution, {concurrency_of(target, concurrency)} at once.",
        soft_wrap=True,
    )
    if running:
        notes.print(f"{', '.join(running)} still runs and is followed first.", soft_wrap=True)
    if dry_run or not (left.batches or running):
        if as_json:
            told = {"id": work.id, "batches": whole.batches, "left": left.batches}
            print_json(told | {"running": running})
        return
    confirm("Load them again?", yes=yes)
    steps = work.run(piece, concurrency)
    print_executions(show_progress(steps, left.batches), as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(replay)
    app.command()(backfill)
