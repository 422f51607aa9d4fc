"""The three interpreters of the definition, behind one call."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from local.die_with_parent import die_with_parent
from tests.interpreters.adaptations import adapted
from tests.interpreters.pipeline import Pipeline, Run
from tests.interpreters.results import Result, attempts_of

__all__ = ["EmulatorInterpreter", "Interpreter", "ProgramInterpreter"]

LONGEST_EXECUTION = 240.0
"""Seconds; a busy machine takes a tenth of them."""


class Interpreter(Protocol):
    """Runs the pipeline's state machine."""

    def execute(self, run: Run, given: Any) -> Result:
        """Run one execution to its end."""
        ...


class EmulatorInterpreter:
    """The emulator, as the laptop runs it."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._client = pipeline.client("stepfunctions")

    def execute(self, run: Run, given: Any) -> Result:
        """Start it, and read its history and those of its batches."""
        arn = self._pipeline.start_execution(given, run.name)
        until = time.monotonic() + LONGEST_EXECUTION
        while (answer := self._client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < until, f"{run.name} does not end"
            time.sleep(0.05)
        histories = [self._history(arn), *map(self._history, self._children(arn))]
        return Result.of(answer, run, attempts_of(histories))

    def _children(self, arn: str) -> Iterator[str]:
        for map_run in self._client.list_map_runs(executionArn=arn)["mapRuns"]:
            found = self._client.list_executions(mapRunArn=map_run["mapRunArn"], maxResults=1000)
            yield from (child["executionArn"] for child in found["executions"])

    def _history(self, arn: str) -> list[dict[str, Any]]:
        answer = self._client.get_execution_history(executionArn=arn, maxResults=1000)
        events: list[dict[str, Any]] = answer["events"]
        return events


class ProgramInterpreter:
    """An interpreter in a process of its own, which takes and answers one line of JSON a run."""

    def __init__(self, name: str, command: list[str], pipeline: Pipeline, log: Path) -> None:
        self._pipeline = pipeline
        self._definition = adapted(pipeline.definition(), name)
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                die_with_parent(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def execute(self, run: Run, given: Any) -> Result:
        """Run the definition as it is adapted to the interpreter."""
        answer = self.ask(run, given, self._definition)
        assert "problem" not in answer, answer["problem"]
        return Result.of(answer, run, answer["attempts"])

    def ask(self, run: Run, given: Any, definition: dict[str, Any]) -> dict[str, Any]:
        """Hand a definition over, and wait for the answer; pytest's time-out ends a vain wait."""
        target = self._pipeline.target
        assert target.local is not None
        question = {
            "definition": definition,
            "input": given,
            "name": run.name,
            "machine": target.outputs["StateMachineArn"],
            "endpoint": target.local.endpoint_url,
            "token": target.local.session_token,
            "region": target.region,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"it ended:\n{self._log.read_text()[-4000:]}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
