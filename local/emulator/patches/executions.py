"""AWS Step Functions: starting twice and at once, an object from a state, a map's concurrency.

AWS: ``StartExecution`` with the name and the input of an execution that still runs answers with
that execution; another input, or an execution that has ended, is ``ExecutionAlreadyExists``. A map
with ``MaxConcurrencyPath`` takes the number of items in flight from its input. A task
``arn:aws:states:::aws-sdk:s3:putObject`` stores its ``Body`` as JSON text. A state machine keeps
its tracing configuration.

MiniStack 1.5.33 refuses every repeated start, so a caller whose first answer got lost can't retry;
overlooks ``MaxConcurrencyPath`` and so runs 64 items of a distributed map at once; has no
``putObject`` among its SDK integrations; drops the tracing configuration; and lets each execution
sleep for 0.15 s before its first state. Remove each part when the released emulator passes its test
without it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from ministack import app
from ministack.core.responses import get_account_id, get_region
from ministack.services import stepfunctions
from ministack.services.cloudformation import provisioners

__all__ = ["RELIES_ON", "apply"]

RELIES_ON = (
    "app.SERVICE_HANDLERS[s3]", "app.call_service_handler_sync",
    "core.responses.get_account_id", "core.responses.get_region",
    "services.cloudformation.provisioners._RESOURCE_HANDLERS[AWS::StepFunctions::StateMachine]",
    "services.stepfunctions._ExecutionError", "services.stepfunctions._SFN_WAIT_SCALE",
    "services.stepfunctions._apply_input_path",
    "services.stepfunctions._create_state_machine", "services.stepfunctions._executions",
    "services.stepfunctions._invoke_aws_sdk_integration",
    "services.stepfunctions._resolve_path_or_ctx",
    "services.stepfunctions._resolve_state_machine_arn",
    "services.stepfunctions._run_map_items", "services.stepfunctions._scaled_sleep",
    "services.stepfunctions._start_execution", "services.stepfunctions._state_machines",
    "services.stepfunctions._update_state_machine", "services.stepfunctions.json_response",
    "services.stepfunctions.time",
)  # fmt: skip

Document = dict[str, Any]


def apply() -> None:
    """Idempotent starts, at once, concurrency by path, ``s3:putObject``, tracing that is kept."""
    _return_running_executions()
    _start_at_once()
    _read_concurrency_from_the_input()
    _add_put_object()
    _keep_tracing_configuration()


def _return_running_executions() -> None:
    start = stepfunctions._start_execution

    def start_execution(data: Document) -> Any:
        running = _running_twin(data)
        if running is None:
            return start(data)
        answer = {"executionArn": running["executionArn"], "startDate": running["startDate"]}
        return stepfunctions.json_response(answer)

    stepfunctions._start_execution = start_execution


def _running_twin(data: Document) -> Document | None:
    """The running execution of the same state machine, name and input, if there is one."""
    machine = stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", ""))
    if not data.get("name") or machine is None:
        return None
    prefix = f"arn:aws:states:{get_region()}:{get_account_id()}:execution"
    arn = f"{prefix}:{stepfunctions._state_machines[machine]['name']}:{data['name']}"
    execution: Document | None = stepfunctions._executions.get(arn)
    if execution is None or execution["status"] != "RUNNING":
        return None
    return execution if execution["input"] == data.get("input", "{}") else None


def _start_at_once() -> None:
    """Skip the module's only other sleep than ``_scaled_sleep``, which waits and retries use."""

    def scaled_sleep(seconds: float) -> None:
        time.sleep(max(0.0, seconds * stepfunctions._SFN_WAIT_SCALE))

    stepfunctions._scaled_sleep = scaled_sleep
    stepfunctions.time = SimpleNamespace(
        time=time.time, monotonic=time.monotonic, sleep=lambda _seconds: None
    )


def _read_concurrency_from_the_input() -> None:
    run = stepfunctions._run_map_items

    def run_map_items(state: Document, raw_input: Any, execution: Document, context: Any) -> Any:
        path = state.get("MaxConcurrencyPath")
        if path is not None:
            given = stepfunctions._apply_input_path(state, raw_input, context)
            wanted = stepfunctions._resolve_path_or_ctx(path, given, context)
            if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 0:
                raise stepfunctions._ExecutionError(
                    "States.Runtime",
                    f"The MaxConcurrencyPath '{path}' must give a number from 0, not {wanted!r}",
                )
            state = {**state, "MaxConcurrency": wanted}
        return run(state, raw_input, execution, context)

    stepfunctions._run_map_items = run_map_items


def _add_put_object() -> None:
    invoke = stepfunctions._invoke_aws_sdk_integration

    def invoke_integration(resource: str, given: Document) -> Any:
        if resource.endswith(":aws-sdk:s3:putObject"):
            return _put_object(given)
        return invoke(resource, given)

    stepfunctions._invoke_aws_sdk_integration = invoke_integration


def _put_object(given: Document) -> Document:
    """PutObject through the emulator's own S3; fails as ``S3.<Code>Exception``, as on AWS."""
    path = f"/{given['Bucket']}/{given['Key']}"
    body = json.dumps(given.get("Body", "")).encode()
    credential = f"Credential=test/20260101/{get_region()}/s3/aws4_request"
    headers = {
        "host": f"s3.{get_region()}.amazonaws.com",
        "authorization": f"AWS4-HMAC-SHA256 {credential}",
        "content-type": given.get("ContentType", "application/octet-stream"),
        "content-length": str(len(body)),
    }
    handler = app.SERVICE_HANDLERS["s3"]
    status, answered, text = app.call_service_handler_sync(handler, "PUT", path, headers, body, {})
    if status >= 400:
        code = re.search(rb"<Code>(\w+)</Code>", text or b"")
        name = code[1].decode() if code else "S3"
        message = (text or b"").decode(errors="replace")
        raise stepfunctions._ExecutionError(f"S3.{name}Exception", message)
    return {"ETag": {key.lower(): value for key, value in answered.items()}.get("etag")}


def _keep_tracing_configuration() -> None:
    """Store it from the API and from templates; ``DescribeStateMachine`` shows it."""
    for name in ("_create_state_machine", "_update_state_machine"):
        setattr(stepfunctions, name, _keeping(getattr(stepfunctions, name)))
    handlers = provisioners._RESOURCE_HANDLERS["AWS::StepFunctions::StateMachine"]
    create, update = handlers["create"], handlers["update"]

    def create_from_template(logical_id: str, properties: Document, stack: str) -> Any:
        arn, attributes = create(logical_id, properties, stack)
        _set_tracing(arn, (properties.get("TracingConfiguration") or {}).get("Enabled"))
        return arn, attributes

    def update_from_template(
        physical_id: str, old: Document, new: Document, *rest: Any, **more: Any
    ) -> Any:
        answer = update(physical_id, old, new, *rest, **more)
        _set_tracing(answer[0], (new.get("TracingConfiguration") or {}).get("Enabled"))
        return answer

    handlers["create"], handlers["update"] = create_from_template, update_from_template


def _keeping(act: Callable[[Document], Any]) -> Callable[[Document], Any]:
    def act_and_keep(data: Document) -> Any:
        answer = act(data)
        configuration = data.get("tracingConfiguration")
        if answer[0] == 200 and configuration is not None:
            arn = data.get("stateMachineArn") or json.loads(answer[2])["stateMachineArn"]
            _set_tracing(arn, configuration.get("enabled"))
        return answer

    return act_and_keep


def _set_tracing(arn: str, enabled: Any) -> None:
    machine = stepfunctions._state_machines.get(arn)
    if machine is not None:  # a template's scalars arrive as text
        machine["tracingConfiguration"] = {"enabled": str(enabled).lower() == "true"}
