"""How a deployment goes, resource by resource: a bar on a terminal, elsewhere a line each."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from workflow.deployment.carry_out import Listener
from workflow.deployment.plan import DeployPlan
from workflow.deployment.steps import Step
from workflow.stack_events import StackEvent

__all__ = ["DeployProgress"]

MOST_NAMES = 3


class DeployProgress:
    """Turns phases and stack events into what a person sees."""

    def __init__(self, console: Console, plan: DeployPlan | None = None) -> None:
        self._console = console
        self._totals = {
            review.stack: len(review.resources) for review in (plan.stacks if plan else ())
        }
        self._uploads = sum(one.size for one in plan.uploads) if plan else 0
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, visible=False)
        self._working: dict[str, str] = {}
        self._done: set[str] = set()
        self._sent_bytes = 0
        self.listener = Listener(told=self._told, event=self._event, sent=self._sent)

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
        """Leave the terminal as it was."""
        self._bar.stop()

    def begin(self, step: Step) -> None:
        """A step begins."""
        self._working.clear()
        self._done.clear()
        total = (
            self._uploads // 1_000_000 if step.kind == "upload" else self._totals.get(step.stack)
        )
        shown = step.kind in {"core", "platform", "core again", "join"} or bool(self._uploads)
        self._bar.reset(self._task, total=total or None, visible=shown and bool(total))
        self._sent_bytes = 0

    def _told(self, text: str) -> None:
        self._bar.console.print(f"[dim]•[/] {escape(text)}", highlight=False)

    def _sent(self, size: int) -> None:
        self._sent_bytes += size
        self._bar.update(self._task, description="MB", completed=self._sent_bytes // 1_000_000)

    def _event(self, event: StackEvent) -> None:
        if event.of_stack:
            return
        if event.failed:
            reason = f": {event.reason}" if event.reason else ""
            self._bar.console.print(
                f"  [red]✗ {escape(event.resource)} {event.status}{escape(reason)}[/]",
                highlight=False,
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
        told = ", ".join(names) + (f" and {more} more" if more > 0 else "")
        self._bar.update(self._task, description=escape(told), completed=len(self._done))


def _sign(event: StackEvent) -> str:
    return "-" if event.status.startswith("DELETE") else "✓"
