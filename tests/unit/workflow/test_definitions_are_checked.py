"""``check_definition`` refuses what Step Functions would refuse, and what we never want."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from workflow.limits import (
    DefinitionError,
    check_definition,
    definition_problems,
)

RETRY = {
    "ErrorEquals": ["TransientError"],
    "IntervalSeconds": 1,
    "MaxAttempts": 2,
    "BackoffRate": 2.0,
    "MaxDelaySeconds": 5,
    "JitterStrategy": "FULL",
}
SOUND: dict[str, Any] = {
    "TimeoutSeconds": 60,
    "StartAt": "Try",
    "States": {
        "Try": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "TimeoutSeconds": 10,
            "Retry": [RETRY],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "No"}],
            "Next": "Which?",
        },
        "Which?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.n", "NumericGreaterThan": 0, "Next": "Yes"}],
            "Default": "No",
        },
        "Yes": {"Type": "Succeed"},
        "No": {"Type": "Fail", "ErrorPath": "$.e", "CausePath": "$.c"},
    },
}


def test_a_sound_definition_passes():
    check_definition(SOUND)


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set (or, with ``...``, remove) the member at ``a/b/c``; ``0`` indexes a list."""

    def apply(definition: dict[str, Any]) -> None:
        *above, last = path.split("/")
        target: Any = definition
        for part in above:
            target = target[int(part)] if part.isdigit() else target[part]
        if value is ...:
            del target[last]
        else:
            target[last] = value

    return apply


@pytest.mark.parametrize(
    ("breakage", "problem"),
    [
        (change("StartAt", "Nowhere"), "StartAt names 'Nowhere', which is no state"),
        (change("TimeoutSeconds", ...), "the machine has no TimeoutSeconds"),
        (change("Retries", []), "the machine has unknown fields"),
        (change("States/Try/Next", "Gone"), "Try: leads to ['Gone'], which are no states"),
        (change("States/Which?/Default", ...), "Which?: a Choice without Default"),
        (change("States/Try/Retry", ...), "Try: needs a Retry"),
        (change("States/Try/Catch", ...), "Try: needs a Catch"),
        (change("States/Try/Catch/0/ErrorEquals", ["X"]), "Try: no Catch for States.ALL"),
        (change("States/Try/Retry/0/ErrorEquals", ["States.ALL"]), "repeats permanent errors"),
        (change("States/Try/Retry/0/JitterStrategy", ...), "Try: a Retry has the fields"),
        (change("States/Try/TimeoutSeconds", ...), "may hang for a year"),
        (change("States/Try/Resource", ...), "Try: a Task needs a Resource"),
        (change("States/Try/End", True), "Try: needs either Next or End"),
        (change("States/Try/Timeout", 3), "Try: Task has no fields ['Timeout']"),
        (change("States/Yes/Type", "Success"), "Yes: unknown type 'Success'"),
        (change("States/Lost", {"Type": "Succeed"}), "Lost: no state leads here"),
        (change("Comment", "x" * 1_100_000), "bytes, 1,048,576 at most"),
    ],
)
def test_a_broken_definition_is_refused_by_name(breakage, problem):
    broken = copy.deepcopy(SOUND)
    breakage(broken)
    with pytest.raises(DefinitionError) as refused:
        check_definition(broken)
    assert problem in str(refused.value)


def test_every_problem_is_listed_at_once():
    broken = copy.deepcopy(SOUND)
    change("States/Try/Retry", ...)(broken)
    change("States/Lost", {"Type": "Succeed"})(broken)
    assert len(list(definition_problems(broken))) == 2


def test_states_inside_a_map_are_checked_too(definition):
    broken = copy.deepcopy(definition)
    del broken["States"]["Load batches"]["ItemProcessor"]["States"]["Load"]["Catch"]
    assert "Load batches: Load: needs a Catch" in list(definition_problems(broken))


def test_a_name_used_inside_and_outside_the_map_is_refused(definition):
    broken = copy.deepcopy(definition)
    states = broken["States"]["Load batches"]["ItemProcessor"]["States"]
    states["Summarize"] = states.pop("Record failure")
    for step in ("Transform", "Validate", "Load"):
        states[step]["Catch"][0]["Next"] = "Summarize"
    assert "Summarize: the name is used twice" in list(definition_problems(broken))
