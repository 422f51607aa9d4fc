"""Shows what a command waits for, for how long so far, and what ends the wait.

On a terminal it is a line that is removed at the end. Elsewhere, as in the log of a job, it is a
line on standard error after three seconds, and then one every half minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.markup import escape
from rich.progress import Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

from etl.cli.context import console, notes

__all__ = ["log_lines", "progress_bar", "waiting"]

FIRST_LINE_SECONDS, NEXT_LINE_SECONDS = 3.0, 30.0
"""Seconds of a wait before its first line where there is no terminal, and between two lines."""
Say = Callable[[str], None]


@contextmanager
def waiting(what: str, until: str = "") -> Iterator[Say]:
    """Show the wait; ``until`` is what ends it.

    Yields a function that shows how far it has come. Ctrl-C passes through.
    """
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
    )
    with log_lines(what, until) as log, progress_bar(*columns, until=until) as progress:
        task = progress.add_task(escape(what), total=None, detail="")

        def say(detail: str) -> None:
            log(detail)
            progress.update(task, detail=escape(detail))

        yield say


def progress_bar(*columns: ProgressColumn, until: str = "") -> Progress:
    """A bar that is shown on a terminal only, and removed at the end; ``until`` ends the wait."""
    dim = (TextColumn(f"[dim]{escape(until)}[/]"),) if until else ()
    return Progress(
        *columns,
        *dim,
        console=notes,
        transient=True,
        disable=not notes.is_terminal,
        # What goes to a file or a pipe must not be redirected to the terminal.
        redirect_stdout=console.is_terminal,
    )


@contextmanager
def log_lines(what: str, until: str = "") -> Iterator[Say]:
    """Print the lines where there is no terminal; yields a function like :func:`waiting`'s."""
    detail = [""]

    def say(text: str) -> None:
        detail[0] = text

    if notes.is_terminal:
        yield say
        return
    over = threading.Event()
    lines = threading.Thread(target=_print_lines, args=(what, until, detail, over), daemon=True)
    lines.start()
    try:
        yield say
    finally:
        over.set()
        lines.join()


def _print_lines(what: str, until: str, detail: list[str], over: threading.Event) -> None:
    begin, pause = time.monotonic(), FIRST_LINE_SECONDS
    while not over.wait(pause):
        pause = NEXT_LINE_SECONDS
        since = f"{time.monotonic() - begin:.0f} s so far"
        parts = (f"{what}: {since}", detail[0], until)
        notes.print("; ".join(filter(None, parts)), markup=False, soft_wrap=True)
