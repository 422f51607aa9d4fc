"""Metrics that nobody puts by a call: from log lines, invocations, executions and queues."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.config import Config

EMF = """
import json, time
def handle(event, context):
    print(json.dumps({
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [
            {"Namespace": event["space"], "Dimensions": [["Pipeline"], ["Pipeline", "Stage"]],
             "Metrics": [{"Name": "Readings", "Unit": "Count"}, {"Name": "Lag", "Unit": "Seconds"}]}
        ]},
        "Pipeline": "fleet", "Stage": "load", "Readings": [3, 4], "Lag": 1.5,
    }))
    print('{"_aws": "no metric"}')
    print("plain text")
"""
FAILING = "def handle(e, c): raise ValueError('no')"
PASS = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
FAIL = {
    "StartAt": "Bad",
    "States": {"Bad": {"Type": "Fail", "Error": "Bad", "Cause": "on purpose"}},
}


@pytest.fixture(scope="module")
def value(emulator: Any) -> Callable[..., float | None]:
    """One metric's value over the last ten minutes."""
    client = emulator.client("cloudwatch")

    def read(namespace: str, name: str, statistic: str, **dimensions: str) -> float | None:
        metric = {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": n, "Value": v} for n, v in dimensions.items()],
        }
        query = {"Metric": metric, "Period": 3600, "Stat": statistic}
        now = datetime.now(UTC)
        (found,) = client.get_metric_data(
            MetricDataQueries=[{"Id": "m", "MetricStat": query}],
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=1),
        )["MetricDataResults"]
        if not found["Values"]:
            return None
        # One value for each hour, of which there are two at the beginning of one.
        return max(found["Values"]) if statistic == "Maximum" else sum(found["Values"])

    return read


def eventually(read: Callable[[], Any], expected: Any, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while (found := read()) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def test_a_line_in_the_embedded_format_becomes_metrics_with_its_dimensions(function, call, value):
    space = f"Test{uuid.uuid4().hex[:8]}"
    call(function(EMF), {"space": space})
    assert value(space, "Readings", "Sum", Pipeline="fleet") == 7
    assert value(space, "Readings", "Sum", Pipeline="fleet", Stage="load") == 7
    assert value(space, "Readings", "SampleCount", Pipeline="fleet") == 2
    assert value(space, "Lag", "Maximum", Pipeline="fleet") == 1.5
    assert value(space, "Readings", "Sum", Pipeline="another") is None


def test_every_invocation_counts_whatever_made_it(function, machine, run, call, value):
    good, bad = function("def handle(e, c): return 1"), function(FAILING)
    call(good)
    call(bad)
    call(bad)
    run(machine({"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": good, "End": True}}}))
    names = [arn.rpartition(":")[2] for arn in (good, bad)]
    assert [value("AWS/Lambda", "Invocations", "Sum", FunctionName=n) for n in names] == [2, 2]
    assert [value("AWS/Lambda", "Errors", "Sum", FunctionName=n) for n in names] == [0, 2]
    assert value("AWS/Lambda", "Duration", "SampleCount", FunctionName=names[0]) == 2


def test_a_refused_invocation_is_a_throttle_and_no_invocation(function, emulator, value):
    # boto3 would try a refused call again.
    once = Config(retries={"total_max_attempts": 1})
    client = boto3.client("lambda", **emulator.client_settings("lambda"), config=once)
    name = function("def handle(e, c): return 1").rpartition(":")[2]
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    for _ in range(2):
        with pytest.raises(client.exceptions.TooManyRequestsException):
            client.invoke(FunctionName=name)
    assert value("AWS/Lambda", "Throttles", "Sum", FunctionName=name) == 2
    assert value("AWS/Lambda", "Invocations", "Sum", FunctionName=name) is None


def test_executions_count_by_how_they_end(machine, run, value):
    good, bad = machine(PASS), machine(FAIL)
    for arn in (good, good, bad):
        run(arn)
    for arn, name, expected in (
        (good, "ExecutionsStarted", 2),
        (good, "ExecutionsSucceeded", 2),
        (good, "ExecutionsFailed", 0),
        (bad, "ExecutionsFailed", 1),
        (bad, "ExecutionsSucceeded", 0),
    ):
        # The emulator counts an execution once it has ended.
        eventually(partial(value, "AWS/States", name, "Sum", StateMachineArn=arn), expected)
    read = partial(value, "AWS/States", "ExecutionTime", "SampleCount", StateMachineArn=good)
    eventually(read, 2)


def test_an_execution_that_is_stopped_is_counted_as_aborted(machine, emulator, value):
    states = emulator.client("stepfunctions")
    wait = {"Type": "Wait", "Seconds": 3600, "End": True}
    arn = machine({"StartAt": "Wait", "States": {"Wait": wait}})
    execution = states.start_execution(stateMachineArn=arn)["executionArn"]
    states.stop_execution(executionArn=execution)
    read = partial(value, "AWS/States", "ExecutionsAborted", "Sum", StateMachineArn=arn)
    eventually(read, 1)


def test_a_queue_says_how_many_messages_wait_and_how_old_the_oldest_is(emulator, value):
    sqs = emulator.client("sqs")
    name = f"q-{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    # At no moment are more of them visible than at the end.
    sqs.send_message(QueueUrl=url, MessageBody="in flight")
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1, VisibilityTimeout=900)
    for number in range(2):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(number))

    def measured() -> tuple[float | None, float | None]:
        told = (
            value("AWS/SQS", f"ApproximateNumberOfMessages{kind}", "Maximum", QueueName=name)
            for kind in ("Visible", "NotVisible")
        )
        return next(told), next(told)

    eventually(measured, (2, 1))
    eventually(
        lambda: (
            (value("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", QueueName=name) or 0) >= 1
        ),
        True,
    )
