"""Step Functions: starting twice, maps, and the parts of the language that the workflow uses."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import suppress

import pytest
from botocore.exceptions import ClientError

WAIT = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}}
PASS = {"StartAt": "Pass", "States": {"Pass": {"Type": "Pass", "End": True}}}


@pytest.fixture(scope="module")
def start(emulator):
    client = emulator.client("stepfunctions")
    started = set()

    def start_execution(arn, name, given):
        answer = client.start_execution(stateMachineArn=arn, name=name, input=json.dumps(given))
        started.add(answer["executionArn"])
        return answer

    yield start_execution
    for arn in started:
        with suppress(ClientError):  # it has ended
            client.stop_execution(executionArn=arn)


def test_starting_again_with_the_same_input_returns_the_running_execution(machine, start):
    arn = machine(WAIT)
    first, second = start(arn, "one", {"a": 1}), start(arn, "one", {"a": 1})
    assert first["executionArn"] == second["executionArn"]
    assert first["startDate"] == second["startDate"]


def test_starting_again_with_another_input_is_refused(machine, start):
    arn = machine(WAIT)
    start(arn, "one", {"a": 1})
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        start(arn, "one", {"a": 2})


def test_starting_again_after_the_end_is_refused(machine, start, finished):
    arn = machine(PASS)
    finished(start(arn, "one", {})["executionArn"])
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        start(arn, "one", {})


def test_the_first_state_is_entered_at_once(emulator, machine, run):
    history = emulator.client("stepfunctions").get_execution_history
    arn = machine(PASS)

    def seconds():
        started, entered = history(executionArn=run(arn, {})["executionArn"])["events"][:2]
        return (entered["timestamp"] - started["timestamp"]).total_seconds()

    limit = time.monotonic() + 120
    while seconds() >= 0.1:  # a busy machine is slow at times, not always
        assert time.monotonic() < limit


@pytest.fixture(scope="module")
def bucket(emulator):
    name = f"bucket-{uuid.uuid4().hex[:10]}"
    emulator.client("s3").create_bucket(Bucket=name)
    return name


# Leaves in a folder when it began and when it ended, and ends once so many others have begun.
MEETING = """
import pathlib, time
def handle(event, context):
    folder, name = pathlib.Path({folder!r}), event["key"].replace("/", "-")
    began = time.monotonic()
    (folder / name).touch()
    while len(list(folder.iterdir())) < {others}:
        if time.monotonic() > began + 100:
            raise TimeoutError("the others have not begun")
        time.sleep(0.01)
    time.sleep(0.3)  # in which one item too many would begin as well
    return {{**event, "began": began, "ended": time.monotonic()}}
"""


def most_at_once(results):
    """The largest number of items that ran at one moment."""
    return max(
        sum(one["began"] <= moment <= one["ended"] for one in results)
        for moment in (one["began"] for one in results)
    )


def test_a_distributed_map_reads_a_listing_and_runs_its_items_at_once(
    emulator, function, machine, run, bucket, tmp_path
):
    for index in range(6):
        emulator.client("s3").put_object(Bucket=bucket, Key=f"raw/{index}", Body=b"x" * index)
    emulator.client("s3").put_object(Bucket=bucket, Key="other/1", Body=b"")
    arn = function(MEETING.format(folder=str(tmp_path), others=3))
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
        "StartAt": "Work",
        "States": {"Work": {"Type": "Task", "Resource": arn, "End": True}},
    }
    definition = {
        "StartAt": "Each",
        "States": {
            "Each": {
                "Type": "Map",
                "MaxConcurrency": 3,
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:listObjectsV2",
                    "Parameters": {"Bucket.$": "$.bucket", "Prefix.$": "$.prefix"},
                },
                "ItemSelector": {
                    "bucket.$": "$.bucket",
                    "key.$": "$$.Map.Item.Value.Key",
                    "size.$": "$$.Map.Item.Value.Size",
                    "execution.$": "$$.Execution.Name",
                    "started.$": "$$.Execution.StartTime",
                },
                "ItemProcessor": processor,
                "ResultWriter": {
                    "Resource": "arn:aws:states:::s3:putObject",
                    "Parameters": {"Bucket.$": "$.bucket", "Prefix": "results"},
                },
                "ResultPath": None,
                "End": True,
            }
        },
    }
    warm = run(machine(definition), {"bucket": bucket, "prefix": "raw/"})
    assert warm["status"] == "SUCCEEDED", warm
    for file in tmp_path.iterdir():
        file.unlink()
    definition["States"]["Each"]["ResultPath"] = "$.results"
    execution = run(machine(definition), {"bucket": bucket, "prefix": "raw/"}, name="named")
    assert execution["status"] == "SUCCEEDED", "the first three did not run together"
    results = json.loads(execution["output"])["results"]
    assert [(one["key"], one["size"]) for one in results] == [(f"raw/{i}", i) for i in range(6)]
    assert {one["execution"] for one in results} == {"named"}
    assert results[0]["started"].startswith("20")
    assert most_at_once(results) == 3, "more than MaxConcurrency ran together"


def over_a_manifest(function: str) -> dict:
    return {
        "StartAt": "Each",
        "States": {
            "Each": {
                "Type": "Map",
                "MaxConcurrencyPath": "$.concurrency",
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "JSON"},
                    "Parameters": {"Bucket.$": "$.bucket", "Key.$": "$.manifest"},
                },
                "ItemSelector": {
                    "key.$": "$$.Map.Item.Value.key",
                    "parts.$": "States.StringSplit($$.Map.Item.Value.key, '/')",
                },
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
                    "StartAt": "Work",
                    "States": {
                        "Work": {
                            "Type": "Task",
                            "Resource": function,
                            "Parameters": {
                                "key.$": "$.key",
                                "last.$": "States.Format('{}-{}', $.parts[1], $.parts[0])",
                            },
                            "End": True,
                        }
                    },
                },
                "End": True,
            }
        },
    }


def test_a_distributed_map_reads_a_manifest_as_wide_as_its_input_says(
    emulator, function, machine, run, bucket, tmp_path
):
    body = json.dumps([{"key": f"raw/{n}"} for n in range(4)])
    emulator.client("s3").put_object(Bucket=bucket, Key="manifests/x.json", Body=body)
    over = machine(over_a_manifest(function(MEETING.format(folder=str(tmp_path), others=2))))
    given = {"bucket": bucket, "manifest": "manifests/x.json", "concurrency": 2}
    run(over, given)  # warm
    for file in tmp_path.iterdir():
        file.unlink()
    results = json.loads(run(over, given)["output"])
    assert [(one["key"], one["last"]) for one in results] == [
        (f"raw/{n}", f"{n}-raw") for n in range(4)
    ]
    assert most_at_once(results) == 2, "more than two ran together"


@pytest.mark.parametrize("concurrency", [None, "2", -1])
def test_a_concurrency_that_is_no_number_fails_the_map(
    emulator, function, machine, run, bucket, concurrency
):
    over = machine(over_a_manifest(function("def handle(e, c): return 1")))
    ended = run(over, {"bucket": bucket, "manifest": "none", "concurrency": concurrency})
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Runtime")


def test_a_task_puts_an_object_and_publishes_a_message(emulator, machine, run, bucket):
    topic = emulator.client("sns").create_topic(Name=f"t-{uuid.uuid4().hex[:8]}")["TopicArn"]
    sqs = emulator.client("sqs")
    queue = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    emulator.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    definition = {
        "StartAt": "Put",
        "States": {
            "Put": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:s3:putObject",
                "Parameters": {
                    "Bucket": bucket,
                    "Key.$": "States.Format('outcomes/{}/failed/x.json', $$.Execution.Name)",
                    "Body": {"status": "failed", "error.$": "$.error", "cause.$": "$.cause"},
                    "ContentType": "application/json",
                },
                "ResultPath": None,
                "Next": "Tell",
            },
            "Tell": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sns:publish",
                "Parameters": {"TopicArn": topic, "Subject": "Failed", "Message.$": "$.error"},
                "End": True,
            },
        },
    }
    given = {"error": "LoadError", "cause": '{"errorMessage": "no \\"quotes\\""}'}
    execution = run(machine(definition), given, name="put")
    assert execution["status"] == "SUCCEEDED", execution
    stored = emulator.client("s3").get_object(Bucket=bucket, Key="outcomes/put/failed/x.json")
    assert json.loads(stored["Body"].read()) == {"status": "failed", **given}
    (message,) = received(sqs, queue)
    assert json.loads(message["Body"])["Message"] == "LoadError"


def received(sqs, queue):
    """The messages of the first receive that has any."""
    limit = time.monotonic() + 120
    while time.monotonic() < limit:
        if found := sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5).get("Messages"):
            return found
    raise AssertionError("no message has come")


def test_a_retry_waits_longer_each_time(function, machine, run):
    arn = function("import time\ndef handle(e, c): raise TimeoutError(str(time.time()))")
    retry = [
        {"ErrorEquals": ["TimeoutError"], "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 2}
    ]
    state = {"Type": "Task", "Resource": arn, "Retry": retry, "End": True}
    retrying = machine({"StartAt": "Work", "States": {"Work": state}})
    limit = time.monotonic() + 120
    while True:  # a busy machine is slow at times, not always
        began = time.monotonic()
        assert run(retrying)["status"] == "FAILED"
        took = time.monotonic() - began
        assert took >= 3.0
        if took < 6.0:
            break
        assert time.monotonic() < limit


def test_parameters_reach_a_function_through_the_invoke_integration(function, machine, run):
    arn = function("def handle(e, c): return {'got': e}")
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": arn, "Payload.$": "$"},
        "OutputPath": "$.Payload",
        "End": True,
    }
    execution = run(machine({"StartAt": "Work", "States": {"Work": state}}), {"a": 1})
    assert json.loads(execution["output"]) == {"got": {"a": 1}}
