"""Executions that begin with Extract: what the schedule starts."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from etl.aws.target import Target
from etl.cli.sweep import invoke_sweep
from etl.operations.executions import execution_arn, follow, latest, start
from etl.operations.publishing import FleetPlan, simulate
from tests.end_to_end.conftest import account, killing_one, shorten_grace

pytestmark = pytest.mark.timeout(900)

CONTRACT = "contracts/fleet.toml"
TRIGGER = "schedule"
PLAN = FleetPlan(
    devices=4, rate=0, duration=2, readings_per_message=10, mess=0.05, seed=9, least=200
)


def test_an_execution_drains_loads_and_accounts(pipeline: Target) -> None:
    receipt = simulate(pipeline, pipeline.contract, PLAN)
    *_, (execution, states) = follow(pipeline, start(pipeline))
    assert execution.status == "SUCCEEDED", execution
    assert [state.name for state in states][:2] == ["Already staged?", "Extract"]
    found = account(pipeline)
    assert found.problems() == []
    assert found.rows == receipt.rows


def test_killing_extract_in_the_middle_of_a_drain_loses_nothing(pipeline: Target) -> None:
    deadline = time.monotonic() + 120
    with killing_one(pipeline, "extract") as killed:
        while not killed:
            assert time.monotonic() < deadline, "extract was not seen at work"
            simulate(pipeline, pipeline.contract, PLAN)
            *_, (execution, _) = follow(pipeline, start(pipeline))
            assert execution.status == "SUCCEEDED", execution
    # What the dead attempt had received but not deleted is hidden until the visibility timeout.
    deadline = time.monotonic() + 120
    while account(pipeline, 0).queued and time.monotonic() < deadline:
        *_, (execution, _) = follow(pipeline, start(pipeline))
        assert execution.status == "SUCCEEDED", execution
    assert account(pipeline).problems() == []


def test_an_execution_with_nothing_to_do_succeeds(pipeline: Target) -> None:
    *_, (execution, states) = follow(pipeline, start(pipeline))
    assert execution.status == "SUCCEEDED"
    assert states[-1].name in {"Nothing to do", "All loaded"}


def test_what_a_dead_execution_had_staged_is_found_and_loaded_once(pipeline: Target) -> None:
    simulate(pipeline, pipeline.contract, PLAN)
    left_behind = _extract_for_nobody(pipeline)
    assert left_behind["batches"] >= 1
    assert account(pipeline, 0).problems() != []
    shorten_grace(pipeline)
    with ThreadPoolExecutor(2) as both:
        sweeps = list(both.map(lambda _: invoke_sweep(pipeline, None, dry_run=False), range(2)))
    (name,) = {sweep["execution"] for sweep in sweeps if sweep["execution"]}
    *_, (execution, _) = follow(pipeline, execution_arn(pipeline, name))
    assert execution.status == "SUCCEEDED", execution
    assert account(pipeline).problems() == []
    assert [e.name for e in latest(pipeline, 100) if e.name.startswith("sweep-")] == [name]
    again = invoke_sweep(pipeline, None, dry_run=False)
    assert (again["due"], again["execution"]) == (0, None)


def _extract_for_nobody(target: Target) -> dict[str, Any]:
    """What is left of an execution that died right after its first state."""
    event = {"execution": "died", "started": datetime.now(UTC).isoformat()}
    answer = target.client("lambda").invoke(
        FunctionName=target.outputs["ExtractFunctionName"], Payload=json.dumps(event)
    )
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, found
    return found
