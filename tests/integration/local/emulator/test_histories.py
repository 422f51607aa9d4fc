"""Step Functions: the history of a map and of its children, and the error of a throttled function."""

from __future__ import annotations

import json

import pytest


def names(events):
    return [
        event.get("stateEnteredEventDetails", {}).get("name", event["type"]) for event in events
    ]


@pytest.fixture
def history(emulator):
    client = emulator.client("stepfunctions")

    def read(arn):
        return client.get_execution_history(executionArn=arn, maxResults=1000)["events"]

    return read


def a_map(items, **fields):
    child = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Work",
        "States": items,
    }
    each = {"Type": "Map", "ItemProcessor": child, "End": True, **fields}
    return {"StartAt": "Each", "States": {"Each": each}}


def test_a_child_has_an_event_for_each_state_that_it_enters(
    emulator, function, machine, run, history
):
    arn = function("class OddError(Exception): pass\ndef handle(e, c): raise OddError('no')")
    work = {
        "Type": "Task",
        "Resource": arn,
        "Retry": [{"ErrorEquals": ["OddError"], "IntervalSeconds": 1, "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}],
        "End": True,
    }
    states = {"Work": work, "Failed": {"Type": "Fail", "Error": "Gone", "Cause": "It failed."}}
    definition = a_map(states, ToleratedFailurePercentage=100)
    execution = run(machine(definition), ["only"])
    assert execution["status"] == "SUCCEEDED"
    client = emulator.client("stepfunctions")
    run_arn = client.list_map_runs(executionArn=execution["executionArn"])["mapRuns"][0]
    (child,) = client.list_executions(mapRunArn=run_arn["mapRunArn"])["executions"]
    attempt = ["TaskScheduled", "TaskFailed"]
    assert names(history(child["executionArn"])) == ["Work", *attempt, *attempt, "Failed"]


def test_each_attempt_at_a_map_is_in_the_history(machine, run, history):
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSON"},
        "Parameters": {"Bucket": "no-such-bucket", "Key": "none"},
    }
    retry = [{"ErrorEquals": ["States.ItemReaderFailed"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    states = {"Work": {"Type": "Pass", "End": True}}
    execution = run(machine(a_map(states, ItemReader=reader, Retry=retry)))
    assert execution["error"] == "States.ItemReaderFailed"
    attempts = [e["type"] for e in history(execution["executionArn"]) if "MapRun" in e["type"]]
    assert attempts == ["MapRunStarted", "MapRunFailed"] * 2


def test_a_throttled_function_fails_its_task_by_that_name(emulator, function, machine, run):
    arn = function("def handle(e, c): return 1")
    functions = emulator.client("lambda")
    functions.put_function_concurrency(FunctionName=arn, ReservedConcurrentExecutions=0)
    by_resource = {"Type": "Task", "Resource": arn, "End": True}
    parameters = {"FunctionName": arn, "Payload": {}}
    by_invoke = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": parameters,
        "End": True,
    }
    for state in (by_resource, by_invoke):
        execution = run(machine({"StartAt": "Work", "States": {"Work": state}}))
        assert execution["error"] == "Lambda.TooManyRequestsException"
        assert "Rate Exceeded" in execution["cause"]
    functions.delete_function_concurrency(FunctionName=arn)
    assert json.loads(run(machine({"StartAt": "Work", "States": {"Work": by_resource}}))["output"])
