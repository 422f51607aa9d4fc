"""AWS Step Functions: what the history of an execution says of a distributed map.

AWS: each attempt at a distributed map is a ``MapRunStarted`` and a ``MapRunSucceeded`` or
``MapRunFailed`` in the history of the execution, and a child execution has a history of its own,
with an event for each state that it enters. (So of Standard children; of Express children the same
events go to the log group of the state machine, where it has one.)

MiniStack 1.5.33 writes no event of a map run, and those of a child's tasks without the state they
belong to, so neither the attempts at a map nor the states of a batch are known. Remove
when the test passes without it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from ministack.services import stepfunctions

__all__ = ["RELIES_ON", "apply"]

RELIES_ON = (
    "services.stepfunctions._ExecutionError", "services.stepfunctions._add_event",
    "services.stepfunctions._execute_task", "services.stepfunctions._fail_state_error",
    "services.stepfunctions._run_distributed_map", "services.stepfunctions._run_sub_machine",
)  # fmt: skip

Document = dict[str, Any]

_child: ContextVar[Document | None] = ContextVar("child_execution", default=None)
"""The child execution of a distributed map that runs in this thread."""


def apply() -> None:
    """Events of map runs, and of the states of their child executions."""
    _add_map_runs()
    _add_tasks()
    _add_failures()


def _add_map_runs() -> None:
    run = stepfunctions._run_distributed_map

    def run_distributed_map(
        state: Document, raw: Any, given: Any, iterator: Document, execution: Document, context: Any
    ) -> Any:
        stepfunctions._add_event(execution, "MapRunStarted")
        try:
            answer = run(state, raw, given, iterator, execution, context)
        except stepfunctions._ExecutionError as failed:
            details = {"error": failed.error, "cause": failed.cause}
            stepfunctions._add_event(
                execution, "MapRunFailed", {"mapRunFailedEventDetails": details}
            )
            raise
        stepfunctions._add_event(execution, "MapRunSucceeded")
        return answer

    stepfunctions._run_distributed_map = run_distributed_map


def _add_tasks() -> None:
    execute = stepfunctions._execute_task

    def execute_task(state: Document, given: Any, execution: Document, context: Document) -> Any:
        if "mapRunArn" in execution:
            _enter(execution, "Task", context["State"]["Name"])
        return execute(state, given, execution, context)

    stepfunctions._execute_task = execute_task


def _add_failures() -> None:
    """A state of type Fail is entered where its error is read."""
    run, read_error = stepfunctions._run_sub_machine, stepfunctions._fail_state_error

    def run_sub_machine(
        states: Any, start_at: Any, given: Any, execution: Document, context: Any
    ) -> Any:
        token = _child.set(execution if "mapRunArn" in execution else None)
        try:
            return run(states, start_at, given, execution, context)
        finally:
            _child.reset(token)

    def fail_state_error(state: Document, given: Any, context: Document | None = None) -> Any:
        child = _child.get()
        if child is not None and context is not None:
            _enter(child, "Fail", context["State"]["Name"])
        return read_error(state, given, context)

    stepfunctions._run_sub_machine = run_sub_machine
    stepfunctions._fail_state_error = fail_state_error


def _enter(execution: Document, kind: str, name: str) -> None:
    details = {"stateEnteredEventDetails": {"name": name}}
    stepfunctions._add_event(execution, f"{kind}StateEntered", details)
