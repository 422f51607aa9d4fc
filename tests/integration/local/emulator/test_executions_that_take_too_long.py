"""An execution that outlives its state machine's time is stopped, and stays as it ended."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

FAILING_LATER = """
import time
def handle(event, context):
    time.sleep(1.5)
    raise ValueError("too late to matter")
"""


def waiting(seconds):
    states = {
        "Wait": {"Type": "Wait", "Seconds": seconds, "Next": "After"},
        "After": {"Type": "Pass", "End": True},
    }
    return {"StartAt": "Wait", "States": states}


def events(emulator, arn):
    history = emulator.client("stepfunctions").get_execution_history(executionArn=arn)
    return [event["type"] for event in history["events"]]


def wait_for_the_answer(emulator, function):
    """Until the function has ended, which its log tells."""
    logs, group = emulator.client("logs"), f"/aws/lambda/{function.rpartition(':')[2]}"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(logs.exceptions.ResourceNotFoundException):
            events = logs.filter_log_events(logGroupName=group)["events"]
            if any(event["message"].startswith("REPORT RequestId") for event in events):
                return
        time.sleep(0.05)
    raise AssertionError("the function has not ended")


def test_it_ends_as_timed_out_and_enters_no_further_state(machine, run, emulator):
    arn = machine({**waiting(2), "TimeoutSeconds": 1})
    began = time.monotonic()
    execution = run(arn)
    assert execution["status"] == "TIMED_OUT"
    assert time.monotonic() - began < 2
    assert events(emulator, execution["executionArn"])[-1] == "ExecutionTimedOut"
    now = datetime.now(UTC)
    told = emulator.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/States", MetricName="ExecutionsTimedOut", Statistics=["Sum"], Period=3600,
        Dimensions=[{"Name": "StateMachineArn", "Value": arn}],
        StartTime=now - timedelta(minutes=10), EndTime=now + timedelta(minutes=1),
    )  # fmt: skip
    assert sum(point["Sum"] for point in told["Datapoints"]) == 1


def test_within_its_time_nothing_happens_to_it(machine, run):
    assert run(machine({**waiting(0), "TimeoutSeconds": 60}))["status"] == "SUCCEEDED"


def test_what_a_task_answers_after_the_end_changes_nothing(function, machine, run, emulator):
    work = {"Type": "Task", "Resource": function(FAILING_LATER), "End": True}
    execution = run(machine({"StartAt": "Work", "States": {"Work": work}, "TimeoutSeconds": 1}))
    wait_for_the_answer(emulator, work["Resource"])
    run(machine(waiting(0)))  # whatever its answer sets off has had its turn
    arn = execution["executionArn"]
    now = emulator.client("stepfunctions").describe_execution(executionArn=arn)
    assert now["status"] == "TIMED_OUT"
    assert events(emulator, arn)[-1] == "ExecutionTimedOut"
