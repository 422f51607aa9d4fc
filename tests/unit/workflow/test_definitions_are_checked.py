"""``check_definition`` and cfn-lint refuse what Step Functions would refuse, and we never want."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint

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


def test_a_valid_definition_passes():
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
        (change("StartAt", "Nowhere"), "StartAt names 'Nowhere', and there is no such state"),
        (change("TimeoutSeconds", ...), "the machine has no TimeoutSeconds"),
        (change("States/Try/Next", "Gone"), "Try: leads to ['Gone'], and there are no such states"),
        (change("States/Which?/Default", ...), "Which?: a Choice without Default"),
        (change("States/Try/Retry", ...), "Try: needs a Retry"),
        (change("States/Try/Catch", ...), "Try: needs a Catch"),
        (change("States/Try/Catch/0/ErrorEquals", ["X"]), "Try: no Catch for States.ALL"),
        (change("States/Try/Retry/0/ErrorEquals", ["States.ALL"]), "repeats permanent errors"),
        (change("States/Try/Retry/0/JitterStrategy", ...), "Try: a Retry has the fields"),
        (change("States/Try/TimeoutSeconds", ...), "may hang for a year"),
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


LANGUAGE = [
    (change("Retries", []), "'Retries' was unexpected"),
    (change("States/Try/Resource", ...), "'Resource' is a required property"),
    (change("States/Try/End", True), "Only one of ['Next', 'End'] is a required property"),
    (change("States/Try/Next", ...), "Only one of ['Next', 'End'] is a required property"),
    (change("States/Try/Timeout", 3), "'Timeout' was unexpected"),
    (change("States/Yes/Type", "Success"), "'Success' is not one of"),
    (change("States/Yes/Type", ...), "'Type' is a required property"),
    (change("States/No/Next", "Yes"), "'Next' was unexpected"),
    (change(f"States/{'x' * 81}", {"Type": "Succeed"}), "does not match any of the"),
]
"""The rules of the language that cfn-lint knows, and its words for each."""


def found_by_cfn_lint(definitions: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The findings of each definition; one call for all, as reading the rules takes seconds."""
    machines = {
        f"Machine{number}": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": "arn:aws:iam::123456789012:role/states",
                "Definition": definition,
            },
        }
        for number, definition in enumerate(definitions)
    }
    template = json.dumps({"Resources": machines})
    found = lint(template, config=ManualArgs(regions=["eu-west-1"]))
    return [
        [m.message for m in found if m.rule.id == "E3601" and m.path[1] == machine]
        for machine in machines
    ]


def test_cfn_lint_knows_the_rules_of_the_language(definition):
    broken = [copy.deepcopy(SOUND) for _ in LANGUAGE]
    for one, (breakage, _) in zip(broken, LANGUAGE, strict=True):
        breakage(one)
    in_a_map = copy.deepcopy(definition)
    in_a_map["States"]["Load batches"]["ItemProcessor"]["States"]["Load"]["Timeout"] = 3
    sound, *found, found_in_a_map = found_by_cfn_lint([SOUND, *broken, in_a_map])
    assert sound == []
    missed = [
        problem
        for messages, (_, problem) in zip(found, LANGUAGE, strict=True)
        if problem not in "\n".join(messages)
    ]
    assert missed == []
    assert any("'Timeout' was unexpected" in words for words in found_in_a_map)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"Mode": "DISTRIBUTED"}, "a distributed Map needs an ExecutionType"),
        ({"Mode": "INLINE"}, "ItemReader, ResultWriter and Label need Mode DISTRIBUTED"),
    ],
)
def test_modes_of_a_map_that_step_functions_refuses(definition, config, problem):
    broken = copy.deepcopy(definition)
    broken["States"]["Load batches"]["ItemProcessor"]["ProcessorConfig"] = config
    assert f"Load batches: {problem}" in list(definition_problems(broken))


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
