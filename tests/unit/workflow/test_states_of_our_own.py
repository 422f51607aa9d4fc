"""Our subclasses write the fields the SDK lacks, and stay the SDK's own classes to compose with."""

from __future__ import annotations

import pytest

from workflow.states import sdk
from workflow.states.extended import (
    DistributedMap,
    FailWithPaths,
    LambdaTask,
    RetryWithJitter,
    ServiceTask,
)

READER = {
    "Resource": "arn:aws:states:::s3:listObjectsV2",
    "Parameters": {"Bucket.$": "$.bucket", "Prefix.$": "$.prefix"},
}


def test_a_retry_has_a_cap_and_jitter():
    retry = RetryWithJitter(error_equals=["Busy"], interval_seconds=2, max_delay_seconds=9)
    assert retry.to_dict() == {
        "ErrorEquals": ["Busy"],
        "IntervalSeconds": 2,
        "MaxAttempts": 3,
        "BackoffRate": 2.0,
        "MaxDelaySeconds": 9,
        "JitterStrategy": "FULL",
    }


def test_a_cap_below_the_first_wait_is_refused():
    with pytest.raises(ValueError, match="must exceed"):
        RetryWithJitter(error_equals=["Busy"], interval_seconds=10, max_delay_seconds=10)


def test_the_sdk_alone_refuses_the_new_fields():
    with pytest.raises(TypeError, match="max_delay_seconds"):
        sdk.Retry(error_equals=["Busy"], max_delay_seconds=9)
    with pytest.raises(TypeError, match="result_selector"):
        sdk.Task("T", resource="arn", result_selector={})


def test_a_lambda_task_keeps_the_payload_alone():
    task = LambdaTask("Do", function="${Arn}", payload={"n.$": "$.n"}, timeout_seconds=5)
    assert isinstance(task, sdk.LambdaStep)
    assert task.to_dict() == {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "${Arn}", "Payload": {"n.$": "$.n"}},
        "ResultSelector": {"output.$": "$.Payload"},
        "TimeoutSeconds": 5,
        "End": True,
    }


def test_a_lambda_task_takes_its_payload_from_a_path_or_its_whole_input():
    by_path = LambdaTask("Do", function="f", payload="$.step.output", timeout_seconds=5)
    whole = LambdaTask("Do", function="f", timeout_seconds=5)
    assert by_path.to_dict()["Parameters"]["Payload.$"] == "$.step.output"
    assert whole.to_dict()["Parameters"]["Payload.$"] == "$"


def test_a_lambda_task_does_not_depend_on_the_region_of_the_author(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "cn-north-1")
    task = LambdaTask("Do", function="f", timeout_seconds=5)
    assert task.to_dict()["Resource"] == "arn:aws:states:::lambda:invoke"


def test_placeholders_of_the_sdk_work_in_the_new_fields():
    step = sdk.Pass("Before", output_schema={"n": int})
    task = ServiceTask(
        "Do", resource="r", timeout_seconds=5, result_selector={"n": step.output()["n"]}
    )
    assert task.to_dict()["ResultSelector"] == {"n.$": "$['n']"}


def test_a_fail_state_takes_error_and_cause_from_its_input():
    fail = FailWithPaths("No", error_path="$.error.Error", cause_path="$.error.Cause")
    assert fail.to_dict() == {
        "Type": "Fail",
        "ErrorPath": "$.error.Error",
        "CausePath": "$.error.Cause",
    }


def test_a_distributed_map_has_a_processor_in_place_of_the_iterator():
    child = sdk.Chain([sdk.Pass("A"), sdk.Pass("B")])
    state = DistributedMap(
        "All",
        iterator=child,
        item_reader=READER,
        item_selector={"key.$": "$$.Map.Item.Value.Key"},
        max_concurrency=4,
        tolerated_failure_percentage=100,
        result_path=None,
        label="Batches",
        retry=RetryWithJitter(error_equals=["States.ItemReaderFailed"]),
    )
    made = state.to_dict()
    assert "Iterator" not in made
    assert made["ItemProcessor"]["ProcessorConfig"] == {
        "Mode": "DISTRIBUTED",
        "ExecutionType": "EXPRESS",
    }
    assert list(made["ItemProcessor"]["States"]) == ["A", "B"]
    assert made["ItemReader"] == READER
    assert made["Label"] == "Batches"
    assert made["ResultPath"] is None
    assert made["Retry"][0]["JitterStrategy"] == "FULL"


def test_a_label_too_long_for_the_service_is_refused():
    with pytest.raises(ValueError, match="longer than 40"):
        DistributedMap("All", iterator=sdk.Pass("A"), item_reader=READER, label="x" * 41)


def test_extended_states_compose_in_the_sdks_chain_and_graph():
    done = sdk.Succeed("Done")
    task = ServiceTask("Do", resource="r", timeout_seconds=5)
    task.add_catch(sdk.Catch(error_equals=["States.ALL"], next_step=FailWithPaths("No")))
    graph = sdk.Graph(sdk.Chain([task, done])).to_dict()
    assert graph["StartAt"] == "Do"
    assert set(graph["States"]) == {"Do", "Done", "No"}
