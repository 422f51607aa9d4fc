"""Shows the progress of a deployment: a bar on a terminal, elsewhere a line per resource.

A step without news is named every half minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from etl.aws.stack_events import StackEvent
from etl.cli.wait_line import log_lines
from etl.deployment.listener import Listener
from etl.deployment.plan import DeployPlan
from etl.deployment.steps import Step

__all__ = ["DeployProgress", "show_progress"]

MOST_NAMES = 3
STACK_STEPS = frozenset({"platform", "core", "link", "core again"})


@contextmanager
def show_progress(
    console: Console, plan: DeployPlan | None = None, *, interrupted: str
) -> Iterator[Listener]:
    """Show the progress that the listener receives.

    Ctrl-C prints ``interrupted``, which says what continues, and ends the command with 130.
    """
    with (
        log_lines("in progress", "Ctrl-C stops watching") as log,
        DeployProgress(console, plan, log) as progress,
    ):
        try:
            yield progress.listener
        except KeyboardInterrupt:
            progress.stop()
            console.print(f"[yellow]interrupted[/]: {interrupted}", soft_wrap=True)
            raise typer.Exit(130) from None


class DeployProgress:
    """Shows steps, phases and stack events on a console."""

    def __init__(
        self,
        console: Console,
        plan: DeployPlan | None = None,
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``log`` receives the step in progress, for a place without a terminal."""
        self._console = console
        self._log = log
        self._totals = {
            review.stack: len(review.resources) for review in (plan.stacks if plan else ())
        }
        self._uploads = sum(one.size for one in plan.uploads) if plan else 0
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, count="")
        self._total = 0
        self._working: dict[str, str] = {}
        self._done: set[str] = set()
        self._sent_bytes = 0
        self.listener = Listener(
            notify=self._notify, step=self.begin, event=self._event, sent=self._sent
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def stop(self) -> None:
        """Remove the bar from the terminal."""
        self._bar.stop()

    def begin(self, step: Step) -> None:
        """Start the bar of a step."""
        self._log(step.text)
        self._working.clear()
        self._done.clear()
        self._sent_bytes = 0
        changes_stack = step.kind in STACK_STEPS
        self._total = self._totals.get(step.stack, 0) if changes_stack else 0
        if step.kind == "upload":
            self._total = self._uploads
        self._bar.reset(self._task, total=self._total or None, description=step.text, count="")

    def _notify(self, text: str) -> None:
        self._bar.console.print(f"[dim]•[/] {escape(text)}", highlight=False)

    def _sent(self, size: int) -> None:
        self._sent_bytes += size
        count = f"{self._sent_bytes / 1e6:.1f}/{self._uploads / 1e6:.1f} MB"
        self._bar.update(self._task, completed=self._sent_bytes, count=count)

    def _event(self, event: StackEvent) -> None:
        if event.of_stack:
            return
        if event.failed:
            reason = f": {event.reason}" if event.reason else ""
            self._bar.console.print(
                f"  [red]✗ {escape(event.resource)} {event.status}{escape(reason)}[/]",
                highlight=False,
                soft_wrap=True,
            )
        if event.status.endswith("_IN_PROGRESS"):
            self._working[event.resource] = event.status
        else:
            self._working.pop(event.resource, None)
        if event.done and event.resource not in self._done:
            self._done.add(event.resource)
            if not self._console.is_terminal:
                self._console.print(f"  {_sign(event)} {event.resource}", highlight=False)
        self._show()

    def _show(self) -> None:
        names = list(self._working)[:MOST_NAMES]
        more = len(self._working) - len(names)
        text = ", ".join(names) + (f" and {more} more" if more > 0 else "")
        done = min(len(self._done), self._total) if self._total else len(self._done)
        count = f"{done}/{self._total}" if self._total else f"{done}"
        self._bar.update(self._task, description=escape(text), completed=done, count=count)


def _sign(event: StackEvent) -> str:
    return "-" if event.status.startswith("DELETE") else "✓"
