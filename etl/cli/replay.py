"""``etl replay`` and ``etl backfill``: load staged batches again from S3."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from etl.aws.contract_objects import further_names
from etl.aws.target import Target
from etl.cli.completion import complete_execution, complete_reason
from etl.cli.context import (
    JsonOption,
    counted,
    fail,
    guard,
    notes,
    print_json,
    print_table,
    target_of,
)
from etl.cli.contract_option import ContractOption
from etl.cli.rejects import BatchOption, FromOption, ToOption
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
from etl.cli.wait_line import waiting
from etl.operations.batch_selection import BatchFilter, find_batches
from etl.operations.batches import Batch
from etl.operations.conflicts import conflicting_batches
from etl.operations.contract_choice import key_names
from etl.operations.replaying import load_again, loadable
from etl.operations.reruns import chunks, concurrency_of, tally
from etl.operations.time_range import TimeRange

__all__ = ["register"]

RepairOption = Annotated[
    bool,
    typer.Option(
        "--repair",
        help="Also load again what is loaded: the table has lost rows or values, as "
        "`etl reconcile` says.",
    ),
]


def _deployed(target: Target) -> str:
    if further_names(target.outputs):
        named = (f"'{one.name}' ({one.digest[:12]})" for one in target.contracts)
        return f"contracts {', '.join(named)}"
    outputs = target.outputs
    return f"contract '{outputs['ContractName']}' ({outputs['ContractDigest'][:12]})"


def _note_skipped(target: Target, batches: list[Batch]) -> None:
    """Say which of the chosen batches are not loaded again, and what loads them."""
    discarded = [one for one in batches if one.status == "discarded"]
    if discarded:
        skipped = counted(len(discarded), "discarded micro-batch")
        notes.print(f"Skipped: {skipped} (`etl quarantine release` loads them).")
    loaded = [one.raw.contract for one in batches if one.status != "discarded"]
    names = {name for name in loaded if name is not None}
    if names:
        skipped = counted(sum(name is not None for name in loaded), "loaded micro-batch")
        notes.print(
            f"Skipped: {skipped} of contracts that the pipeline has no more "
            f"({', '.join(sorted(names))}). List the contract again, `etl deploy`, then replay.",
            soft_wrap=True,
        )
    if None in loaded:
        skipped = counted(loaded.count(None), "micro-batch")
        notes.print(
            f"Skipped: {skipped} that another contract loaded when it was the first one: "
            f"{target.contract.name} would read them now.",
            soft_wrap=True,
        )


@guard
def replay(
    context: typer.Context,
    execution: Annotated[
        list[str] | None,
        typer.Option(
            help="All batches of this execution; repeatable.", autocompletion=complete_execution
        ),
    ] = None,
    batch: BatchOption = None,
    start: FromOption = None,
    end: ToOption = None,
    reason: Annotated[
        list[str] | None,
        typer.Option(
            help="Batches with rejects of this reason or kind of reason; repeatable.",
            autocompletion=complete_reason,
        ),
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(help="Batches with rejects of this device; repeatable.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only batches that failed.")] = False,
    contract: ContractOption = None,
    conflicts: Annotated[
        bool,
        typer.Option(
            "--conflicts", help="All batches with a part in a conflict with the table; alone."
        ),
    ] = False,
    repair: RepairOption = False,
    concurrency: ConcurrencyOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load batches again from S3 with the contract that is deployed now, and follow them.

    Batches that this contract has loaded already are skipped, and so are discarded ones. With a
    new contract a batch is loaded again: existing rows are kept or updated by its on_conflict, and
    readings that are no longer rejected become rows. With --repair no loaded batch is skipped, so
    that rows which the table has lost are inserted again. Safe to run again.
    """
    batch_filter = BatchFilter(
        executions=tuple(execution or ()),
        batches=tuple(batch or ()),
        time_range=TimeRange.of(start, end),
        reasons=tuple(reason or ()),
        devices=tuple(device or ()),
        failed=failed,
    )
    if batch_filter.is_empty is not conflicts:
        raise fail(
            "Select batches: --execution, --batch, --from/--to, --reason, --device or --failed; or "
            "only --conflicts."
        )
    target = target_of(context.obj)
    batch_filter = replace(batch_filter, contracts=key_names(target, contract))
    with waiting("searching for batches"):
        if conflicts:
            chosen = conflicting_batches(target, contract)
        else:
            chosen = [*find_batches(target, batch_filter)]
    found = list(loadable(target, chosen))
    kept = {one.key for one in found}
    _note_skipped(target, [one for one in chosen if one.key not in kept])
    parallel = f", {concurrency_of(target, concurrency)} in parallel" if found else ""
    kind = "Repair" if repair else "Replay"
    notes.print(f"{kind} with {_deployed(target)}: {tally(found)}{parallel}.", soft_wrap=True)
    if dry_run or not found:
        if as_json:
            print_json([batch_as_dict(one) for one in found])
        elif found:
            print_table(batch_table(found))
        return
    confirm("Load them again?", yes=yes)
    steps = (
        step
        for part in chunks(found)
        for step in load_again(
            target, part, kind=kind.lower(), repair=repair, concurrency=concurrency
        )
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
        typer.Option("--to", help="Staged before this time: ISO date or time, UTC."),
    ],
    piece: Annotated[int, typer.Option(min=1, max=10_000, help="Batches per execution.")] = 1000,
    repair: RepairOption = False,
    contract: ContractOption = None,
    concurrency: ConcurrencyOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load all batches of a time range again, with the contract that is deployed now.

    Executions run one after the other, so that --concurrency limits the load on PostgreSQL. After
    an interruption (Ctrl-C, a crash, another machine) the same command continues.
    """
    from etl.operations.backfill import Backfill

    target = target_of(context.obj)
    work = Backfill.of(target, TimeRange.of(start, end), repair=repair, contract=contract)
    with waiting("searching for batches"):
        running = work.running()
        whole, left = work.tallies()
    kind = "Repair" if repair else "Backfill"
    notes.print(
        f"{kind} {work.id} of {work.time_range} with {_deployed(target)}: {whole}; "
        f"{whole.batches - left.batches:,} done, {left.batches:,} left; up to {piece:,} per "
        f"execution, {concurrency_of(target, concurrency)} in parallel.",
        soft_wrap=True,
    )
    if running:
        are = "is" if len(running) == 1 else "are"
        notes.print(f"{', '.join(running)} {are} still running: followed first.", soft_wrap=True)
    if dry_run or not (left.batches or running):
        if as_json:
            summary = {"id": work.id, "batches": whole.batches, "left": left.batches}
            print_json(summary | {"running": running})
        return
    confirm("Load them again?", yes=yes)
    steps = work.run(piece, concurrency)
    print_executions(show_progress(steps, left.batches), as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(replay)
    app.command()(backfill)
