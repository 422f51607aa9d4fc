"""Runs one rehearsal: account, fault, symptom, repair, account."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl.operations.reconciliation import Reconciliation, reconcile
from etl.rehearsals.model import Expected, Rehearsal, RehearsalError
from etl.rehearsals.registry import REHEARSALS
from etl.rehearsals.scene import PATIENCE_SECONDS, Scene

__all__ = [
    "account_after",
    "account_before",
    "alone",
    "earlier_fault",
    "forget",
    "note_fault",
    "start",
    "undo_fault",
]

_LOCK = "game-day.lock"
_FAULT = "fault"
"""File with the name of the rehearsal whose fault is not undone yet."""


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Keep other rehearsals off this stack, which would count each other's readings and faults.

    Raises :class:`RehearsalError` while one runs. The lock ends with the process, also when it is
    killed.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (state / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RehearsalError(
                "Another game day runs on this stack: let it end, or end it with Ctrl-C."
            ) from error
        yield


def note_fault(scene: Scene, rehearsal: Rehearsal) -> None:
    """Note what has to be undone, also by the next start where this process is killed."""
    scene.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    (scene.state / _FAULT).write_text(rehearsal.name, encoding="utf-8")


def undo_fault(scene: Scene, rehearsal: Rehearsal) -> None:
    """Undo the fault. Safe to call again."""
    rehearsal.undo(scene)
    (scene.state / _FAULT).unlink(missing_ok=True)


def earlier_fault(state: Path) -> Rehearsal | None:
    """The rehearsal that was killed before its fault was undone; ``None`` where there is none."""
    try:
        name = (state / _FAULT).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return REHEARSALS[name]() if name in REHEARSALS else None


def forget(state: Path) -> None:
    """Drop the note of a fault, and the files of rehearsals: the stack was deleted."""
    (state / _FAULT).unlink(missing_ok=True)
    shutil.rmtree(state / "rehearsals", ignore_errors=True)


def start(scene: Scene, *, die_with_parent: bool = False) -> None:
    """Start the stack, and undo the fault of a rehearsal that was killed."""
    earlier = earlier_fault(scene.state)
    if earlier is not None:
        scene.notify(f"undoing what the rehearsal {earlier.name} left")
        earlier.restore(scene.state)
    scene.start(die_with_parent=die_with_parent)
    if earlier is not None:
        undo_fault(scene, earlier)


def account_before(scene: Scene) -> Reconciliation:
    """The account before the fault. Raises :class:`RehearsalError` unless it balances."""
    found = _balanced(scene)
    if found.verdict.status != "balanced":
        raise RehearsalError(
            "The account of the game day's stack doesn't balance before the rehearsal: "
            f"{'; '.join(found.problems())}. Repair it, or begin with an empty stack: `etl "
            "game-day end`."
        )
    return found


def account_after(scene: Scene, before: Reconciliation, expected: Expected) -> Reconciliation:
    """The account after the repair. Raises :class:`RehearsalError` unless each reading is there."""
    found = _balanced(scene)
    if found.verdict.status != "balanced":
        raise RehearsalError(f"Not repaired: {'; '.join(found.problems())}.")
    now, then = found.ledger, before.ledger
    counts = {
        "readings": (now.read - then.read, expected.readings),
        "rows": (_rows(found) - _rows(before), expected.rows),
        "rejects": (now.rejected - then.rejected, expected.rejected),
    }
    wrong = [f"{got:,} {what}, not {want:,}" for what, (got, want) in counts.items() if got != want]
    if wrong:
        raise RehearsalError(f"The account balances, but has {' and '.join(wrong)}.")
    return found


def _rows(found: Reconciliation) -> int:
    """Rows that the batches have brought, by their latest load and those before it."""
    return found.ledger.inserted + found.ledger.inserted_before


def _balanced(scene: Scene) -> Reconciliation:
    """The account once it balances; the last one where it doesn't for five minutes."""
    scene.notify("reconciling every message and reading")
    deadline = time.monotonic() + PATIENCE_SECONDS
    target = scene.fresh_target()
    while True:
        found = reconcile(target, max(0.0, deadline - time.monotonic()))
        if found.verdict.status == "balanced" or time.monotonic() > deadline:
            return found
        time.sleep(1)
