"""Executions that begin with Extract: what the schedule starts."""

from __future__ import annotations

import time

from tests.end_to_end.conftest import account, killing_one
from workflow.executions import follow, start
from workflow.publishing import FleetPlan, simulate
from workflow.target import Target

CONTRACT = "contracts/fleet.toml"
TRIGGER = "schedule"
PLAN = FleetPlan(devices=4, rate=0, duration=2, readings_per_message=10, mess=0.05, seed=9)


def test_an_execution_drains_loads_and_accounts(pipeline: Target) -> None:
    receipt = simulate(pipeline, pipeline.contract, PLAN)
    *_, (execution, states) = follow(pipeline, start(pipeline))
    assert execution.status == "SUCCEEDED", execution
    assert [state.name for state in states][:2] == ["Already staged?", "Extract"]
    found = account(pipeline)
    assert found.problems() == []
    assert found.rows == receipt.rows


def test_killing_extract_in_the_middle_of_a_drain_loses_nothing(pipeline: Target) -> None:
    simulate(pipeline, pipeline.contract, PLAN)
    with killing_one(pipeline, "extract") as killed:
        *_, (execution, _) = follow(pipeline, start(pipeline))
    assert killed
    assert execution.status == "SUCCEEDED", execution
    # What the dead attempt had received but not deleted is hidden until the visibility timeout.
    deadline = time.monotonic() + 90
    while account(pipeline, 0).queued and time.monotonic() < deadline:
        *_, (execution, _) = follow(pipeline, start(pipeline))
        assert execution.status == "SUCCEEDED", execution
    assert account(pipeline).problems() == []


def test_an_execution_with_nothing_to_do_succeeds(pipeline: Target) -> None:
    *_, (execution, states) = follow(pipeline, start(pipeline))
    assert execution.status == "SUCCEEDED"
    assert states[-1].name in {"Nothing to do", "All loaded"}
