from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl.operations.executions import Execution
from etl.pictures.progress import ExecutionProgress, ItemCounts, progress_from
from etl.pictures.states import read_machine
from tests.unit.etl.pictures.machines import ours, task

T0 = datetime(2026, 11, 1, tzinfo=UTC)
MACHINE = read_machine(ours())


def event(kind: str, seconds: float, **details: Any) -> dict[str, Any]:
    return {"type": kind, "timestamp": T0 + timedelta(seconds=seconds), **details}


def entered(name: str, seconds: float) -> dict[str, Any]:
    return event("TaskStateEntered", seconds, stateEnteredEventDetails={"name": name})


def exited(name: str, seconds: float) -> dict[str, Any]:
    return event("TaskStateExited", seconds, stateExitedEventDetails={"name": name})


def failed(error: str, seconds: float, cause: str = "") -> dict[str, Any]:
    details = {"error": error, "cause": cause}
    return event("TaskFailed", seconds, taskFailedEventDetails=details)


def told(status: str, *events: dict[str, Any], **more: Any) -> ExecutionProgress:
    stopped = None if status == "RUNNING" else T0 + timedelta(seconds=9)
    execution = Execution("arn:x:run", "run", status, T0, stopped, {}, None, None, None)
    return progress_from(MACHINE, execution, events, **more)


def test_a_state_that_was_left_succeeded_and_has_its_duration() -> None:
    extract = told("RUNNING", entered("Extract", 0), exited("Extract", 1.5)).steps["Extract"]
    assert (extract.status, extract.seconds, extract.retries) == ("succeeded", 1.5, 0)


def test_a_failure_that_a_later_attempt_fixed_is_a_retry() -> None:
    extract = told(
        "RUNNING",
        entered("Extract", 0),
        event("TaskScheduled", 0),
        failed("QueueUnavailableError", 1),
        event("TaskScheduled", 2),
        event("TaskSucceeded", 3),
        exited("Extract", 3),
    ).steps["Extract"]
    assert (extract.status, extract.retries) == ("succeeded", 1)


def test_a_failure_that_was_caught_says_so_and_why() -> None:
    progress = told(
        "RUNNING",
        entered("Extract", 0),
        event("TaskScheduled", 0),
        failed("ConfigurationError", 1, '{"errorMessage": "No queue.", "stackTrace": []}'),
        exited("Extract", 1),
        entered("Notify: error", 1),
    )
    extract = progress.steps["Extract"]
    assert (extract.status, extract.error, extract.cause) == (
        "caught",
        "ConfigurationError",
        "No queue.",
    )
    assert ("Extract", "Notify: error") in progress.taken
    assert progress.steps["Notify: error"].status == "running"


@pytest.mark.parametrize(
    ("execution", "state"),
    [
        ("RUNNING", "running"),
        ("FAILED", "failed"),
        ("TIMED_OUT", "stopped"),
        ("ABORTED", "stopped"),
    ],
)
def test_the_state_that_was_not_left_is_as_the_execution(execution: str, state: str) -> None:
    progress = told(execution, entered("Extract", 0))
    assert (progress.status, progress.steps["Extract"].status) == (state, state)


def test_a_state_not_reached_is_not_in_it() -> None:
    assert "Summarize" not in told("RUNNING", entered("Extract", 0)).steps


def test_several_visits_are_added_up() -> None:
    extract = told(
        "RUNNING",
        *(e for t in (0, 10) for e in (entered("Extract", t), exited("Extract", t + 2))),
    ).steps["Extract"]
    assert (extract.visits, extract.seconds) == (2, 4.0)


def run(**counts: int) -> dict[str, Any]:
    zero = dict.fromkeys(("pending", "running", "succeeded", "failed", "timedOut", "aborted"), 0)
    return {"mapRunArn": "arn:mapRun:telemetry/Batches:1", "itemCounts": {**zero, **counts}}


def test_a_map_has_counts_of_its_items_whatever_became_of_them() -> None:
    progress = told(
        "RUNNING",
        entered("Load batches", 0),
        map_runs=[run(succeeded=5, failed=1, timedOut=1, aborted=1, running=2, pending=4)],
    )
    assert progress.steps["Load batches"].counts == ItemCounts(5, 3, 2, 4)
    assert progress.steps["Batch failed"].visits == 3


def test_a_run_of_another_map_is_not_taken_for_it() -> None:
    other = {**run(succeeded=9), "mapRunArn": "arn:mapRun:telemetry/Other:2", "startDate": "2"}
    progress = told("RUNNING", entered("Load batches", 0), map_runs=[run(succeeded=5), other])
    assert progress.steps["Load batches"].counts == ItemCounts(5)


def test_a_map_in_a_loop_has_the_items_of_all_its_visits() -> None:
    events = [
        event
        for t in (0, 10)
        for event in (entered("Load batches", t), exited("Load batches", t + 2))
    ]
    runs = [run(succeeded=5, failed=1), {**run(succeeded=2), "startDate": "2"}]
    loaded = told("RUNNING", *events, map_runs=runs).steps["Load batches"]
    assert (loaded.visits, loaded.counts) == (2, ItemCounts(7, 1))
    # Entered once, it is a retry, which runs every item again.
    once = told("RUNNING", *events[:2], map_runs=runs).steps["Load batches"]
    assert once.counts == ItemCounts(2)


def span(name: str, depth: int, end: float = 1.0, **fields: Any) -> dict[str, Any]:
    return {"name": name, "depth": depth, "start": 0.0, "end": end, "fault": False, **fields}


SPANS = [
    span("telemetry", 0),
    span("Load batches", 1),
    span("Iteration #0", 2),
    span("Transform", 3, 0.4),
    span("telemetry-transform", 4),
    span("Validate", 3, 0.1),
    span("telemetry-validate", 4),
    span("Load", 3, 0.9),
    span("telemetry-load", 4, fault=True, error="DatabaseBusyError"),
    span("telemetry-load", 4),
    span("Iteration #1", 2, fault=True),
    span("Transform", 3, 0.2),
    span("telemetry-transform", 4, fault=True, error="BatchCorruptError", cause="not gzip"),
    span("Record failure", 3),
    span("Iteration #2", 2, running=True),
    span("Transform", 3, running=True),
]


def test_the_trace_says_what_the_steps_inside_a_map_did() -> None:
    steps = told("RUNNING", entered("Load batches", 0), spans=SPANS).steps
    transform, load = steps["Transform"], steps["Load"]
    assert transform.counts == ItemCounts(succeeded=1, failed=1, running=1)
    assert (transform.status, transform.error, transform.cause) == (
        "running",
        "BatchCorruptError",
        "not gzip",
    )
    assert (load.status, load.retries, load.seconds) == ("succeeded", 1, 0.9)


def test_the_ways_inside_a_map_are_those_that_an_item_went() -> None:
    taken = told("RUNNING", entered("Load batches", 0), spans=SPANS).taken
    assert {
        ("Transform", "Validate"),
        ("Validate", "Load"),
        ("Transform", "Record failure"),
    } <= taken
    assert ("Load", "Record failure") not in taken


def test_an_error_that_nothing_catches_is_a_failure_of_the_step() -> None:
    spans = [span("Load", 0), span("telemetry-load", 1, fault=True, error="Boom")]
    inner = {"StartAt": "Load", "States": {"Load": task(End=True)}}
    each = {"Type": "Map", "End": True, "ItemProcessor": inner}
    machine = read_machine({"StartAt": "Each", "States": {"Each": each}})
    execution = Execution("arn:x:run", "run", "FAILED", T0, T0, {}, None, None, None)
    found = progress_from(machine, execution, [entered("Each", 0)], spans=spans)
    assert (found.steps["Load"].status, found.steps["Load"].error) == ("failed", "Boom")


def test_without_a_trace_the_counts_of_the_map_remain() -> None:
    steps = told("SUCCEEDED", entered("Load batches", 0), map_runs=[run(succeeded=2)]).steps
    assert steps["Load batches"].counts == ItemCounts(2)
    assert "Transform" not in steps
