"""Start an execution, follow it state by state, and read what happened.

Works from the execution's history alone, so it is the same against AWS and the laptop.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from etl.aws.target import Target
from telemetry import manifest

__all__ = [
    "Execution",
    "StateVisit",
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
    def seconds(self) -> float | None:
        """How long it took; ``None`` while it runs."""
        return (self.stopped - self.started).total_seconds() if self.stopped else None


@dataclass(frozen=True)
class StateVisit:
    """One visit of an execution to a state."""

    name: str
    entered: datetime
    exited: datetime | None
    retries: int
    error: str | None


def trace_header() -> str:
    """A new X-Ray trace header, sampled (format: X-Ray developer guide, "Tracing header")."""
    return f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=1"


def start(target: Target, payload: dict[str, Any] | None = None, name: str | None = None) -> str:
    """Start an execution and return its ARN. A name makes the call idempotent while it runs."""
    options: dict[str, Any] = {"name": name} if name else {}
    answer = target.client("stepfunctions").start_execution(
        stateMachineArn=target.outputs["StateMachineArn"],
        input=json.dumps(payload or {}),
        traceHeader=trace_header(),
        **options,
    )
    return str(answer["executionArn"])


def describe(target: Target, arn: str) -> Execution:
    """The execution now."""
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
    """ARN of an execution by its name (an ARN is passed through)."""
    if name.startswith("arn:"):
        return name
    return manifest.execution_arn(target.outputs["StateMachineArn"], name)


def follow(target: Target, arn: str) -> Iterator[tuple[Execution, list[StateVisit]]]:
    """The execution and its states, again and again, until it has ended (that is the last)."""
    while True:
        execution = describe(target, arn)
        yield execution, visits(target, arn)
        if execution.status != "RUNNING":
            return
        time.sleep(POLL_SECONDS)


def visits(target: Target, arn: str) -> list[StateVisit]:
    """States visited so far, in order, with retries and the last error of each."""
    return _visits_of(history(target, arn))


def history(target: Target, arn: str) -> list[dict[str, Any]]:
    """Every event so far, oldest first, as GetExecutionHistory has them."""
    events: list[dict[str, Any]] = []
    pages = target.client("stepfunctions").get_paginator("get_execution_history")
    for page in pages.paginate(executionArn=arn):
        events += page["events"]
    return events


def _visits_of(events: list[dict[str, Any]]) -> list[StateVisit]:
    found: list[dict[str, Any]] = []
    for event in events:
        kind = event["type"]
        if kind.endswith("StateEntered"):
            name = event["stateEnteredEventDetails"]["name"]
            found.append({"name": name, "entered": event["timestamp"], "exited": None})
        elif kind.endswith("StateExited"):
            name = event["stateExitedEventDetails"]["name"]
            for visit in reversed(found):
                if visit["name"] == name and visit["exited"] is None:
                    visit["exited"] = event["timestamp"]
                    break
        elif found and kind.endswith(("Failed", "TimedOut")):
            found[-1].setdefault("errors", []).append(_error_of(event))
    return [
        StateVisit(
            v["name"],
            v["entered"],
            v["exited"],
            # The last failure is a retry too when the state got past it.
            retries=max(0, len(v.get("errors", [])) - (v["exited"] is None)),
            error=v["errors"][-1] if v.get("errors") else None,
        )
        for v in found
    ]


def _error_of(event: dict[str, Any]) -> str:
    for key, details in event.items():
        if key.endswith("EventDetails") and isinstance(details, dict) and "error" in details:
            return str(details["error"])
    return str(event["type"])
