"""Every way an execution goes ends the same in three interpreters that have no code in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.interpreters.interpreters import Interpreter
from tests.interpreters.pipeline import Pipeline, Run
from tests.interpreters.results import Result
from tests.interpreters.scenarios import SCENARIOS, Scenario

pytestmark = pytest.mark.slow

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@dataclass(frozen=True)
class End:
    """What an execution leaves behind."""

    result: Result
    rows: list[str]
    outcomes: list[str]


@pytest.fixture(scope="module")
def end(
    pipeline: Pipeline, interpreter: Callable[[str], Interpreter]
) -> Callable[[Scenario, str], End]:
    """The end of a scenario in an interpreter; each runs once."""
    ends: dict[tuple[str, str], End] = {}

    def find(scenario: Scenario, name: str) -> End:
        if (scenario.name, name) not in ends:
            ends[scenario.name, name] = run(pipeline, interpreter(name), scenario, name)
        return ends[scenario.name, name]

    return find


def run(pipeline: Pipeline, interpreter: Interpreter, scenario: Scenario, name: str) -> End:
    one = Run(scenario.name, name)
    given = scenario.prepare(pipeline, one)
    if scenario.throttled:
        pipeline.throttle(scenario.throttled, on=True)
    try:
        result = interpreter.execute(one, given)
    finally:
        if scenario.throttled:
            pipeline.throttle(scenario.throttled, on=False)
    if scenario.worded_by_the_interpreter:
        assert result.cause
        result = replace(result, cause=None)
    rows = [one.without_names(row) for row in pipeline.rows(one)]
    return End(result, rows, [one.without_names(line) for line in pipeline.outcomes(one)])


@pytest.mark.parametrize("name", BY_NAME)
def test_the_emulator_ends_as_it_must(end: Callable[..., End], name: str) -> None:
    scenario = BY_NAME[name]
    found = end(scenario, "emulator")
    assert found.result.status == ("FAILED" if scenario.error else "SUCCEEDED")
    assert found.result.error == scenario.error
    assert found.result.attempts == scenario.attempts
    if scenario.status is not None:
        assert found.result.output["status"] == scenario.status
    assert len(found.rows) == scenario.rows
    assert [line.partition(": ")[2] for line in found.outcomes] == scenario.outcomes


@pytest.mark.parametrize("other", ["moto", "node"])
@pytest.mark.parametrize("name", BY_NAME)
def test_another_interpreter_ends_as_the_emulator(
    end: Callable[..., End], name: str, other: str
) -> None:
    scenario = BY_NAME[name]
    assert end(scenario, other) == end(scenario, "emulator")
