"""The progress of an execution, state by state, as a picture shows it over the definition.

Pure: computed from an execution's history, its map runs and its trace. The history covers the
states around a Map, the map runs give the numbers of its items by status, and the trace (where
there is one) covers the steps inside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from etl.pictures.history import StateVisit, error_message, read_visits
from etl.pictures.states import Machine, Step

__all__ = ["ExecutionProgress", "ItemCounts", "Status", "StepProgress", "progress_from"]

Status = Literal["succeeded", "failed", "caught", "running", "stopped"]
"""``caught``: it failed, and a Catch handled the error. ``stopped``: aborted or timed out."""

_ENDED: dict[str, Status] = {
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "stopped",
    "ABORTED": "stopped",
}


@dataclass(frozen=True)
class ItemCounts:
    """Numbers of the items of a Map by status."""

    succeeded: int = 0
    failed: int = 0
    running: int = 0
    pending: int = 0

    @property
    def total(self) -> int:
        """All items."""
        return self.succeeded + self.failed + self.running + self.pending


@dataclass(frozen=True)
class StepProgress:
    """One state that was reached. An :class:`ExecutionProgress` holds no others."""

    status: Status
    seconds: float | None = None
    """Sum of all visits; inside a Map their median. ``None`` while the state is running."""
    retries: int = 0
    visits: int = 1
    error: str | None = None
    cause: str | None = None
    counts: ItemCounts | None = None
    """Items by status, for a Map and for the steps inside one."""


@dataclass(frozen=True)
class ExecutionProgress:
    """The progress of one execution."""

    name: str
    status: Status
    started: datetime
    seconds: float | None = None
    error: str | None = None
    cause: str | None = None
    steps: dict[str, StepProgress] = field(default_factory=dict)
    taken: frozenset[tuple[str, str]] = frozenset()
    """Arrows that the execution followed, as pairs of states."""


def progress_from(
    machine: Machine,
    execution: Any,
    events: Sequence[Mapping[str, Any]],
    map_runs: Iterable[Mapping[str, Any]] = (),
    spans: Sequence[dict[str, Any]] = (),
) -> ExecutionProgress:
    """The progress of an execution (``etl.operations.executions.Execution``).

    ``events`` are those of GetExecutionHistory, ``map_runs`` those of DescribeMapRun, ``spans``
    those of ``etl.operations.traces.flatten``.
    """
    status = _ENDED.get(execution.status, "stopped")
    steps, order = _from_history(events, status)
    taken = set(itertools.pairwise(order))
    for step in machine.steps.values():
        if step.kind == "Map" and step.name in steps:
            runs = _runs_of(step, machine, map_runs)
            steps[step.name] = _with_counts(steps[step.name], runs)
    for step in machine.steps.values():
        for inner in step.inner:
            found = _from_trace(inner, spans, steps.get(step.name))
            steps.update(found)
            taken |= {
                (a.source, a.target)
                for a in inner.arrows
                if a.source in found
                and a.target in found
                and _was_followed(found[a.source], a.caught)
            }
    return ExecutionProgress(
        name=execution.name,
        status=status,
        started=execution.started,
        seconds=execution.seconds,
        error=execution.error,
        cause=error_message(execution.cause),
        steps=steps,
        taken=frozenset(taken),
    )


def _was_followed(source: StepProgress, caught: bool) -> bool:
    counts = source.counts or ItemCounts()
    return bool(counts.failed) if caught else bool(counts.succeeded)


# -- the states of the execution itself ---------------------------------------------------------


def _from_history(
    events: Sequence[Mapping[str, Any]], ended: Status
) -> tuple[dict[str, StepProgress], list[str]]:
    """The states that were visited, and their names in the order of the visits."""
    visits = read_visits(events)
    steps: dict[str, StepProgress] = {}
    for index, visit in enumerate(visits):
        step = _from_visit(visit, ended, last=index == len(visits) - 1)
        earlier = steps.get(visit.name)
        steps[visit.name] = step if earlier is None else _added(earlier, step)
    return steps, [visit.name for visit in visits]


def _from_visit(visit: StateVisit, ended: Status, last: bool) -> StepProgress:
    status: Status = "succeeded"
    if visit.exited is not None:
        status = "caught" if visit.attempt_failed else "succeeded"
    elif last:
        status = ended
    return StepProgress(
        status=status,
        seconds=visit.seconds,
        retries=visit.retries,
        error=visit.error,
        cause=visit.cause,
    )


def _added(earlier: StepProgress, later: StepProgress) -> StepProgress:
    seconds = None if later.seconds is None else (earlier.seconds or 0.0) + later.seconds
    return replace(
        later,
        seconds=seconds,
        retries=earlier.retries + later.retries,
        visits=earlier.visits + 1,
        error=later.error or earlier.error,
        cause=later.cause or earlier.cause,
    )


# -- the items of a Map -------------------------------------------------------------------------


def _runs_of(
    step: Step, machine: Machine, map_runs: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The runs of this Map, whose ARNs end with its label: ``.../<label>:<id>``."""
    runs = sorted(map_runs, key=lambda run: str(run.get("startDate", "")))
    maps = [s for s in machine.steps.values() if s.kind == "Map"]
    matching = [r for r in runs if f"/{step.label}:" in str(r.get("mapRunArn", ""))]
    if not matching and len(maps) == 1:
        matching = runs
    return matching


def _with_counts(step: StepProgress, runs: Sequence[Mapping[str, Any]]) -> StepProgress:
    """The step with the numbers of its items: of the latest run, as an attempt that is repeated
    runs every item again, or of all where a loop came by several times, with others each time."""
    if not runs:
        return step
    counted = [run["itemCounts"] for run in (runs if step.visits > 1 else runs[-1:])]

    def total(*names: str) -> int:
        return sum(int(items[name]) for items in counted for name in names)

    counts = ItemCounts(
        total("succeeded"),
        total("failed", "timedOut", "aborted"),
        total("running"),
        total("pending"),
    )
    return replace(step, counts=counts)


def _from_trace(
    inner: Machine, spans: Sequence[dict[str, Any]], around: StepProgress | None
) -> dict[str, StepProgress]:
    """The steps inside a Map, from the spans with their names."""
    visits: dict[str, list[_Traced]] = {name: [] for name in inner.steps}
    for index, span in enumerate(spans):
        if span["name"] in visits:
            visits[span["name"]].append(_traced(spans, index))
    guarded = {arrow.source for arrow in inner.arrows if arrow.caught}
    found = {name: _counted(many, name in guarded) for name, many in visits.items() if many}
    ends = [s.name for s in inner.every_step() if s.kind == "Fail"]
    # A Fail state does no work and has no span; if there is only one, failed items end there.
    if around and around.counts and around.counts.failed and len(ends) == 1:
        failed = around.counts.failed
        found[ends[0]] = StepProgress("failed", visits=failed, counts=ItemCounts(failed=failed))
    return found


@dataclass(frozen=True)
class _Traced:
    seconds: float | None
    attempts: int
    failed: bool
    error: str | None
    cause: str | None


def _traced(spans: Sequence[dict[str, Any]], index: int) -> _Traced:
    """One visit. The spans directly below are its calls, and each call is an attempt."""
    span = spans[index]
    calls = []
    for below in spans[index + 1 :]:
        if below["depth"] <= span["depth"]:
            break
        if below["depth"] == span["depth"] + 1:
            calls.append(below)
    faults = [call for call in calls if call["fault"]]
    failed = bool(span["fault"] or (calls and calls[-1]["fault"]))
    last = faults[-1] if faults else span
    running = span.get("running", False)
    seconds = None if running else span["end"] - span["start"]
    return _Traced(
        seconds, max(1, len(calls)), failed and not running, last.get("error"), last.get("cause")
    )


def _counted(visits: list[_Traced], guarded: bool) -> StepProgress:
    ended = sorted(v.seconds for v in visits if v.seconds is not None)
    failed = [v for v in visits if v.failed]
    running = len(visits) - len(ended)
    counts = ItemCounts(len(ended) - len(failed), len(failed), running)
    lost: Status = "caught" if guarded else "failed"
    status: Status = "running" if running else lost if failed else "succeeded"
    noted = next((v for v in [*failed, *visits] if v.error), None)
    return StepProgress(
        status=status,
        seconds=ended[len(ended) // 2] if ended else None,
        retries=sum(v.attempts - 1 for v in visits),
        visits=len(visits),
        error=noted.error if noted else None,
        cause=noted.cause if noted else None,
        counts=counts,
    )
