"""``WorkflowEditor`` adds states of a user's own, and the steps around them keep what they need."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.workflow.test_definitions_are_checked import found_by_cfn_lint
from workflow.budgets import targets
from workflow.definition import resolve
from workflow.editor import BATCH_STEPS, EXECUTION_STEPS, WorkflowEditor, customized
from workflow.limits import DefinitionError, definition_problems
from workflow.own_states import CustomizationError, invoked_arns
from workflow.states.extended import LambdaTask, RetryWithJitter, ServiceTask
from workflow.states.sdk import Catch, Chain, Choice, ChoiceRule, Fail, Pass, Wait

ENRICH = "arn:aws:lambda:eu-central-1:123456789012:function:plant-enrich"
SENT = {"Parameters", "Resource", "Retry", "TimeoutSeconds", "Catch", "Type", "ResultPath"}


@pytest.fixture
def editor(definition: dict[str, Any]) -> WorkflowEditor:
    return WorkflowEditor(definition, {"enrich": ENRICH})


def batch(definition: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = definition["States"]["Load batches"]["ItemProcessor"]
    return found


def way(machine: dict[str, Any], start: str) -> list[str]:
    """Names of the states from one on, without errors, as long as there is one way."""
    found, name = [], start
    while name:
        found.append(name)
        name = machine["States"][name].get("Next", "")
    return found


def test_without_a_customization_the_definition_is_the_same_object(definition):
    assert customized(definition) is definition
    assert customized(definition, lambda _: None) == definition


def test_a_state_between_validate_and_load_has_all_that_a_step_has(editor, definition):
    untouched = json.dumps(definition)
    editor.insert_before(
        "Load", editor.invoke("Enrich", "enrich", payload="$.step.output", retry_on=["MapError"])
    )
    changed = editor.definition()
    assert way(batch(changed), "Transform") == ["Transform", "Validate", "Enrich", "Load"]
    enrich = batch(changed)["States"]["Enrich"]
    assert set(enrich) == {*SENT, "Next"}
    assert enrich["Parameters"] == {"FunctionName": ENRICH, "Payload.$": "$.step.output"}
    assert enrich["ResultPath"] is None
    assert enrich["Retry"][0]["ErrorEquals"][:2] == ["MapError", "TransientError"]
    assert enrich["Catch"] == [
        {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Record failure"}
    ]
    # The steps themselves are as they were, and so is the definition that was changed.
    assert json.dumps(definition) == untouched
    for step in ("Transform", "Load"):
        assert batch(changed)["States"][step] == batch(definition)["States"][step]


@pytest.mark.parametrize("step", [*BATCH_STEPS, *EXECUTION_STEPS])
@pytest.mark.parametrize("hook", ["insert_before", "insert_after"])
def test_every_step_has_a_place_before_and_after_it(definition, step, hook):
    editor = WorkflowEditor(definition)
    getattr(editor, hook)(step, editor.invoke("Own", ENRICH))
    changed = editor.definition()
    machine = batch(changed) if step in BATCH_STEPS else changed
    assert list(definition_problems(changed)) == []
    own, states = machine["States"]["Own"], machine["States"]
    if hook == "insert_before":
        assert own["Next"] == step
        into = [name for name, state in states.items() if step in targets(state)]
        assert into == ["Own"]
    else:
        assert states[step]["Next"] == "Own"
    error = "Record failure" if step in BATCH_STEPS else "Notify: error"
    assert [catch["Next"] for catch in own["Catch"]] == [error]


def test_the_language_allows_what_was_added_at_every_place(definition):
    changed = []
    for step in (*BATCH_STEPS, *EXECUTION_STEPS):
        editor = WorkflowEditor(definition, {"enrich": ENRICH})
        large = Choice("Large?")
        large.add_choice(ChoiceRule.IsPresent("$.size", True), editor.invoke("Own", "enrich"))
        large.default_choice(Pass("As usual"))
        editor.insert_before(step, Chain([Pass("Begin"), large]))
        editor.insert_after(step, Pass("After"))
        changed.append(editor.definition())
    assert found_by_cfn_lint(changed) == [[] for _ in changed]


def test_after_load_a_failure_can_be_recorded_and_the_output_stays(editor, definition):
    editor.insert_after("Load", editor.invoke("Own", "enrich"))
    states = batch(editor.definition())["States"]
    # Record failure reads $.bucket and $.parts, which Load's output has not.
    assert "OutputPath" not in states["Load"]
    assert states["Own"]["OutputPath"] == batch(definition)["States"]["Load"]["OutputPath"]
    assert states["Own"]["End"] is True


def test_the_state_that_is_inserted_last_is_next_to_the_step(editor):
    editor.limit_retries("Transform", 1)
    for name in ("first", "second"):
        editor.insert_before("Validate", editor.invoke(f"{name} before", "enrich"))
        editor.insert_after("Validate", editor.invoke(f"{name} after", "enrich"))
    editor.limit_retries("Load", 1)
    assert way(batch(editor.definition()), "Transform") == [
        "Transform", "first before", "second before", "Validate", "second after", "first after",
        "Load",
    ]  # fmt: skip


def test_a_chain_with_a_choice_is_inserted_whole(editor):
    large = Choice("Large?")
    large.add_choice(ChoiceRule.NumericGreaterThan("$.size", 1_000), editor.invoke("Own", "enrich"))
    large.default_choice(Pass("Small"))
    editor.insert_before("Transform", Chain([Pass("Begin"), large]))
    changed = batch(editor.definition())
    assert changed["StartAt"] == "Begin"
    assert (changed["States"]["Own"]["Next"], changed["States"]["Small"]["Next"]) == (
        "Transform",
        "Transform",
    )


def test_a_failure_may_be_passed_over_by_a_catch_of_ones_own(editor):
    own = editor.invoke("Own", "enrich")
    own.add_catch(Catch(error_equals=["States.ALL"], next_step=Pass("Without")))
    editor.insert_before("Load", own)
    states = batch(editor.definition())["States"]
    (catch,) = states["Own"]["Catch"]
    assert catch == {"ErrorEquals": ["States.ALL"], "Next": "Without", "ResultPath": None}
    assert states["Without"]["Next"] == "Load"


def test_states_of_the_sdk_keep_their_own_retries(editor):
    patient = RetryWithJitter(error_equals=["MapError"], max_attempts=1, max_delay_seconds=2)
    task = LambdaTask("Own", function="enrich", timeout_seconds=4, retry=patient)
    editor.insert_after("Transform", task)
    own = batch(editor.definition())["States"]["Own"]
    assert [retry["ErrorEquals"] for retry in own["Retry"]] == [["MapError"]]
    assert own["Parameters"]["FunctionName"] == ENRICH
    assert (own["ResultPath"], "ResultSelector" in own) == (None, False)


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (lambda: Pass("Load"), "Load: the name is in use"),
        (lambda: Pass("Summarize"), "Summarize: the name is in use"),
        (lambda: Pass("x" * 81), "81 characters, 80 at most"),
        (lambda: Wait("Own", seconds=9), "a state of type Wait can't be added"),
        (lambda: Fail("Own"), "a state of type Fail can't be added"),
        (lambda: Pass("Own", result={"a": 1}), "Own: leave out Result"),
        (lambda: Pass("Own", output_path="$.step"), "Own: leave out OutputPath"),
        (lambda: task(result_path="$.step"), "its ResultPath must be null"),
        (lambda: task(input_path="$.step"), "leave out InputPath"),
        (lambda: task(heartbeat_seconds=2), "leave out HeartbeatSeconds"),
        (lambda: task(function="arn:aws:lambda:*:*:function:*"), "neither an ARN of a function"),
        (lambda: task(function="enrihc"), "of your own functions (enrich)"),
        (
            lambda: ServiceTask(
                "Own", resource="arn:aws:states:::sqs:sendMessage", timeout_seconds=1
            ),
            "only arn:aws:states:::lambda:invoke is possible",
        ),
        (
            lambda: ServiceTask(
                "Own",
                resource="arn:aws:states:::lambda:invoke.waitForTaskToken",
                timeout_seconds=1,
            ),
            "only arn:aws:states:::lambda:invoke is possible",
        ),
        (lambda: Chain([Pass("Own"), Pass("Own")]), "unique state id"),
        (lambda: "Own", "'Own' can't be added"),
    ],
)
def test_what_would_break_a_neighbour_is_refused(editor, definition, state, problem):
    with pytest.raises(CustomizationError) as refused:
        editor.insert_before("Load", state())
    assert problem in str(refused.value)
    assert editor.definition() == definition, "a refusal changes nothing"


def task(function: str = "enrich", **fields: Any) -> LambdaTask:
    return LambdaTask("Own", function=function, timeout_seconds=5, **fields)


def test_a_step_that_is_not_there_is_named_with_the_nearest(editor):
    with pytest.raises(CustomizationError, match="no step 'Validat': did you mean 'Validate'"):
        editor.insert_after("Validat", Pass("Own"))
    with pytest.raises(CustomizationError, match="the steps are Transform, Validate, Load, Ext"):
        editor.insert_after("Record failure", Pass("Own"))


def test_a_batch_has_to_end_in_time_and_fewer_retries_make_room(editor):
    left = editor.seconds_left
    slow = editor.invoke("Own", "enrich", timeout_seconds=30)
    editor.insert_before("Load", slow)
    with pytest.raises(CustomizationError, match=rf"{38 - left:.0f} s more than the 300 s"):
        editor.definition()
    editor.limit_retries("Transform", 2)
    assert editor.definition()["States"]
    assert editor.seconds_left == left - 38 + 24


def test_a_step_keeps_at_least_one_retry(editor):
    with pytest.raises(CustomizationError, match="leave it at least one"):
        editor.limit_retries("Transform", 0)


def test_the_rules_of_the_pipeline_hold_for_added_states(editor):
    endless = Choice("Own")
    endless.add_choice(ChoiceRule.IsPresent("$.size", True), Pass("Then"))
    editor.insert_before("Load", endless)
    with pytest.raises(DefinitionError, match="a Choice without Default"):
        editor.definition()


def test_the_history_of_an_execution_stays_bounded(editor):
    own = editor.invoke("Own", "enrich")
    own.add_retry(RetryWithJitter(error_equals=["MapError"], max_attempts=6_000))
    editor.insert_before("Summarize", own)
    with pytest.raises(DefinitionError, match=r"its history may have 38,\d+ events"):
        editor.definition()


def test_the_functions_that_need_a_permission_are_those_that_are_invoked(editor, definition):
    assert invoked_arns(definition) == []
    editor.insert_before("Load", editor.invoke("Own", "enrich"))
    editor.insert_before("Summarize", editor.invoke("Other", f"{ENRICH}:live"))
    assert invoked_arns(editor.definition()) == [ENRICH, f"{ENRICH}:live"]


def test_the_graph_is_the_sdks_and_has_the_added_states(editor):
    editor.insert_before("Load", editor.invoke("Own", "enrich"))
    assert resolve(editor.graph().to_dict(), {}) == editor.definition()


def drained(definition: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = definition["States"]["Load drained batches"]["ItemProcessor"]
    return found


def test_a_state_in_a_batch_is_in_the_batches_of_a_drain_loop_too(editor):
    rarely = Choice("Worth it?")
    rarely.add_choice(ChoiceRule.NumericGreaterThan("$.size", 1), editor.invoke("Own", "enrich"))
    rarely.default_choice(Pass("Skip"))
    editor.insert_before("Load", rarely)
    changed = editor.definition()
    first, second = batch(changed)["States"], drained(changed)["States"]
    assert second["Validate (drained)"]["Next"] == "Worth it? (drained)"
    assert second["Worth it? (drained)"]["Default"] == "Skip (drained)"
    assert second["Worth it? (drained)"]["Choices"][0]["Next"] == "Own (drained)"
    assert second["Own (drained)"]["Next"] == "Load (drained)"
    assert second["Own (drained)"]["Catch"][0]["Next"] == "Record failure (drained)"
    assert second["Own (drained)"]["Parameters"] == first["Own"]["Parameters"]
    assert list(definition_problems(changed)) == []


def test_a_state_after_load_hands_on_neither_maps_answer(editor, definition):
    editor.insert_after("Load", editor.invoke("Own", "enrich"))
    changed = editor.definition()
    assert batch(changed)["States"]["Own"]["OutputPath"] == "$.step.output"
    assert drained(changed)["States"]["Own (drained)"]["OutputPath"] is None
    assert drained(definition)["States"]["Load (drained)"]["OutputPath"] is None


def test_a_state_before_the_batches_runs_in_each_drain(editor):
    editor.insert_before("Load batches", editor.invoke("Own", "enrich"))
    states = editor.definition()["States"]
    assert states["Own"]["Next"] == "Load batches"
    assert states["Own (drained)"]["Next"] == "Load drained batches"
    leading = [choice["Next"] for choice in states["Anything staged?"]["Choices"]]
    assert leading == ["Own (drained)", "Wait for the next drain", "Own", "Summarize"]


def test_fewer_retries_of_a_step_are_fewer_in_both_maps(editor):
    editor.limit_retries("Transform", 1)
    changed = editor.definition()
    for step in (
        batch(changed)["States"]["Transform"],
        drained(changed)["States"]["Transform (drained)"],
    ):
        assert {retry["MaxAttempts"] for retry in step["Retry"]} == {1}


def test_the_longest_name_still_fits_with_what_a_drain_loop_adds(editor):
    editor.insert_before("Load", Pass("x" * 80))
    names = [name for name in drained(editor.definition())["States"] if name.startswith("x")]
    assert names == ["x" * 70 + " (drained)"]
