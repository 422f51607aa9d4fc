"""``etl game-day``: provoke a failure on a laptop stack of its own, repair it, count everything."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from etl.cli.context import JsonOption, console, counted, fail, guard, notes, print_json
from etl.cli.deploy_options import print_phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.rehearsals.model import Expected, Rehearsal, Step
    from etl.rehearsals.scene import Scene

__all__ = ["register"]

FOLDER = "game-day"
app = typer.Typer(
    help="Rehearse being on call: provoke a failure, repair it, account for each reading.",
    no_args_is_help=True,
)


def state_of(context: typer.Context) -> Path:
    """The state folder of the game day's stack. Ends the command for a stack in AWS."""
    if context.obj.on_aws:
        raise fail(
            "A game day breaks things on purpose, so it is for this machine alone: leave out "
            "--profile and --region."
        )
    state: Path = context.obj.state / FOLDER
    return state.absolute()


@app.command("list")
@guard
def list_rehearsals(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the failures that can be rehearsed."""
    from etl.rehearsals.registry import REHEARSALS

    state_of(context)
    if as_json:
        print_json({name: one.sentence for name, one in REHEARSALS.items()})
        return
    width = max(map(len, REHEARSALS))
    for name, one in REHEARSALS.items():
        console.print(Text(f"{name:{width}}  {one.sentence}"), soft_wrap=True)


@app.command("run")
@guard
def run(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Failure to rehearse, see `etl game-day list`.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Run the repair too, instead of waiting for yours.")
    ] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop the stack with this command, however it ends.")
    ] = False,
) -> None:
    """Provoke a failure, show it, wait until it is repaired, and account for each reading.

    The stack is one of its own, in the folder game-day of the state folder, and keeps running for
    the next rehearsal; yours notices nothing. Ctrl-C undoes the fault. Exits with 1 where a
    reading is missing at the end.
    """
    from etl.rehearsals import running
    from etl.rehearsals.registry import REHEARSALS
    from etl.rehearsals.scene import Scene

    state = state_of(context)
    if name not in REHEARSALS:
        raise fail(f"There is no rehearsal {name!r}: one of {', '.join(REHEARSALS)}.")
    rehearsal = REHEARSALS[name]()
    unavailable = rehearsal.unavailable()
    if unavailable:
        raise fail(f"{name} can't be rehearsed here: {unavailable}")
    with running.alone(state):
        _run(Scene(state, notify=print_phase), rehearsal, repair=repair, stop=stop)


def _run(scene: Scene, rehearsal: Rehearsal, *, repair: bool, stop: bool) -> None:
    from etl.rehearsals import running

    _heading("Start")
    running.start(scene, die_with_parent=stop)
    before = running.account_before(scene)
    _heading(f"Provoke: {rehearsal.sentence}")
    running.note_fault(scene, rehearsal)
    try:
        expected = rehearsal.provoke(scene)
        rehearsal.await_symptom(scene)
        _rehearse(scene, rehearsal, repair=repair)
    finally:
        running.undo_fault(scene, rehearsal)
    _heading("Is anything lost?")
    running.account_after(scene, before, expected)
    _give(scene.etl("reconcile"))
    _print_end(expected)


def _rehearse(scene: Scene, rehearsal: Rehearsal, *, repair: bool) -> None:
    _heading("What one sees")
    for look in rehearsal.looks(scene):
        _give(look)
    _heading("What to do")
    console.print(Text(rehearsal.advice), soft_wrap=True)
    steps = rehearsal.repairs(scene)
    if repair:
        _give_all(steps)
        return
    console.print("In another terminal:")
    console.print(Text(f"  export ETL_STATE='{scene.state}'", style="bold"), soft_wrap=True)
    for step in steps:
        console.print(Text(f"  {step.command}", style="bold"), soft_wrap=True)
    if _answer().startswith("r"):
        _give_all(steps)


def _answer() -> str:
    """Wait for the operator; the end of the input counts as a request to repair it."""
    console.print("Press Enter when it is repaired; r and Enter repairs it for you.")
    line = sys.stdin.readline()
    return line.strip().lower() if line else "r"


def _give_all(steps: Sequence[Step]) -> None:
    for step in steps:
        _give(step)


def _give(step: Step) -> None:
    """Print a command, and run it."""
    console.print(Text(f"$ {step.command}", style="bold"), soft_wrap=True)
    step.act()


def _heading(text: str) -> None:
    console.rule(Text(text, style="bold"), align="left")


def _print_end(expected: Expected) -> None:
    rows, rejects = counted(expected.rows, "row"), counted(expected.rejected, "reject")
    parts = rows if not expected.rejected else f"{rows} and {rejects}"
    published = counted(expected.readings, "reading")
    console.print(
        f"[bold green]✓[/] {published} published: {parts}. Nothing is lost or duplicated."
    )


@app.command("end")
@guard
def end(context: typer.Context) -> None:
    """Stop the stack of the game day and delete its data."""
    from local import stack

    state = state_of(context)
    if stack.read(state) is None and not stack.has_data(state):
        notes.print("there is no stack of a game day")
        return
    from etl.rehearsals.running import alone, forget

    with alone(state):
        stack.delete(state)
        forget(state)
    console.print("deleted")


def register(main: typer.Typer) -> None:
    """Add this module's commands."""
    main.add_typer(app, name="game-day")
