"""One execution drains the queue window by window: each reading once, few transitions, one end."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl.aws.target import Target
from etl.cli.sweep import invoke_sweep
from etl.deployment.laptop import bring_up
from etl.operations.batches import manifest_of
from etl.operations.executions import describe, execution_arn, follow, history, latest, start
from etl.operations.pictures import draw_execution
from etl.operations.publishing import FleetPlan, simulate
from tests.end_to_end.conftest import account, killing_one, shorten_grace

pytestmark = pytest.mark.timeout(900)

CONTRACT = "contracts/fleet.toml"
TRIGGER = "schedule"
PLAN = FleetPlan(
    devices=4, rate=0, duration=1, readings_per_message=10, mess=0.05, seed=19, least=50
)
EVERY = 3


@pytest.fixture(autouse=True)
def an_empty_queue(pipeline: Target) -> Iterator[None]:
    yield
    if account(pipeline, 0).queued:
        list(follow(pipeline, start(pipeline)))


def loop(target: Target, seconds: float, name: str | None = None) -> str:
    return start(target, {"drains": {"every": EVERY, "seconds": seconds}}, name)


def visits(target: Target, arn: str) -> list[str]:
    entered = (event.get("stateEnteredEventDetails") for event in history(target, arn))
    return [details["name"] for details in entered if details]


def children(target: Target, arn: str) -> int:
    client = target.client("stepfunctions")
    runs = client.list_map_runs(executionArn=arn)["mapRuns"]
    counts = [client.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"] for run in runs]
    return sum(count["total"] for count in counts)


def drains(names: list[str]) -> list[list[str]]:
    """The states of each drain, which begins with its Wait, or for the first one with Extract."""
    found: list[list[str]] = [[]]
    for name in names[1:]:
        if name == "Wait for the next drain":
            found.append([])
        found[-1].append(name)
    return found


def test_messages_of_several_windows_are_rows_by_one_execution(pipeline: Target) -> None:
    before = len(latest(pipeline, 100))
    rows = account(pipeline).rows
    arn = loop(pipeline, 6 * EVERY)
    for _ in range(3):
        receipt = simulate(pipeline, pipeline.contract, PLAN)
        rows += receipt.rows
        time.sleep(EVERY)
    *_, (execution, _) = follow(pipeline, arn)
    assert execution.status == "SUCCEEDED", execution
    found = account(pipeline)
    assert found.problems() == []
    assert found.rows == rows
    assert len(latest(pipeline, 100)) == before + 1

    each = drains(visits(pipeline, arn))
    assert 5 <= len(each) <= 7
    with_batches = [names for names in each if any("Load" in name for name in names)]
    assert len(with_batches) >= 3
    body = json.loads(execution.output or "{}") if isinstance(execution.output, str) else {}
    assert body.get("failed", 0) == 0
    assert len(manifest_of(pipeline, execution.name)) == children(pipeline, arn)


def test_a_drain_costs_five_transitions_with_a_batch_and_three_without(pipeline: Target) -> None:
    """A transition is a state entered or a child of the map started: etl.cost counts with it."""
    simulate(pipeline, pipeline.contract, PLAN)
    arn = loop(pipeline, 4 * EVERY)
    *_, (execution, _) = follow(pipeline, arn)
    assert execution.status == "SUCCEEDED", execution
    first, *later = drains(visits(pipeline, arn))
    assert first == ["Extract", "Anything staged?", "Load drained batches"]
    *idle, last = later
    assert idle
    for names in idle:
        assert names == ["Wait for the next drain", "Extract", "Anything staged?"]
    assert last == [
        "Wait for the next drain", "Extract", "Anything staged?",
        "Summarize", "How did it end?", "All loaded",
    ]  # fmt: skip
    assert children(pipeline, arn) == 1


def test_a_start_before_its_interval_costs_two_transitions_more(pipeline: Target) -> None:
    """EventBridge Scheduler usually starts in the minute before: the loop waits until it begins."""
    simulate(pipeline, pipeline.contract, PLAN)
    begin = datetime.now(UTC) + timedelta(seconds=5)
    scheduled = (begin - timedelta(seconds=60)).isoformat()
    given = {"drains": {"scheduled": scheduled, "every": EVERY, "seconds": EVERY}}
    arn = start(pipeline, given)
    *_, (execution, _) = follow(pipeline, arn)
    assert execution.status == "SUCCEEDED", execution
    early, drain = drains(visits(pipeline, arn))
    assert early == ["Extract", "Anything staged?"]
    assert drain[:3] == ["Wait for the next drain", "Extract", "Anything staged?"]
    assert drain[3:] == ["Load batches", "Summarize", "How did it end?", "All loaded"]
    loads = (e for e in history(pipeline, arn) if e["type"] == "MapStateEntered")
    assert next(loads)["timestamp"] >= begin


def test_a_loop_without_messages_has_nothing_to_do(pipeline: Target) -> None:
    arn = loop(pipeline, 2 * EVERY)
    *_, (execution, _) = follow(pipeline, arn)
    assert execution.status == "SUCCEEDED"
    assert visits(pipeline, arn)[-1] == "Nothing to do"
    assert manifest_of(pipeline, execution.name) == []


def test_the_picture_of_a_loop_counts_its_visits(pipeline: Target) -> None:
    simulate(pipeline, pipeline.contract, PLAN)
    arn = loop(pipeline, 3 * EVERY)
    list(follow(pipeline, arn))
    svg = draw_execution(pipeline, arn).svg
    assert "Load drained batches" in svg
    assert "Wait for the next drain" in svg
    assert Counter(visits(pipeline, arn))["Extract"] >= 3


def test_two_loops_at_once_share_the_messages(pipeline: Target) -> None:
    rows = account(pipeline).rows
    both = [loop(pipeline, 3 * EVERY), loop(pipeline, 3 * EVERY)]
    for _ in range(2):
        rows += simulate(pipeline, pipeline.contract, PLAN).rows
        time.sleep(EVERY)
    for arn in both:
        *_, (execution, _) = follow(pipeline, arn)
        assert execution.status == "SUCCEEDED", execution
    found = account(pipeline)
    assert (found.problems(), found.rows) == ([], rows)


def test_killing_extract_in_the_middle_of_a_loop_loses_nothing(pipeline: Target) -> None:
    arn = loop(pipeline, 6 * EVERY)
    deadline = time.monotonic() + 60
    with killing_one(pipeline, "extract") as killed:
        while not killed and time.monotonic() < deadline:
            simulate(pipeline, pipeline.contract, PLAN)
            if describe(pipeline, arn).status != "RUNNING":
                arn = loop(pipeline, 6 * EVERY)
    assert killed
    *_, (execution, _) = follow(pipeline, arn)
    assert execution.status == "SUCCEEDED", execution
    deadline = time.monotonic() + 120
    while account(pipeline, 0).queued and time.monotonic() < deadline:
        *_, (execution, _) = follow(pipeline, start(pipeline))
    assert account(pipeline).problems() == []


def test_what_a_stopped_loop_leaves_is_loaded_by_the_sweep(pipeline: Target) -> None:
    simulate(pipeline, pipeline.contract, PLAN)
    arn = loop(pipeline, 20 * EVERY, "stopped-loop")
    client = pipeline.client("stepfunctions")
    deadline = time.monotonic() + 60
    while not manifest_of(pipeline, "stopped-loop"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    client.stop_execution(executionArn=arn)
    # Staged after it was stopped, as by an Extract that was running.
    event: dict[str, Any] = {"execution": "stopped-loop", "started": datetime.now(UTC).isoformat()}
    event["input"] = {"drains": {"every": EVERY, "seconds": 60}}
    simulate(pipeline, pipeline.contract, PLAN)
    answer = pipeline.client("lambda").invoke(
        FunctionName=pipeline.outputs["ExtractFunctionName"], Payload=json.dumps(event)
    )
    assert "FunctionError" not in answer, answer["Payload"].read()
    shorten_grace(pipeline)
    deadline = time.monotonic() + 120
    while account(pipeline, 0).problems() and time.monotonic() < deadline:
        if name := invoke_sweep(pipeline, None, dry_run=False)["execution"]:
            *_, (execution, _) = follow(pipeline, execution_arn(pipeline, name))
            assert execution.status == "SUCCEEDED", execution
        time.sleep(1)
    assert account(pipeline).problems() == []


@pytest.mark.slow  # two starts of the schedule are a minute apart
def test_the_schedule_starts_loops_that_take_over_from_each_other(pipeline: Target) -> None:
    """Last: it deploys the queue trigger with its drain loop."""
    target = bring_up(
        pipeline.local.state if pipeline.local else Path(),
        pipeline.stack,
        Path(CONTRACT),
        trigger="queue",
        delivery="drain",
        window=5,
        sweep="rate(1 day)",
        die_with_parent=True,
    )
    before = {execution.name for execution in latest(target, 100)}
    rows = account(target, 0).rows
    deadline = time.monotonic() + 130
    started: list[str] = []
    while len(started) < 2 and time.monotonic() < deadline:
        rows += simulate(target, target.contract, PLAN).rows
        time.sleep(8)
        started = [e.name for e in latest(target, 100) if e.name not in before]
    found = account(target)
    assert (found.problems(), found.rows) == ([], rows)
    assert len(started) == 2
    first = describe(target, execution_arn(target, started[-1]))
    assert first.input["drains"] == {
        "scheduled": "<aws.scheduler.scheduled-time>", "every": 5, "seconds": 60,
    }  # fmt: skip
