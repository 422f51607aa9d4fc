"""Small functions and state machines, deployed to the emulator of the session and named uniquely."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

ROLE = "arn:aws:iam::000000000000:role/any"
RUNTIME = "python3.13"
LAST_EVENTS = {f"Execution{end}" for end in ("Succeeded", "Failed", "Aborted", "TimedOut")}


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def function(emulator: Any) -> Callable[..., str]:
    """Deploy a function from its source text; returns its ARN."""
    client = emulator.client("lambda")

    def deploy(source: str, **settings: Any) -> str:
        answer = client.create_function(
            FunctionName=f"f-{uuid.uuid4().hex[:10]}",
            Runtime=RUNTIME,
            Role=ROLE,
            Handler="module.handle",
            Code={"ZipFile": zipped({"module.py": source, **settings.pop("files", {})})},
            Timeout=settings.pop("Timeout", 120),
            **settings,
        )
        return str(answer["FunctionArn"])

    return deploy


@pytest.fixture(scope="session")
def call(emulator: Any) -> Callable[..., Any]:
    """Invoke a function; returns (error kind or None, payload)."""
    client = emulator.client("lambda")

    def invoke(arn: str, event: Any = None) -> tuple[str | None, Any]:
        answer = client.invoke(FunctionName=arn, Payload=json.dumps(event))
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    return invoke


@pytest.fixture(scope="session")
def machine(emulator: Any) -> Callable[..., str]:
    """Deploy a state machine; returns its ARN."""
    client = emulator.client("stepfunctions")

    def deploy(definition: dict[str, Any], *, traced: bool = False) -> str:
        answer = client.create_state_machine(
            name=f"m-{uuid.uuid4().hex[:10]}",
            definition=json.dumps(definition),
            roleArn=ROLE,
            tracingConfiguration={"enabled": traced},
        )
        return str(answer["stateMachineArn"])

    return deploy


@pytest.fixture(scope="session")
def finished(emulator: Any) -> Callable[[str], dict[str, Any]]:
    """Wait for an execution to end; returns its description."""
    client = emulator.client("stepfunctions")

    def has_last_event(arn: str) -> bool:
        last = client.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=1)
        return last["events"][0]["type"] in LAST_EVENTS

    def wait(arn: str) -> dict[str, Any]:
        deadline = time.monotonic() + 120
        while True:
            execution: dict[str, Any] = client.describe_execution(executionArn=arn)
            # The emulator sets the status first and writes the last event then.
            if execution["status"] != "RUNNING" and has_last_event(arn):
                return execution
            assert time.monotonic() < deadline, f"still running: {arn}"
            time.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def run(emulator: Any, finished: Callable[[str], dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Start an execution and wait for its end; returns its description."""
    client = emulator.client("stepfunctions")

    def execute(arn: str, given: Any = None, **settings: Any) -> dict[str, Any]:
        started = client.start_execution(
            stateMachineArn=arn, input=json.dumps(given if given is not None else {}), **settings
        )
        return finished(started["executionArn"])

    return execute
