"""Starts an execution, follows it state by state, and reads its result.

Reads only the execution's history, so it works the same on AWS and on the local stack.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from etl.aws.target import Target
from etl.pictures.history import StateVisit, read_visits
from telemetry import manifest

if TYPE_CHECKING:
    from types_boto3_stepfunctions.type_defs import HistoryEventTypeDef

__all__ = [
    "Execution",
    "follow",
    "history",
    "latest",
    "start",
    "visits",
]

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Execution:
    """An execution as Step Functions describes it."""

    arn: str
    name: str
    status: str
    """RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED."""
    started: datetime
    stopped: datetime | None
    input: dict[str, Any]
    output: dict[str, Any] | None
    error: str | None
    cause: str | None

    @property
    def changed(self) -> datetime:
        """Its end, or its start while it is running."""
        return self.stopped or self.started

    @property
    def seconds(self) -> float | None:
        """Duration of the execution; ``None`` while it is running."""
        return (self.stopped - self.started).total_seconds() if self.stopped else None


def trace_header() -> str:
    """A new X-Ray trace header, sampled (format: X-Ray developer guide, "Tracing header")."""
    return f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=1"


def start(target: Target, payload: dict[str, Any] | None = None, name: str | None = None) -> str:
    """Start an execution and return its ARN.

    With a name the call is idempotent while the execution is running.
    """
    options: dict[str, Any] = {"name": name} if name else {}
    answer = target.client("stepfunctions").start_execution(
        stateMachineArn=target.outputs["StateMachineArn"],
        input=json.dumps(payload or {}),
        traceHeader=trace_header(),
        **options,
    )
    return str(answer["executionArn"])


def describe(target: Target, arn: str) -> Execution:
    """The current state of an execution."""
    found = target.client("stepfunctions").describe_execution(executionArn=arn)
    output = found.get("output")
    return Execution(
        arn=arn,
        name=found["name"],
        status=found["status"],
        started=found["startDate"],
        stopped=found.get("stopDate"),
        input=json.loads(found.get("input") or "{}"),
        output=json.loads(output) if output else None,
        error=found.get("error"),
        cause=found.get("cause"),
    )


def latest(target: Target, most: int = 20) -> list[Execution]:
    """The newest executions, newest first, without input and output."""
    found = target.client("stepfunctions").list_executions(
        stateMachineArn=target.outputs["StateMachineArn"], maxResults=most
    )["executions"]
    return [
        Execution(
            e["executionArn"],
            e["name"],
            e["status"],
            e["startDate"],
            e.get("stopDate"),
            {},
            None,
            None,
            None,
        )
        for e in found
    ]


def execution_arn(target: Target, name: str) -> str:
    """The ARN of an execution with this name; an ARN is returned as it is."""
    if name.startswith("arn:"):
        return name
    return manifest.execution_arn(target.outputs["StateMachineArn"], name)


def follow(target: Target, arn: str) -> Iterator[tuple[Execution, list[StateVisit]]]:
    """Yields the execution and its visits to states, until it has ended."""
    while True:
        execution = describe(target, arn)
        yield execution, visits(target, arn)
        if execution.status != "RUNNING":
            return
        time.sleep(POLL_SECONDS)


def visits(target: Target, arn: str) -> list[StateVisit]:
    """The visits to states so far, in order, with the retries and the last error of each."""
    return read_visits(history(target, arn))


def history(target: Target, arn: str) -> list[HistoryEventTypeDef]:
    """All events so far, oldest first, as GetExecutionHistory returns them."""
    events: list[HistoryEventTypeDef] = []
    pages = target.client("stepfunctions").get_paginator("get_execution_history")
    for page in pages.paginate(executionArn=arn):
        events += page["events"]
    return events
