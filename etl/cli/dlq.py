"""``etl dlq``: list dead letters and redrive them to the telemetry queue."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from etl.aws.sqs import QueueDepth
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
from etl.cli.wait_line import log_lines, progress_bar, waiting
from etl.operations.dead_letters import (
    DEAD_LETTERS,
    QUEUES,
    RULE_ERRORS,
    DeadLetter,
    depth,
    peek,
)
from etl.operations.escaping import escape_text
from etl.operations.redrive import (
    MOST_A_SECOND,
    MoveProgress,
    redrive_dead_letters,
    resend_rule_errors,
)

__all__ = ["register"]

app = typer.Typer(help="Dead letters: messages that could not be staged or delivered.")

SHOWN_CHARACTERS = 500
ABOUT = {
    DEAD_LETTERS: "could not be staged in any of their receives",
    RULE_ERRORS: "the topic rule could not deliver",
}
QueueOption = Annotated[str, typer.Option(help=f"{DEAD_LETTERS} or {RULE_ERRORS}.")]


def _checked(queue: str) -> str:
    if queue not in QUEUES:
        raise typer.BadParameter(f"use {' or '.join(QUEUES)}", param_hint="--queue")
    return queue


@app.command("list")
@guard
def list_dead_letters(
    context: typer.Context,
    look: Annotated[
        int,
        typer.Option(
            min=0,
            max=1000,
            help="Show this many messages of each queue; each is received once and returned.",
        ),
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Count the messages of both queues; with --look, show some. Counting receives none."""
    target = target_of(context.obj)
    depths = {queue: depth(target, queue) for queue in QUEUES}
    with waiting("receiving messages, which are returned at once"):
        dead_letters = {
            queue: peek(target, queue, look) if look and found.total else []
            for queue, found in depths.items()
        }
    if as_json:
        print_json({queue: _as_dict(found, dead_letters[queue]) for queue, found in depths.items()})
        return
    table = Table()
    for heading in ("queue", "waiting", "hidden", "messages that"):
        table.add_column(heading, justify="right" if heading in ("waiting", "hidden") else "left")
    for queue, found in depths.items():
        table.add_row(queue, f"{found.waiting:,}", f"{found.hidden:,}", ABOUT[queue])
    print_table(table)
    for queue, shown in dead_letters.items():
        for dead_letter in shown:
            console.print(_lines_of(queue, dead_letter), soft_wrap=True)
    if any(dead_letters.values()):
        notes.print("Each message was received once and returned to its queue.")


def _as_dict(found: QueueDepth, dead_letters: list[DeadLetter]) -> dict[str, Any]:
    shown = [asdict(one) | {"payload": escape_text(one.payload)} for one in dead_letters]
    return {"waiting": found.waiting, "hidden": found.hidden, "messages": shown}


def _lines_of(queue: str, dead_letter: DeadLetter) -> Text:
    text = Text(f"{queue}  {dead_letter.message_id}\n", style="bold")
    receives = counted(dead_letter.receives, "time")
    sent = None
    if dead_letter.sent is not None:
        sent = f"{dead_letter.sent:%Y-%m-%d %H:%M:%S} UTC, received {receives}"
    members = {
        "sent": sent,
        "device": dead_letter.client_id,
        "topic": dead_letter.topic,
        "why": dead_letter.why,
        "payload": escape_text(dead_letter.payload)[:SHOWN_CHARACTERS],
    }
    for name, value in members.items():
        if value is not None:
            text.append(f"  {name:<9}", "not bold dim").append(
                f"{escape_text(value)}\n", "not bold"
            )
    return text


@app.command("redrive")
@guard
def redrive(
    context: typer.Context,
    queue: QueueOption = DEAD_LETTERS,
    rate: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_A_SECOND, help="Messages per second; default: chosen by SQS."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Move all messages of a queue back to the telemetry queue, and follow the redrive.

    After Ctrl-C the redrive of dead-letters keeps running in SQS; the same command follows it.
    """
    target = target_of(context.obj)
    if _checked(queue) == RULE_ERRORS and rate is not None:
        raise fail("--rate works only with --queue dead-letters.")
    found = depth(target, queue)
    number = counted(found.total, "message")
    notes.print(f"To move to the telemetry queue: {number} that {ABOUT[queue]}.", soft_wrap=True)
    if dry_run or not found.total:
        if as_json:
            print_json(
                {"moved": 0, "to_move": found.total, "left": found.total, "status": "NOTHING"}
            )
        return
    if not yes:
        typer.confirm("Move them?", abort=True, err=True)
    steps = (
        redrive_dead_letters(target, rate) if queue == DEAD_LETTERS else resend_rule_errors(target)
    )
    last = MoveProgress(0, found.total, "RUNNING")
    columns = (TextColumn("moving"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    until = "until the queue is empty" if queue == RULE_ERRORS else "Ctrl-C: SQS moves the rest"
    bar_of = progress_bar(*columns, until=until)
    with log_lines("moving messages", until) as log, bar_of as progress:
        bar = progress.add_task("", total=found.total)
        for last in steps:
            log(f"{last.moved:,} of {last.to_move:,} moved")
            progress.update(bar, completed=last.moved, total=last.to_move or None)
    _print_result(last, as_json=as_json)


def _print_result(last: MoveProgress, *, as_json: bool) -> None:
    if as_json:
        answer = asdict(last)
        if not last.of_removed:
            del answer["of_removed"]
        print_json(answer)
    else:
        console.print(f"{counted(last.moved, 'message')} moved")
    if last.of_removed:
        notes.print(
            f"Not moved: {counted(last.of_removed, 'message')} of contracts that the pipeline has "
            "no more. List the contract again, `etl deploy`, then the same command.",
            soft_wrap=True,
        )
    if strange := last.left - last.of_removed:
        notes.print(
            f"Not moved: {counted(strange, 'message')} not in the error format of AWS IoT "
            "(`etl dlq list --look 10` shows some).",
            soft_wrap=True,
        )
    if last.status != "COMPLETED":
        raise fail(f"The redrive ended as {last.status}: {last.failure or 'it was cancelled'}")


def register(main: typer.Typer) -> None:
    """Add this module's commands."""
    main.add_typer(app, name="dlq")
