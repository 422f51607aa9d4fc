"""``etl dlq``: messages that never became a micro-batch, and their way back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
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
    target_of,
)
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

app = typer.Typer(help="Messages that could not be staged, or not even reach the queue.")

SHOWN_CHARACTERS = 500
ABOUT = {
    DEAD_LETTERS: "could not be staged, after all their receives",
    RULE_ERRORS: "could not be delivered by the topic rule",
}
QueueOption = Annotated[str, typer.Option(help=f"{DEAD_LETTERS} or {RULE_ERRORS}.")]


def _one_of(queue: str) -> str:
    if queue not in QUEUES:
        raise typer.BadParameter(" or ".join(QUEUES), param_hint="--queue")
    return queue


@app.command("list")
@guard
def list_letters(
    context: typer.Context,
    look: Annotated[
        int,
        typer.Option(
            min=0,
            max=1000,
            help="Look at so many messages of each queue. Each is received once and given back.",
        ),
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Count the messages of both queues; with --look, show some. Counting receives nothing."""
    target = target_of(context.obj)
    depths = {queue: depth(target, queue) for queue in QUEUES}
    letters = {
        queue: peek(target, queue, look) if look and found.total else []
        for queue, found in depths.items()
    }
    if as_json:
        print_json({queue: _as_dict(found, letters[queue]) for queue, found in depths.items()})
        return
    table = Table()
    for heading in ("queue", "waiting", "being looked at", "messages that"):
        table.add_column(heading, justify="right" if heading.startswith(("w", "b")) else "left")
    for queue, found in depths.items():
        table.add_row(queue, f"{found.waiting:,}", f"{found.hidden:,}", ABOUT[queue])
    console.print(table)
    for queue, shown in letters.items():
        for letter in shown:
            console.print(_told(queue, letter), soft_wrap=True)
    if any(letters.values()):
        notes.print("Each was received once to be shown, and given back; no limit counts that.")


def _as_dict(found: QueueDepth, letters: list[DeadLetter]) -> dict[str, Any]:
    shown = [asdict(one) | {"payload": escape_text(one.payload)} for one in letters]
    return {"waiting": found.waiting, "hidden": found.hidden, "messages": shown}


def _told(queue: str, letter: DeadLetter) -> Text:
    text = Text(f"{queue}  {letter.message_id}\n", style="bold")
    members = {
        "sent": f"{letter.sent:%Y-%m-%d %H:%M:%S} UTC, received {letter.receives} times"
        if letter.sent
        else None,
        "device": letter.client_id,
        "topic": letter.topic,
        "why": letter.why,
        "payload": escape_text(letter.payload)[:SHOWN_CHARACTERS],
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
        typer.Option(min=1, max=MOST_A_SECOND, help="Messages a second; default: as SQS sees fit."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the messages back to the telemetry queue, all of them, and follow it to its end.

    Interrupted, a bulk move goes on in SQS; the same command follows it.
    """
    target = target_of(context.obj)
    if _one_of(queue) == RULE_ERRORS and rate is not None:
        raise fail("--rate is SQS's, for dead-letters; the rule's errors are sent one by one")
    found = depth(target, queue)
    held = counted(found.total, "message")
    notes.print(f"To the telemetry queue: {held} that {ABOUT[queue]}.", soft_wrap=True)
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
    shown = notes.is_terminal
    with Progress(*columns, console=notes, transient=True, disable=not shown) as progress:
        bar = progress.add_task("", total=found.total)
        for last in steps:
            progress.update(bar, completed=last.moved, total=last.to_move or None)
    _tell_end(last, as_json=as_json)


def _tell_end(last: MoveProgress, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(last))
    else:
        console.print(f"{counted(last.moved, 'message')} moved")
    if last.left:
        notes.print(f"{last.left:,} are not as IoT writes them and stay: `etl dlq list --look 10`.")
    if last.status != "COMPLETED":
        raise fail(f"the move ended as {last.status}: {last.failure or 'somebody stopped it'}")


def register(main: typer.Typer) -> None:
    """Add this module's commands."""
    main.add_typer(app, name="dlq")
