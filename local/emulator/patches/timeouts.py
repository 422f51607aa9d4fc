"""AWS Step Functions: an execution that outlives its state machine's ``TimeoutSeconds`` is stopped.

AWS: it ends as ``TIMED_OUT`` with the event ``ExecutionTimedOut``, whatever its state was doing; no
further state is entered, and what a running task answers later changes nothing. An execution that
was aborted stays aborted likewise.

MiniStack 1.5.33 lets it run without a limit; a task that fails after the end of its execution makes
that ``FAILED``, and keeps writing its history. Remove when the released emulator passes the test
without it.
"""

from __future__ import annotations

import contextvars
import json
import threading
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions

__all__ = ["RELIES_ON", "apply"]

RELIES_ON = (
    "core.responses.now_iso", "services.stepfunctions._add_event",
    "services.stepfunctions._emit_execution_status_event", "services.stepfunctions._executions",
    "services.stepfunctions._fail_execution", "services.stepfunctions._run_execution",
    "services.stepfunctions._state_machines",
)  # fmt: skip

Document = dict[str, Any]

LAST_EVENTS = {f"Execution{end}" for end in ("Succeeded", "Failed", "Aborted", "TimedOut")}

_ending = threading.RLock()


def apply() -> None:
    """Stop executions at their timeout, and keep the status of those that have ended."""
    run, fail = stepfunctions._run_execution, stepfunctions._fail_execution
    add = stepfunctions._add_event

    def run_in_time(arn: str) -> None:
        execution = stepfunctions._executions.get(arn)
        seconds = _seconds(execution) if execution is not None else None
        if seconds is None:
            run(arn)
            return
        # The account and region of the request are in the context.
        context = contextvars.copy_context()
        timer = threading.Timer(seconds, context.run, (_time_out, execution))
        timer.daemon = True
        timer.start()
        try:
            run(arn)
        finally:
            timer.cancel()

    def fail_once(execution: Document, error: Any, cause: Any) -> None:
        with _ending:
            if execution["status"] == "RUNNING":
                fail(execution, error, cause)

    def add_until_the_end(execution: Document, kind: str, details: Any = None) -> Any:
        """Drop the events of a task that keeps running after the execution has ended."""
        events = execution["events"]
        if events and events[-1]["type"] in LAST_EVENTS:
            return {"id": len(events), "type": kind, "timestamp": now_iso()}
        return add(execution, kind, details)

    stepfunctions._add_event = add_until_the_end
    stepfunctions._run_execution = run_in_time
    stepfunctions._fail_execution = fail_once


def _seconds(execution: Document) -> float | None:
    machine = stepfunctions._state_machines.get(execution["stateMachineArn"])
    if machine is None:
        return None
    definition = machine["definition"]
    content = json.loads(definition) if isinstance(definition, str) else definition
    seconds = content.get("TimeoutSeconds")
    return float(seconds) if seconds is not None else None


def _time_out(execution: Document) -> None:
    with _ending:
        if execution["status"] != "RUNNING":
            return
        execution.update(status="TIMED_OUT", stopDate=now_iso(), error="States.Timeout")
        stepfunctions._add_event(
            execution,
            "ExecutionTimedOut",
            {"executionTimedOutEventDetails": {"error": "States.Timeout"}},
        )
        stepfunctions._emit_execution_status_event(execution)
