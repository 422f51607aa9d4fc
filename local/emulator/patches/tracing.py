"""AWS X-Ray: one trace per execution, and the segments that the services themselves emit.

AWS: a state machine with tracing enabled takes its trace from the trace header of the
``StartExecution`` request, else from its ``traceHeader``, else begins one. Step Functions emits
a segment for the execution with a subsegment per state; Lambda emits two for each invocation of a
function with active tracing, ``AWS::Lambda`` (the call) and ``AWS::Lambda::Function`` (the code),
and hands the code ``_X_AMZN_TRACE_ID`` whose parent is the second, under which the function's own
subsegments then hang. (Whether AWS carries a trace into the children of a Distributed Map is not
documented; here it does, so that one execution is one trace.)

MiniStack 1.5.33: each invocation gets a trace of its own, nothing is emitted. Remove when it
propagates traces and sends segments to ``AWS_XRAY_DAEMON_ADDRESS``.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ministack.services import lambda_svc, stepfunctions

__all__ = ["RELIES_ON", "Invocation", "apply", "invocation"]

RELIES_ON = (
    "services.lambda_svc.handle_request", "services.stepfunctions._ExecutionError",
    "services.stepfunctions._execute_choice", "services.stepfunctions._execute_map",
    "services.stepfunctions._execute_parallel", "services.stepfunctions._execute_pass",
    "services.stepfunctions._execute_task", "services.stepfunctions._execute_wait",
    "services.stepfunctions._executions", "services.stepfunctions._resolve_state_machine_arn",
    "services.stepfunctions._run_execution", "services.stepfunctions._run_sub_machine",
    "services.stepfunctions._start_execution", "services.stepfunctions._state_machines",
    "services.stepfunctions.handle_request",
)  # fmt: skip

_DAEMON_HEADER = b'{"format": "json", "version": 1}\n'
_LONGEST_MESSAGE = 1000
"""Characters of an error message that go into a segment; a datagram holds 64 KB."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Position:
    """The place in a trace below which new work belongs."""

    root: str
    parent: str | None
    sampled: bool = True

    def header(self) -> str:
        """The value of ``X-Amzn-Trace-Id`` and ``_X_AMZN_TRACE_ID``."""
        parent = f";Parent={self.parent}" if self.parent else ""
        return f"Root={self.root}{parent};Sampled={int(self.sampled)}"


_position: ContextVar[Position | None] = ContextVar("trace_position", default=None)
_inbound: ContextVar[str | None] = ContextVar("inbound_trace_header", default=None)
"""Trace header of the API request being served."""

_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


@dataclass
class Invocation:
    """One function invocation's part of a trace."""

    header: str | None
    """Value of the function's ``_X_AMZN_TRACE_ID``."""
    error: Document | None = None
    """The function's error object, where it failed."""
    init_span: tuple[float, float] | None = None
    """Start and end (epoch seconds) of its cold start, where it had one."""


def apply() -> None:
    """Propagate traces through Step Functions and Lambda, and emit their segments."""
    for service in (stepfunctions, lambda_svc):
        _remember_inbound_header(service)
    _trace_executions()
    for state in ("task", "map", "parallel", "pass", "choice", "wait"):
        _trace_state(f"_execute_{state}")
    _trace_map_items()


@contextmanager
def invocation(config: Document, request_id: str) -> Iterator[Invocation]:
    """Around one invocation: gives the header to hand over, emits both segments at the end."""
    caller = _position.get() or _parse(_inbound.get())
    active = (config.get("TracingConfig") or {}).get("Mode") == "Active"
    if not active or (caller is not None and not caller.sampled):
        yield Invocation(caller.header() if caller is not None else None)
        return
    if caller is None:
        caller = Position(_new_trace_id(), None)
    call_id, function_id = _new_id(), _new_id()
    started = time.time()
    running = Invocation(Position(caller.root, function_id).header())
    try:
        yield running
    finally:
        _emit_invocation(config, request_id, caller, (call_id, function_id), started, running)


def _emit_invocation(
    config: Document,
    request_id: str,
    caller: Position,
    ids: tuple[str, str],
    started: float,
    done: Invocation,
) -> None:
    call_id, function_id = ids
    ended = time.time()
    name, arn = config["FunctionName"], config["FunctionArn"]
    outcome = _failure(**done.error) if done.error is not None else {}
    span = {"trace_id": caller.root, "name": name, "end_time": ended, **outcome}
    call = {
        "id": call_id,
        "start_time": started,
        "origin": "AWS::Lambda",
        "resource_arn": arn,
        "aws": {"request_id": request_id, "resource_names": [name]},
        **({"parent_id": caller.parent} if caller.parent else {}),
    }
    code: Document = {
        "id": function_id,
        "parent_id": call_id,
        "start_time": done.init_span[1] if done.init_span else started,
        "origin": "AWS::Lambda::Function",
        "aws": {"function_arn": arn, "request_id": request_id, "resource_names": [name]},
    }
    if done.init_span:
        began, ready = done.init_span
        code["start_time"] = began
        part = {"id": _new_id(), "name": "Initialization", "start_time": began, "end_time": ready}
        code["subsegments"] = [part]
    _send({**call, **span})
    _send({**code, **span})


def _trace_executions() -> None:
    start, run = stepfunctions._start_execution, stepfunctions._run_execution

    def start_execution(data: Document) -> Any:
        position = _position_of_execution(data)
        token = _position.set(position)
        try:
            answer = start(data)  # its thread copies this context
        finally:
            _position.reset(token)
        return answer

    def run_execution(arn: str) -> None:
        position = _position.get()
        execution = stepfunctions._executions.get(arn)
        if position is None or execution is None:
            run(arn)
            return
        machine = execution["stateMachineArn"]
        segment = _Span(
            name=machine.rpartition(":")[2],
            position=position,
            extra={
                "origin": "AWS::StepFunctions::StateMachine",
                "resource_arn": machine,
                "aws": {"execution_arn": arn, "resource_names": [machine.rpartition(":")[2]]},
            },
        )
        with segment.open():
            run(arn)
            if execution["status"] not in ("SUCCEEDED", "RUNNING"):
                segment.fail(execution.get("error"), execution.get("cause"))

    stepfunctions._start_execution = start_execution
    stepfunctions._run_execution = run_execution


def _position_of_execution(data: Document) -> Position | None:
    """The place of a new execution in a trace; ``None`` where its state machine is not traced."""
    arn = stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", "").split("#")[0])
    machine = stepfunctions._state_machines.get(arn) if arn else None
    if machine is None or not (machine.get("tracingConfiguration") or {}).get("enabled"):
        return None
    given = _position.get() or _parse(_inbound.get()) or _parse(data.get("traceHeader"))
    return given or Position(_new_trace_id(), None)


def _trace_state(function: str) -> None:
    """One subsegment for each state that is executed, and everything it calls below it."""
    execute = getattr(stepfunctions, function)

    def traced(state: Document, *arguments: Any) -> Any:
        position, context = _position.get(), arguments[-1]
        if position is None:
            return execute(state, *arguments)
        span = _Span(context["State"]["Name"], position, {"type": "subsegment"})
        with span.open():
            return execute(state, *arguments)

    setattr(stepfunctions, function, traced)


def _trace_map_items() -> None:
    """One subsegment for each item of a Map, inline or distributed."""
    run = stepfunctions._run_sub_machine

    def traced(states: Any, start_at: Any, given: Any, execution: Any, context: Document) -> Any:
        position = _position.get()
        item = context.get("Map", {}).get("Item")
        if position is None or item is None:
            return run(states, start_at, given, execution, context)
        span = _Span(f"Iteration #{item['Index']}", position, {"type": "subsegment"})
        with span.open():
            return run(states, start_at, given, execution, context)

    stepfunctions._run_sub_machine = traced


@dataclass
class _Span:
    """A segment or subsegment that is sent when it opens and again when it closes."""

    name: str
    position: Position
    extra: Document
    outcome: Document = field(default_factory=dict)

    def fail(self, error: str | None, cause: str | None) -> None:
        """Mark it as failed."""
        self.outcome = _failure(error or "Unknown", cause or "")

    @contextmanager
    def open(self) -> Iterator[None]:
        """Send it around a piece of work, whose own work hangs below it meanwhile."""
        document = {
            "trace_id": self.position.root,
            "id": _new_id(),
            "name": self.name,
            "start_time": time.time(),
            **({"parent_id": self.position.parent} if self.position.parent else {}),
            **self.extra,
        }
        if not self.position.sampled:
            yield
            return
        _send({**document, "in_progress": True})
        token = _position.set(Position(self.position.root, document["id"]))
        try:
            yield
        except stepfunctions._ExecutionError as error:
            self.fail(error.error, error.cause)
            raise
        finally:
            _position.reset(token)
            _send({**document, **self.outcome, "end_time": time.time()})


def _remember_inbound_header(service: Any) -> None:
    handle: Callable[..., Any] = service.handle_request

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any
    ) -> Any:
        _inbound.set(headers.get("x-amzn-trace-id") or headers.get("X-Amzn-Trace-Id"))
        return await handle(method, path, headers, body, query)

    service.handle_request = handle_request


def _parse(header: str | None) -> Position | None:
    parts = dict(part.strip().partition("=")[::2] for part in (header or "").split(";"))
    if not parts.get("Root"):
        return None
    return Position(parts["Root"], parts.get("Parent"), parts.get("Sampled", "1") != "0")


def _failure(errorType: str = "Unknown", errorMessage: str = "", **_: Any) -> Document:  # noqa: N803
    """Fields of a segment that failed, from the keys of a Lambda error object."""
    message = str(errorMessage)[:_LONGEST_MESSAGE]
    exception = {"id": _new_id(), "type": errorType, "message": message}
    return {"fault": True, "cause": {"exceptions": [exception]}}


def _new_id() -> str:
    return os.urandom(8).hex()


def _new_trace_id() -> str:
    return f"1-{int(time.time()):08x}-{os.urandom(12).hex()}"


def _send(document: Document) -> None:
    host, _, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].rpartition(":")
    try:
        _socket.sendto(_DAEMON_HEADER + json.dumps(document).encode(), (host, int(port)))
    except OSError:
        return  # tracing never fails the traced
