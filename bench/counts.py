"""Counts of transitions, requests and log lines in a recorded run: the figures behind ``etl cost``.

Usage: ``python -m bench.counts``; ``--print`` writes no file. The pipeline runs for real on this
machine's stand-ins, started in each way that it can be: by the queue's mapping, by the schedule
(with one batch, with three, and with an empty queue) and, where the workflow has it, as a loop of
drains. Recorded are, for each part of an execution (:mod:`bench.tally`), Standard transitions,
children of the map, requests to S3 by kind, invocations and the events that Step Functions logs;
for each function its requests and the bytes that it logs; for the sweep its lists. They are written
to ``etl/cost/recorded.json``.

Not recorded: durations, which AWS alone can tell, and what Lambda itself logs
(:mod:`etl.cost.platform_lines`).
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import messages
from bench.counted_stack import CountedStack, counted_stack
from bench.tally import NotAdditiveError, Tally, batch_part, loop_parts, minus, tally
from etl.aws.s3 import listed
from etl.operations.executions import follow, history, latest, start
from telemetry import layout

__all__ = ["OUTPUT", "Recorder", "has_loop", "record"]

OUTPUT = Path(__file__).parents[1] / "etl" / "cost" / "recorded.json"
MESSAGES, EACH = 60, 10
"""Messages of a batch, and readings in each."""
BATCHES = 3
EVERY = 6
"""Seconds between two drains of a recorded loop."""
IN_THE_WORKFLOW = ("extract", "stage", "transform", "validate", "load", "summarize")
OF_THE_QUEUE = ("ReceiveMessage", "DeleteMessageBatch")
WAIT_SECONDS = 180.0
DAYS = 20
"""Days of batches that a sweep finds; it looks at fewer."""


def has_loop(definition: dict[str, Any]) -> bool:
    """True if an execution of this workflow can drain the queue several times."""
    return any(state["Type"] == "Wait" for state in definition["States"].values())


class Recorder:
    """Runs executions one at a time, and counts each."""

    def __init__(self, stack: CountedStack) -> None:
        self.stack = stack
        self.requests: dict[str, Counter[str]] = {}
        self.logged: dict[str, Counter[str]] = {}

    @property
    def definition(self) -> dict[str, Any]:
        """The state machine's definition, as deployed."""
        machine = self.stack.target.outputs["StateMachineArn"]
        found = self.stack.client("stepfunctions").describe_state_machine(stateMachineArn=machine)
        definition: dict[str, Any] = json.loads(found["definition"])
        return definition

    def scheduled(self, count: int, given: dict[str, Any] | None = None) -> Tally:
        """Counts of an execution that drains so many messages, as the schedule starts one."""
        self.stack.take()
        if count:
            self.stack.send(count, EACH)
        return self._finished(start(self.stack.target, given))

    def in_batches_of(self, most: int | None) -> None:
        """Let Extract close a batch at so many messages; ``None``: as deployed."""
        functions, name = self.stack.client("lambda"), f"{self.stack.target.stack}-extract"
        now = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        now.pop("BATCH_MESSAGES", None)
        extra = {} if most is None else {"BATCH_MESSAGES": str(most)}
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": {**now, **extra}}
        )

    def delivered(self, count: int) -> Tally:
        """Counts of the one execution that the queue's mapping starts for so many messages."""
        before = {execution.name for execution in latest(self.stack.target, 100)}
        self.stack.take()
        self.stack.send(count, EACH)
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            new = [one for one in latest(self.stack.target, 100) if one.name not in before]
            if new:
                return self._finished(new[0].arn)
            time.sleep(0.2)
        raise AssertionError("the mapping started no execution")

    def looped(self, busy: int, drains: int) -> tuple[tuple[int, int], Tally]:
        """Counts of a loop whose first drains find messages, and how many of its drains did."""
        self.stack.take()
        if busy:
            self.stack.send(MESSAGES, EACH)
        given = {"drains": {"scheduled": "now", "every": EVERY, "seconds": EVERY * drains}}
        arn = start(self.stack.target, given)
        for number in range(1, busy):
            self._until(lambda number=number: _entered(self._history(arn), "Wait") >= number)
            self.stack.send(MESSAGES, EACH)
        found = self._finished(arn)
        events = self._history(arn)
        loaded = _entered(events, "Map")
        extracts = sum(_name(event) == "Extract" for event in events)
        return (loaded, extracts - loaded), found

    def bytes_a_call(self, name: str) -> int:
        """Bytes that a call of the function logged in the last execution, without Lambda's."""
        return round(self.logged[name]["bytes"] / self.logged[name]["calls"])

    def fill_days(self) -> None:
        """Put a settled batch under each of the days that a sweep may look at."""
        client, bucket = self.stack.client("s3"), self.stack.target.bucket
        raw = next(o["Key"] for o in listed(client, bucket, layout.RAW))
        outcomes = layout.outcomes_prefix(raw)
        outcome = next(o["Key"] for o in listed(client, bucket, outcomes))
        day = f"{datetime.now(UTC):%Y/%m/%d}"
        assert day in raw
        for back in range(1, DAYS + 1):
            other = f"{datetime.now(UTC) - timedelta(days=back):%Y/%m/%d}"
            for key in (raw, outcome):
                source = {"Bucket": bucket, "Key": key}
                client.copy_object(Bucket=bucket, Key=key.replace(day, other), CopySource=source)

    def sweeps(self) -> list[dict[str, Any]]:
        """The schedules of the sweep: how often, and the lists of a first and of a later sweep."""
        scheduler, found = self.stack.client("scheduler"), []
        arn = self.stack.client("lambda").get_function_configuration(
            FunctionName=f"{self.stack.target.stack}-sweep"
        )["FunctionArn"]
        for one in scheduler.list_schedules()["Schedules"]:
            schedule = scheduler.get_schedule(Name=one["Name"])
            if schedule["Target"]["Arn"] == arn:
                lists = [self._lists(arn, schedule["Target"].get("Input") or "{}") for _ in "ab"]
                found.append({"every": schedule["ScheduleExpression"], "lists": lists})
        return found

    def _lists(self, arn: str, given: str) -> int:
        self.stack.take()
        answer = self.stack.client("lambda").invoke(FunctionName=arn, Payload=given.encode())
        assert "FunctionError" not in answer, answer["Payload"].read()
        requests, _ = self.stack.take()
        return requests["sweep"]["ListObjectsV2"]

    def _history(self, arn: str) -> list[Any]:
        return list(history(self.stack.target, arn))

    def _until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not reached():
            if time.monotonic() > deadline:
                raise AssertionError("the execution did not go on")
            time.sleep(0.2)

    def _finished(self, arn: str) -> Tally:
        *_, (execution, _) = follow(self.stack.target, arn)
        assert execution.status == "SUCCEEDED", execution
        requests, logged = self.stack.take()
        children = [list(self._history(child)) for child in self._children(arn)]
        self.requests = requests
        self.logged = logged
        return tally(self.definition, self._history(arn), children, requests)

    def _children(self, arn: str) -> list[str]:
        client = self.stack.client("stepfunctions")
        return [
            child["executionArn"]
            for run in client.list_map_runs(executionArn=arn)["mapRuns"]
            for page in client.get_paginator("list_executions").paginate(mapRunArn=run["mapRunArn"])
            for child in page["executions"]
        ]


def _name(event: dict[str, Any]) -> str:
    return str(event.get("stateEnteredEventDetails", {}).get("name", ""))


def _entered(events: list[dict[str, Any]], kind: str) -> int:
    return sum(event["type"] == f"{kind}StateEntered" for event in events)


def record(stack: CountedStack) -> dict[str, Any]:
    """All counts, as the file has them; :class:`NotAdditiveError` where they don't add up."""
    recorder = Recorder(stack)
    idle = recorder.scheduled(0)
    empty = recorder.requests["extract"]["ReceiveMessage"]
    one = recorder.scheduled(MESSAGES)
    requests = recorder.requests
    logged = {name: recorder.bytes_a_call(name) for name in requests}
    recorder.in_batches_of(MESSAGES)
    batch = batch_part(one, recorder.scheduled(BATCHES * MESSAGES))
    larger = recorder.requests["extract"]
    recorder.in_batches_of(None)
    starts: dict[str, Any] = {
        "schedule": {"execution": minus(one, batch), "idle_execution": idle},
    }
    if has_loop(recorder.definition):
        starts["drain"] = _loop(recorder, batch)
    recorder.fill_days()
    found = {"batch": batch, "sweeps": recorder.sweeps()}
    stack.deploy(trigger_mode="queue", queue_window_seconds=5, **_by_mapping(stack))
    starts["mapping"] = {"execution": minus(recorder.delivered(MESSAGES), batch)}
    requests = {**requests, "stage": recorder.requests["stage"]}
    logged["stage"] = recorder.bytes_a_call("stage")
    functions = _per_call(requests, larger, logged)
    return {**found, "empty_receives": empty, "starts": starts, "functions": functions}


def _by_mapping(stack: CountedStack) -> dict[str, Any]:
    """The setting that lets the event source mapping deliver, where there is a choice."""
    return {"queue_delivery": "mapping"} if hasattr(stack.settings, "queue_delivery") else {}


def _loop(recorder: Recorder, batch: Tally) -> dict[str, Tally]:
    runs = dict([recorder.looped(1, 2), recorder.looped(1, 4), recorder.looped(2, 3)])
    if sorted(busy for busy, _ in runs) != [1, 1, 2]:
        raise NotAdditiveError(f"the loops drained otherwise than was meant: {sorted(runs)}")
    execution, drain, idle = loop_parts(runs, batch)
    (_, drains), nothing = recorder.looped(0, 2)
    return {
        "execution": execution,
        "drain": drain,
        "idle_drain": idle,
        "idle_execution": minus(nothing, idle, times=drains),
    }


def _per_call(
    requests: dict[str, Counter[str]], larger: Counter[str], logged: dict[str, int]
) -> dict[str, Any]:
    """Requests of each function for a call and for a message, and the bytes of its log.

    ``larger``: Extract's requests of a drain with more batches of the same size.
    """
    found: dict[str, Any] = {}
    for name in IN_THE_WORKFLOW:
        lines = {}
        for operation, number in sorted(requests[name].items()):
            if operation == "GetSecretValue":  # once for each process
                continue
            each = 0.0
            if name == "extract" and operation in OF_THE_QUEUE:
                each = round((larger[operation] - number) / ((BATCHES - 1) * MESSAGES), 3)
            call = max(0, round(number - each * MESSAGES))
            lines[operation] = {"call": call, "message": each}
        found[name] = {"requests": lines, "logged_bytes": logged[name]}
    return found


def main(*, write: bool) -> None:
    """Record the counts and write the file, or print it."""
    with (
        TemporaryDirectory(prefix="etl-bench-", ignore_cleanup_errors=True) as folder,
        counted_stack(Path(folder) / "state") as stack,
    ):
        found = record(stack)
    before = json.loads(OUTPUT.read_text()) if OUTPUT.exists() else {"starts": {}}
    if "drain" not in found["starts"] and "drain" in before["starts"]:
        found["starts"]["drain"] = before["starts"]["drain"]  # of the design, until there is a loop
    document = {
        "recorded": datetime.now(UTC).date().isoformat(),
        "by": "python -m bench.counts",
        "contract": messages.CONTRACT.name,
        "messages": MESSAGES,
        "readings_per_message": EACH,
        **found,
    }
    text = json.dumps(document, indent=2) + "\n"
    if write:
        OUTPUT.write_text(text)
    print(text)


if __name__ == "__main__":
    main(write="--print" not in sys.argv)
