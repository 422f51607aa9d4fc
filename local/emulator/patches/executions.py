"""AWS Step Functions: starting an execution is idempotent by name.

AWS: ``StartExecution`` with the name and the input of an execution that still runs answers with
that execution; another input, or an execution that has ended, is ``ExecutionAlreadyExists``.
MiniStack 1.5.33 refuses in every case, so a caller whose first answer got lost can't retry. Remove
when the released emulator answers a repeated start with the running execution.
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import stepfunctions

__all__ = ["apply"]


def apply() -> None:
    """Make a repeated start return the running execution."""
    start = stepfunctions._start_execution

    def start_execution(data: dict[str, Any]) -> Any:
        running = _running_twin(data)
        if running is None:
            return start(data)
        answer = {"executionArn": running["executionArn"], "startDate": running["startDate"]}
        return stepfunctions.json_response(answer)

    stepfunctions._start_execution = start_execution


def _running_twin(data: dict[str, Any]) -> dict[str, Any] | None:
    """The running execution of the same state machine, name and input, if there is one."""
    machine = stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", ""))
    if not data.get("name") or machine is None:
        return None
    prefix = f"arn:aws:states:{get_region()}:{get_account_id()}:execution"
    arn = f"{prefix}:{stepfunctions._state_machines[machine]['name']}:{data['name']}"
    execution: dict[str, Any] | None = stepfunctions._executions.get(arn)
    if execution is None or execution["status"] != "RUNNING":
        return None
    return execution if execution["input"] == data.get("input", "{}") else None
