"""An execution that outlives its state machine's time is stopped, and stays as it ended."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

FAILING_LATER = """
import os, time
def handle(event, context):
    limit = time.monotonic() + 100
    while not os.path.exists({file!r}) and time.monotonic() < limit:
        time.sleep(0.01)
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
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(logs.exceptions.ResourceNotFoundException):
            events = logs.filter_log_events(logGroupName=group)["events"]
            if any(event["message"].startswith("REPORT RequestId") for event in events):
                return
        time.sleep(0.05)
    raise AssertionError("the function has not ended")


def test_it_ends_as_timed_out_and_enters_no_further_state(machine, run, emulator):
    arn = machine({**waiting(3600), "TimeoutSeconds": 1})
    execution = run(arn)
    assert execution["status"] == "TIMED_OUT"
    assert events(emulator, execution["executionArn"])[-1] == "ExecutionTimedOut"
    deadline = time.monotonic() + 120
    while timed_out(emulator, arn) != 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def timed_out(emulator, machine):
    """How many executions of a state machine its metric counts as timed out."""
    now = datetime.now(UTC)
    told = emulator.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/States", MetricName="ExecutionsTimedOut", Statistics=["Sum"], Period=3600,
        Dimensions=[{"Name": "StateMachineArn", "Value": machine}],
        StartTime=now - timedelta(minutes=10), EndTime=now + timedelta(minutes=1),
    )  # fmt: skip
    return sum(point["Sum"] for point in told["Datapoints"])


def test_within_its_time_nothing_happens_to_it(machine, run):
    assert run(machine({**waiting(0), "TimeoutSeconds": 600}))["status"] == "SUCCEEDED"


def test_what_a_task_answers_after_the_end_changes_nothing(
    function, machine, run, emulator, tmp_path
):
    it_may_end = tmp_path / "it may end"
    failing = function(FAILING_LATER.format(file=str(it_may_end)))
    work = {"Type": "Task", "Resource": failing, "End": True}
    execution = run(machine({"StartAt": "Work", "States": {"Work": work}, "TimeoutSeconds": 1}))
    it_may_end.touch()
    wait_for_the_answer(emulator, work["Resource"])
    run(machine(waiting(0)))  # whatever its answer sets off has had its turn
    arn = execution["executionArn"]
    now = emulator.client("stepfunctions").describe_execution(executionArn=arn)
    assert now["status"] == "TIMED_OUT"
    assert events(emulator, arn)[-1] == "ExecutionTimedOut"
