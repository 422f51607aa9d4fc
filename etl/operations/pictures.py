"""Pictures of a deployed workflow, for the command line and for notebooks.

In a notebook, each of these may be the last line of a cell::

    draw_definition(definition)   # the state machine
    draw_execution(target, name)
    draw_trace(target, name)
    watch_execution(target, name) # the same picture, redrawn until the execution has ended
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.aws.target import Target
from etl.operations.executions import POLL_SECONDS, Execution, describe, execution_arn, history
from etl.operations.observability import deployed_level, untraced
from etl.operations.traces import load_trace
from etl.pictures.gantt import gantt_svg
from etl.pictures.machine import machine_svg
from etl.pictures.progress import ExecutionProgress, progress_from
from etl.pictures.states import read_machine
from etl.pictures.text import duration
from telemetry.errors import UserError

__all__ = [
    "NoTraceError",
    "Picture",
    "draw_definition",
    "draw_execution",
    "draw_trace",
    "watch_execution",
]

TRACE_PATIENCE_SECONDS = 60.0
"""Seconds to wait for segments, which X-Ray receives a moment after the work they describe."""


class NoTraceError(UserError):
    """Raised when X-Ray has no trace of an execution; it keeps traces for 30 days."""


@dataclass(frozen=True)
class Picture:
    """An SVG picture that a notebook displays by itself."""

    svg: str
    summary: str
    """The same in one line of text, where no picture can be shown."""

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<{self.summary}>"

    def save(self, file: Path | str) -> Path:
        """Write the SVG to a file."""
        file = Path(file)
        file.write_text(self.svg + "\n", encoding="utf-8")
        return file


def draw_definition(definition: Any, title: str = "State machine") -> Picture:
    """The picture of a definition: Amazon States Language as plain data, or an object of the SDK (a
    state, a chain, a graph or a ``Workflow``)."""
    plain = _plain(definition)
    machine = read_machine(plain)
    summary = f"{title}: {len(machine.every_step())} states, starting with {machine.start}"
    return Picture(machine_svg(plain, title=title), summary)


def _plain(definition: Any) -> dict[str, Any]:
    """The definition as plain data."""
    if not isinstance(definition, dict):
        from workflow.states.sdk import Chain, Graph, State, Workflow

        if isinstance(definition, Workflow):
            definition = definition.definition
        if isinstance(definition, State | Chain):
            definition = Graph(definition)
        definition = definition.to_dict()
    plain: dict[str, Any] = json.loads(json.dumps(definition))
    return plain


def draw_execution(target: Target, execution: str) -> Picture:
    """The picture of an execution (name or ARN), drawn over its definition."""
    arn = execution_arn(target, execution)
    found = describe(target, arn)
    return _execution_picture(target, found, _definition(target, arn))


def watch_execution(target: Target, execution: str, every: float = POLL_SECONDS) -> None:
    """Show an execution in a notebook, and redraw the picture in place until it has ended."""
    from IPython.display import display

    arn = execution_arn(target, execution)
    definition = _definition(target, arn)
    shown: Any = None
    while True:
        found = describe(target, arn)
        picture = _execution_picture(target, found, definition)
        if shown is None:
            shown = display(picture, display_id=True)  # type: ignore[no-untyped-call]
        else:
            shown.update(picture)
        if found.status != "RUNNING":
            return
        time.sleep(every)


def draw_trace(target: Target, execution: str, patience: float = TRACE_PATIENCE_SECONDS) -> Picture:
    """The timeline of an execution, with each stage and step of its trace.

    Waits up to ``patience`` seconds for the segments. Raises :class:`NoTraceError`.
    """
    arn = execution_arn(target, execution)
    ended = describe(target, arn).status != "RUNNING"
    until = time.monotonic() + patience
    while True:
        trace = load_trace(target, arn)
        complete = trace is not None and not (ended and any(s["running"] for s in trace["spans"]))
        if complete or time.monotonic() > until:
            break
        time.sleep(0.2)
    if trace is None or not trace["spans"]:
        raise NoTraceError(
            f"X-Ray has no trace of '{execution}' ({untraced(deployed_level(target))})"
        )
    name = arn.rpartition(":")[2]
    summary = f"trace {trace['trace_id']} of execution {name}: {len(trace['spans'])} spans"
    return Picture(gantt_svg(trace, f"Execution {name}"), summary)


def execution_progress(
    target: Target, found: Execution, definition: dict[str, Any]
) -> ExecutionProgress:
    """The progress of an execution, from its history, its map runs and its trace."""
    client = target.client("stepfunctions")
    runs = client.list_map_runs(executionArn=found.arn)["mapRuns"]
    described = [client.describe_map_run(mapRunArn=run["mapRunArn"]) for run in runs]
    trace = load_trace(target, found.arn) if runs else None
    return progress_from(
        read_machine(definition),
        found,
        history(target, found.arn),
        described,
        trace["spans"] if trace else (),
    )


def _execution_picture(target: Target, found: Execution, definition: dict[str, Any]) -> Picture:
    progress = execution_progress(target, found, definition)
    took = f" after {duration(found.seconds)}" if found.seconds is not None else ""
    summary = f"execution {found.name}: {found.status.lower()}{took}"
    return Picture(machine_svg(definition, progress), summary)


def _definition(target: Target, arn: str) -> dict[str, Any]:
    """The definition of an execution, which may be older than that of its state machine."""
    client = target.client("stepfunctions")
    found = client.describe_state_machine_for_execution(executionArn=arn)
    plain: dict[str, Any] = json.loads(found["definition"])
    return plain
