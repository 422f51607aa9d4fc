"""The state machine: its golden file, and the promises that a reader of the file would look for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from telemetry.errors import PermanentError, TransientError, names_of
from tests.fixtures.golden_files import check_golden
from workflow.definition import MAP_RESULTS_PREFIX, build_definition, resolve
from workflow.limits import (
    EXPRESS_SECONDS,
    HISTORY_EVENTS,
    PAYLOAD,
    DefinitionError,
    longest_seconds,
)
from workflow.retries import CHILD_TASK
from workflow.settings import DefinitionSettings

LAMBDA_SERVICE_ERRORS = {
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.TooManyRequestsException",
}


def children(definition: dict[str, Any]) -> dict[str, Any]:
    states: dict[str, Any] = definition["States"]["Load batches"]["ItemProcessor"]["States"]
    return states


def tasks(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    every = {**definition["States"], **children(definition)}
    return {name: state for name, state in every.items() if state["Type"] == "Task"}


def test_the_definition_is_the_golden_one(definition):
    check_golden(__file__, "definition.json", definition)


def test_authoring_twice_gives_the_same_definition(definition):
    assert json.loads(json.dumps(build_definition().to_dict())) == definition


def test_every_task_retries_with_backoff_jitter_and_cap(definition):
    for name, task in tasks(definition).items():
        for retry in task["Retry"]:
            assert retry["JitterStrategy"] == "FULL", name
            assert retry["BackoffRate"] > 1, name
            assert retry["MaxDelaySeconds"] >= retry["IntervalSeconds"], name


def test_every_function_retries_each_transient_error_and_what_lambda_itself_throws(definition):
    expected = set(names_of(TransientError)) | LAMBDA_SERVICE_ERRORS
    for name, task in tasks(definition).items():
        if task["Resource"].endswith("lambda:invoke"):
            retried = {error for retry in task["Retry"] for error in retry["ErrorEquals"]}
            assert expected <= retried, name


def test_no_task_retries_a_permanent_error(definition):
    permanent = set(names_of(PermanentError)) | {"States.ALL"}
    for name, task in tasks(definition).items():
        retried = {error for retry in task["Retry"] for error in retry["ErrorEquals"]}
        assert not retried & permanent, name
        if task["Resource"].endswith("lambda:invoke"):
            assert "States.TaskFailed" not in retried, name


def test_every_task_and_the_map_catch_everything(definition):
    catching = {**tasks(definition), "Load batches": definition["States"]["Load batches"]}
    for name, state in catching.items():
        assert [c["ErrorEquals"] for c in state["Catch"]] == [["States.ALL"]], name


def test_a_batch_fits_the_life_of_an_express_execution_with_all_its_retries(definition):
    processor = definition["States"]["Load batches"]["ItemProcessor"]
    assert processor["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}
    assert longest_seconds(processor) <= EXPRESS_SECONDS.most


def test_longer_retries_inside_a_batch_are_refused(monkeypatch):
    patient = tuple(
        type(rule)(errors=rule.errors, interval=30, attempts=5, cap=60) for rule in CHILD_TASK
    )
    monkeypatch.setattr("workflow.definition.batches.CHILD_TASK", patient)
    with pytest.raises(DefinitionError, match=r"an Express execution ends after 300 s"):
        build_definition()


def test_a_function_times_out_before_its_state_does(definition):
    from functions.inventory import FUNCTIONS

    timeouts = {f"${{{spec.title}FunctionArn}}": spec.timeout for spec in FUNCTIONS}
    for name, task in tasks(definition).items():
        function = task["Parameters"].get("FunctionName")
        if function:
            assert task["TimeoutSeconds"] > timeouts[function], name


def test_the_payload_stays_the_same_for_any_number_of_batches(definition):
    load_batches = definition["States"]["Load batches"]
    assert load_batches["ResultPath"] is None
    assert load_batches["ResultWriter"]["Parameters"] == {
        "Bucket": "${DataBucketName}",
        "Prefix": MAP_RESULTS_PREFIX,
    }
    assert len(json.dumps(load_batches["ItemSelector"])) < PAYLOAD.most // 100


def test_the_history_stays_short_for_any_number_of_batches_and_retries(definition):
    # Entered and exited, and at most five events for each attempt of a task or map.
    attempts = [
        1 + sum(retry["MaxAttempts"] for retry in state.get("Retry", ()))
        for state in definition["States"].values()
    ]
    assert sum(2 + 5 * tried for tried in attempts) < HISTORY_EVENTS.most // 10


def test_each_failure_in_a_batch_is_recorded_before_the_batch_fails(definition):
    states = children(definition)
    for step in ("Transform", "Validate", "Load"):
        assert states[step]["Catch"][0]["Next"] == "Record failure"
    assert states["Record failure"]["Next"] == "Batch failed"
    assert states["Record failure"]["Parameters"]["Body"].keys() == {
        "status",
        "raw_key.$",
        "error.$",
        "cause.$",
    }


def test_whatever_breaks_around_the_batches_is_reported_before_the_execution_fails(definition):
    states = definition["States"]
    for step in ("Extract", "List staged batches", "Load batches", "Summarize"):
        assert states[step]["Catch"][0]["Next"] == "Notify: error"
    assert states["Notify: error"]["Next"] == "Execution failed"


def test_settings_reach_the_definition():
    graph = build_definition(DefinitionSettings(execution_timeout_seconds=60))
    assert graph.to_dict()["TimeoutSeconds"] == 60


def test_the_map_runs_over_the_manifest_as_wide_as_its_input_says(definition):
    load_batches = definition["States"]["Load batches"]
    assert load_batches["ItemReader"] == {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSON"},
        "Parameters": {"Bucket.$": "$.bucket", "Key.$": "$.manifest"},
    }
    assert load_batches["MaxConcurrencyPath"] == "$.concurrency"


def test_placeholders_are_resolved_as_cloudformation_does(definition):
    values = {"ExtractFunctionArn": 'arn:with"quote', "TopicArn": "arn:topic"}
    resolved = resolve(definition, values)
    assert resolved["States"]["Extract"]["Parameters"]["FunctionName"] == 'arn:with"quote'
    assert "${TopicArn}" not in json.dumps(resolved)
    assert "${LoadFunctionArn}" in json.dumps(resolved)


def test_both_maps_hold_the_same_steps(definition):
    states = definition["States"]
    first = states["Load batches"]["ItemProcessor"]
    second = states["Load drained batches"]["ItemProcessor"]
    plain = json.loads(json.dumps(second).replace(" (drained)", ""))
    for step in ("Load", "Batch failed"):  # which only differ in what they hand back
        for member in ("OutputPath", "CausePath", "Cause"):
            plain["States"][step].pop(member, None)
            first = json.loads(json.dumps(first))
            first["States"][step].pop(member, None)
    assert plain == first


def test_a_drain_loop_waits_and_drains_again_until_extract_says_no_more(definition):
    states = definition["States"]
    choices = [choice["Next"] for choice in states["Anything staged?"]["Choices"]]
    assert choices == [
        "Load drained batches", "Wait for the next drain", "Load batches", "Summarize",
    ]  # fmt: skip
    assert states["Load drained batches"]["Next"] == "Wait for the next drain"
    assert states["Wait for the next drain"] == {
        "Type": "Wait", "TimestampPath": "$.again.at", "Next": "Extract",
    }  # fmt: skip
    assert "ResultWriter" not in states["Load drained batches"]
