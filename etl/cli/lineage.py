"""``etl lineage``: OpenLineage events of the batches that were loaded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape

from etl.cli.context import counted, guard, notes, target_of
from etl.cli.wait_line import waiting

__all__ = ["register"]


@guard
def lineage(
    context: typer.Context,
    to: Annotated[
        str,
        typer.Argument(
            metavar="FILE|URL",
            help="File of one event a line, - for standard output, or the address that a lineage "
            "server takes events at, such as http://127.0.0.1:5000/api/v1/lineage.",
        ),
    ],
    since: Annotated[
        str, typer.Option(help="Settled at this time or later: 6h, 2d or an ISO time (UTC).")
    ] = "",
    until: Annotated[
        str, typer.Option(help="Settled before this time: 6h, 2d or an ISO time (UTC).")
    ] = "",
    namespace: Annotated[
        str | None, typer.Option(help="Namespace of the jobs; default: the name of the stack.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
) -> None:
    """Emit OpenLineage events of the micro-batches in the ledger: raw objects in, table out.

    Each batch has two: START, and COMPLETE, FAIL (in quarantine) or ABORT (discarded). Safe to run
    again, also over the same time: a batch keeps the id of its run. OPENLINEAGE_API_KEY is sent to
    the server as a bearer token.
    """
    from etl.operations.lineage import LineageSource, lineage_events, read_ledger
    from etl.operations.lineage_delivery import is_address, place_name, post_events, write_events
    from etl.operations.time_range import TimeRange

    times = TimeRange.since(since, until, datetime.now(UTC))
    target = target_of(context.obj, "emulator", "postgres")
    source = LineageSource.of(target, namespace)
    rows = read_ledger(target, tuple(source.contracts), times)
    events = (event for row in rows for event in lineage_events(source, row))
    with waiting("emitting events"):
        if is_address(to):
            number = post_events(events, to)
        else:
            number = write_events(events, to, overwrite=overwrite)
    text = f"{counted(number, 'event')} of {counted(number // 2, 'batch')}: {place_name(to)}"
    notes.print(f"[green]✓[/] {escape(text)}", soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(lineage)
