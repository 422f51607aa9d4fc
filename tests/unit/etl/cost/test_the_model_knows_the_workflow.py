"""The transitions that the model counts are those of the state machine's definition.

An execution in which nothing goes wrong is followed through the definition; what a real one costs
is held to the same file by ``tests/bench/test_the_counts_are_those_of_a_run.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl.cost.counts import batch_part, part

GOLDEN = Path("tests/unit/workflow/golden/definition.json")
STAGED = {"bucket": "b", "manifest": "manifests/one.json", "batches": 1, "concurrency": 2}
NOTHING = STAGED | {"batches": 0}
SUMMARY = {"status": "succeeded", "batches": 1, "failed": 0, "loaded": 1}
MISSING = object()
TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "IsPresent": lambda found, wanted: (found is not MISSING) == wanted,
    "IsNull": lambda found, wanted: (found is None) == wanted,
    "StringEquals": lambda found, wanted: found == wanted,
    "BooleanEquals": lambda found, wanted: found is wanted,
    "NumericEquals": lambda found, wanted: found == wanted,
    "NumericGreaterThan": lambda found, wanted: found is not MISSING and found > wanted,
    "StringMatches": lambda found, wanted: (
        isinstance(found, str) and bool(re.fullmatch(wanted.replace("*", ".*"), found))
    ),
}


def value(data: dict[str, Any], path: str) -> Any:
    for name in path.removeprefix("$.").split("."):
        if not isinstance(data, dict) or name not in data:
            return MISSING
        data = data[name]
    return data


def holds(rule: dict[str, Any], data: dict[str, Any]) -> bool:
    if "And" in rule:
        return all(holds(one, data) for one in rule["And"])
    if "Or" in rule:
        return any(holds(one, data) for one in rule["Or"])
    if "Not" in rule:
        return not holds(rule["Not"], data)
    (test,) = rule.keys() & TESTS.keys()
    return TESTS[test](value(data, rule["Variable"]), rule[test])


def visited(given: dict[str, Any], extracted: dict[str, Any]) -> list[str]:
    """The states of an execution in which nothing goes wrong."""
    machine = json.loads(GOLDEN.read_text())
    way, data = [machine["StartAt"]], given
    while True:
        state = machine["States"][way[-1]]
        data = {"Extract": extracted, "Summarize": SUMMARY}.get(way[-1], data)
        if state["Type"] == "Choice":
            found = (rule["Next"] for rule in state["Choices"] if holds(rule, data))
            way.append(next(found, state.get("Default")))
        elif "Next" in state:
            way.append(state["Next"])
        else:
            assert state["Type"] == "Succeed"
            return way


@pytest.mark.parametrize(("start", "given"), [("mapping", STAGED), ("schedule", {})])
def test_an_execution_with_batches(start, given):
    way = visited(given, STAGED)
    assert way[-1] == "All loaded"
    assert len(way) == part(start, "execution").transitions


def test_an_execution_that_finds_nothing():
    way = visited({}, NOTHING)
    assert way[-1] == "Nothing to do"
    assert len(way) == part("schedule", "idle_execution").transitions


def test_a_child_costs_one_transition_and_none_for_its_states():
    assert batch_part().transitions == batch_part().children == 1
