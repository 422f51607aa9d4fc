"""The states that the model counts are those of the state machine's definition."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etl.cost.usage import BUSY_STATES, IDLE_STATES

GOLDEN = Path("tests/unit/workflow/golden/definition.json")
STARTED_BY = {"queue": "Anything staged?", "schedule": "Extract"}
"""Where the first choice leads."""


def visited(first: str, *, batches: int) -> list[str]:
    """The states of an execution in which nothing goes wrong."""
    machine = json.loads(GOLDEN.read_text())
    way = [machine["StartAt"], first]
    while True:
        state = machine["States"][way[-1]]
        if state["Type"] == "Choice":
            found = next(
                (
                    c["Next"]
                    for c in state["Choices"]
                    if c.get("StringEquals") == "succeeded"
                    or ("NumericGreaterThan" in c and batches > 0)
                ),
                state.get("Default"),
            )
            way.append(found)
        elif "Next" in state:
            way.append(state["Next"])
        else:
            assert state["Type"] == "Succeed"
            return way


@pytest.mark.parametrize("trigger", ["queue", "schedule"])
def test_an_execution_with_batches(trigger):
    way = visited(STARTED_BY[trigger], batches=1)
    assert way[-1] == "All loaded"
    assert len(way) == BUSY_STATES[trigger]


def test_an_execution_that_finds_nothing():
    way = visited("Extract", batches=0)
    assert way[-1] == "Nothing to do"
    assert len(way) == IDLE_STATES
