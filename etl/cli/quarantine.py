"""``etl quarantine``: list, show, release and discard batches in quarantine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from etl.aws.target import Target
from etl.cli.completion import complete_batch
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
from etl.cli.contract_option import ContractOption
from etl.cli.rejects import FromOption, ToOption
from etl.cli.rerun_options import (
    TIME_WIDTH,
    ConcurrencyOption,
    DryRunOption,
    YesOption,
    batch_as_dict,
    confirm,
    print_executions,
    show_progress,
)
from etl.cli.wait_line import waiting
from etl.operations.batch_selection import BatchFilter, find_batches
from etl.operations.contract_choice import has_several, key_names, name_of
from etl.operations.escaping import escape_text
from etl.operations.quarantine import (
    QuarantinedBatch,
    judged_report,
    quarantined_batches,
    report_page,
    with_reports,
)
from etl.operations.reruns import chunks, rerun, tally
from etl.operations.time_range import TimeRange
from telemetry.manifest import Purpose

__all__ = ["register"]

app = typer.Typer(help="Batches that the contract's checks put into quarantine.")

BatchesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        help="Ids of micro-batches.",
        autocompletion=complete_batch,
    ),
]
AllOption = Annotated[
    bool, typer.Option("--all", help="All batches in quarantine, or those of --from and --to.")
]


@app.command("list")
@guard
def list_quarantined(
    context: typer.Context,
    start: FromOption = None,
    end: ToOption = None,
    contract: ContractOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the batches in quarantine. Reads only S3, not the database."""
    target = target_of(context.obj)
    with waiting("searching for batches in quarantine"):
        found = _of_contract(
            target, quarantined_batches(target, TimeRange.of(start, end)), contract
        )
    if as_json:
        print_json([_as_dict(one) for one in found])
        return
    if not found:
        console.print("no batches in quarantine")
        return
    table = Table()
    further = has_several(target) or any(one.batch.raw.contract is not None for one in found)
    if further:
        table.add_column("contract")
    table.add_column("batch")
    table.add_column("staged (UTC)", min_width=TIME_WIDTH)
    table.add_column("rows", justify="right")
    table.add_column("why")
    for one in found:
        named = [name_of(target.contracts, one.batch.raw)] if further else []
        table.add_row(
            *named,
            Text(escape_text(one.batch.raw.batch_id)),
            f"{one.batch.staged_at:%Y-%m-%d %H:%M:%S}",
            "" if one.accepted is None else f"{one.accepted:,}",
            Text(escape_text(" ".join(one.why)) or "(no report)"),
        )
    print_table(table)


def _of_contract(
    target: Target, found: Iterable[QuarantinedBatch], contract: str | None
) -> list[QuarantinedBatch]:
    """The batches of the named contract; without a name, all."""
    names = key_names(target, contract)
    return [one for one in found if not names or one.batch.raw.contract in names]


def _as_dict(one: QuarantinedBatch) -> dict[str, Any]:
    return batch_as_dict(one.batch) | {"accepted": one.accepted, "why": one.why}


@app.command("show")
@guard
def show(
    context: typer.Context,
    batch: Annotated[
        str,
        typer.Argument(
            help="Id of a micro-batch.",
            autocompletion=complete_batch,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Show what the checks found in a batch, and its history."""
    target = target_of(context.obj)
    (found,) = find_batches(target, BatchFilter(batches=(batch,)))
    if as_json:
        print_json(batch_as_dict(found) | {"report": judged_report(target, found)})
        return
    page = report_page(target, found) or f"# Batch {batch}: not checked yet\n"
    for line in page.splitlines():
        console.print(Text(escape_text(line)), soft_wrap=True)
    staged = f"{found.staged_at:%Y-%m-%d %H:%M:%S} UTC"
    console.print(f"\nStaged {staged} as {escape_text(found.key)}", soft_wrap=True)
    for outcome in found.outcomes:
        console.print(Text(f"{outcome.status} by {escape_text(outcome.execution)}"), soft_wrap=True)


@app.command("release")
@guard
def release(
    context: typer.Context,
    batches: BatchesArgument = None,
    everything: AllOption = False,
    start: FromOption = None,
    end: ToOption = None,
    contract: ContractOption = None,
    concurrency: ConcurrencyOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load batches in spite of the failed checks. Also loads discarded batches."""
    target = target_of(context.obj)
    chosen = _chosen(
        target, batches, everything, TimeRange.of(start, end), ("quarantined", "discarded")
    )
    chosen = _of_contract(target, chosen, contract)
    _decide(target, chosen, "release", concurrency, dry_run=dry_run, yes=yes, as_json=as_json)


@app.command("discard")
@guard
def discard(
    context: typer.Context,
    batches: BatchesArgument = None,
    everything: AllOption = False,
    start: FromOption = None,
    end: ToOption = None,
    contract: ContractOption = None,
    concurrency: ConcurrencyOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Discard batches that are in quarantine or failed permanently: they are not loaded.

    They stay in S3, and `release` loads them after all where they can be read. For a batch that
    can't be read, each message counts as rejected.
    """
    target = target_of(context.obj)
    chosen = _chosen(
        target, batches, everything, TimeRange.of(start, end), ("quarantined", "failed")
    )
    chosen = _of_contract(target, chosen, contract)
    _decide(target, chosen, "discard", concurrency, dry_run=dry_run, yes=yes, as_json=as_json)


def _chosen(
    target: Target,
    batches: list[str] | None,
    everything: bool,
    time_range: TimeRange,
    statuses: tuple[str, ...],
) -> list[QuarantinedBatch]:
    if bool(batches) == everything:
        raise fail("Give the ids of batches (`etl quarantine list` shows them), or --all.")
    with waiting("searching for the batches"):
        if everything:
            return list(quarantined_batches(target, time_range))
        batch_filter = BatchFilter(batches=tuple(batches or ()))
        found = list(with_reports(target, find_batches(target, batch_filter)))
    for one in found:
        if one.batch.status not in statuses:
            batch_id = escape_text(one.batch.raw.batch_id)
            notes.print(f"{batch_id} is {one.batch.status}: skipped.", soft_wrap=True)
    return [one for one in found if one.batch.status in statuses]


def _decide(
    target: Target,
    chosen: list[QuarantinedBatch],
    purpose: Purpose,
    concurrency: int | None,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Show the batches, ask for confirmation, and run them through the workflow."""
    found = [one.batch for one in chosen]
    rows = sum(one.accepted or 0 for one in chosen)
    summaries = {
        "release": f"Release {tally(found)}: up to {counted(rows, 'row')} to load.",
        "discard": f"Discard {tally(found)}: no rows to load.",
    }
    notes.print(summaries[purpose] if found else "There is nothing to do.", soft_wrap=True)
    if dry_run or not found:
        if as_json:
            print_json([_as_dict(one) for one in chosen])
        return
    confirm(f"{purpose.title()} them?", yes=yes)
    steps = (
        step
        for part in chunks(found)
        for step in rerun(target, part, purpose, kind=purpose, concurrency=concurrency)
    )
    print_executions(show_progress(steps, len(found)), as_json=as_json)


def register(main: typer.Typer) -> None:
    """Add this module's commands."""
    main.add_typer(app, name="quarantine")
