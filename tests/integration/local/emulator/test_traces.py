"""One trace per execution, with the segments that Step Functions and Lambda emit themselves."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

HEADER = "import os\ndef handle(e, c): return os.environ.get('_X_AMZN_TRACE_ID')"
ACTIVE = {"TracingConfig": {"Mode": "Active"}}


def parts(header):
    return dict(part.split("=") for part in header.split(";"))


def walk(segments):
    for one in segments:
        yield one
        yield from walk(one.get("subsegments", []))


@pytest.fixture(scope="session")
def trace(emulator):
    """Fetch a trace once it holds at least so many finished segments and subsegments."""
    client = emulator.client("xray")

    def fetch(trace_id, at_least):
        deadline = time.monotonic() + 120
        while True:
            traces = client.batch_get_traces(TraceIds=[trace_id])["Traces"]
            segments = [json.loads(one["Document"]) for t in traces for one in t["Segments"]]
            if sum("end_time" in one for one in walk(segments)) >= at_least:
                return segments
            assert time.monotonic() < deadline, segments
            time.sleep(0.05)

    return fetch


def chain(*arns):
    names = [f"Step{index}" for index in range(len(arns))]
    states = {}
    for index, (name, arn) in enumerate(zip(names, arns, strict=True)):
        following = {"Next": names[index + 1]} if index + 1 < len(arns) else {"End": True}
        states[name] = {"Type": "Task", "Resource": arn, "ResultPath": f"$.{name}", **following}
    return {"StartAt": names[0], "States": states}


def distributed(arn, items):
    state = {"Type": "Task", "Resource": arn, "End": True}
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
        "StartAt": "Work",
        "States": {"Work": state},
    }
    fan_out = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor, "End": True}
    return {"StartAt": "Each", "States": {"Each": fan_out}}, {"items": items}


def test_every_function_of_an_execution_sees_the_same_trace_and_its_own_parent(
    function, machine, run
):
    arns = [function(HEADER, **ACTIVE) for _ in range(2)]
    output = json.loads(run(machine(chain(*arns), traced=True))["output"])
    first, second = parts(output["Step0"]), parts(output["Step1"])
    assert first["Root"] == second["Root"]
    assert first["Parent"] != second["Parent"]
    assert first["Sampled"] == "1"


def test_the_children_of_a_distributed_map_are_in_the_same_trace(function, machine, run):
    definition, given = distributed(function(HEADER, **ACTIVE), [1, 2, 3])
    headers = json.loads(run(machine(definition, traced=True), given)["output"])
    assert len({parts(one)["Root"] for one in headers}) == 1
    assert len({parts(one)["Parent"] for one in headers}) == 3


def test_a_trace_header_given_to_start_execution_is_used(function, machine, run):
    root = "1-5759e988-bd862e3fe1be46a994272793"
    execution = run(
        machine(chain(function(HEADER, **ACTIVE)), traced=True),
        traceHeader=f"Root={root};Parent=53995c3f42cd8ad8;Sampled=1",
    )
    assert parts(json.loads(execution["output"])["Step0"])["Root"] == root


def test_an_execution_that_is_not_sampled_sends_no_segment(function, machine, run, emulator):
    root = "1-5759e988-bd862e3fe1be46a994272794"
    execution = run(
        machine(chain(function(HEADER, **ACTIVE)), traced=True),
        traceHeader=f"Root={root};Sampled=0",
    )
    assert parts(json.loads(execution["output"])["Step0"])["Sampled"] == "0"
    assert emulator.client("xray").batch_get_traces(TraceIds=[root])["UnprocessedTraceIds"] == [
        root
    ]


def test_without_tracing_each_call_of_an_active_function_begins_a_trace(function, machine, run):
    arn = function(HEADER, **ACTIVE)
    output = json.loads(run(machine(chain(arn, arn)))["output"])
    assert parts(output["Step0"])["Root"] != parts(output["Step1"])["Root"]


def test_step_functions_and_lambda_emit_their_segments(function, machine, run, trace):
    arn = function(HEADER, **ACTIVE)
    machine_arn = machine(chain(arn), traced=True)
    began = time.time()
    output = json.loads(run(machine_arn)["output"])
    segments = trace(parts(output["Step0"])["Root"], at_least=5)
    by_origin = {one["origin"]: one for one in segments}
    execution = by_origin["AWS::StepFunctions::StateMachine"]
    assert execution["name"] == machine_arn.rsplit(":", maxsplit=1)[-1]
    assert began <= execution["start_time"] <= execution["end_time"] <= time.time()
    assert "parent_id" not in execution
    (state,) = execution["subsegments"]
    assert state["name"] == "Step0"
    call, code = by_origin["AWS::Lambda"], by_origin["AWS::Lambda::Function"]
    assert call["parent_id"] == state["id"]
    assert code["parent_id"] == call["id"]
    assert code["id"] == parts(output["Step0"])["Parent"]
    assert [one["name"] for one in code["subsegments"]] == ["Initialization"]


def test_a_failed_function_marks_everything_above_it(function, machine, run, trace, emulator):
    source = "class OddError(Exception): pass\ndef handle(e, c): raise OddError('no')"
    root = "1-5759e988-bd862e3fe1be46a994272795"
    execution = run(
        machine(chain(function(source, **ACTIVE)), traced=True), traceHeader=f"Root={root}"
    )
    assert execution["status"] == "FAILED"
    segments = trace(root, at_least=5)
    failed = [one for one in walk(segments) if one.get("fault")]
    assert {one.get("origin", "state") for one in failed} == {
        "AWS::StepFunctions::StateMachine",
        "AWS::Lambda",
        "AWS::Lambda::Function",
        "state",
    }
    assert {one["cause"]["exceptions"][0]["type"] for one in failed} == {"OddError"}


def test_a_subsegment_that_the_function_sends_hangs_under_its_segment(
    function, call, trace, emulator
):
    # What aws_xray_sdk sends in Lambda: a subsegment whose parent is the header's.
    source = """
import json, os, socket, time
def handle(e, c):
    fields = dict(part.split("=") for part in os.environ["_X_AMZN_TRACE_ID"].split(";"))
    document = {"type": "subsegment", "name": "own", "id": os.urandom(8).hex(),
                "trace_id": fields["Root"], "parent_id": fields["Parent"],
                "start_time": time.time(), "end_time": time.time() + 0.001,
                "annotations": {"execution": e["name"]}}
    host, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].split(":")
    message = b'{"format": "json", "version": 1}\\n' + json.dumps(document).encode()
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(message, (host, int(port)))
    return fields["Root"]
"""
    _, root = call(function(source, **ACTIVE), {"name": "find-me"})
    segments = trace(root, at_least=4)
    code = next(one for one in segments if one["origin"] == "AWS::Lambda::Function")
    assert {one["name"] for one in code["subsegments"]} == {"Initialization", "own"}
    now = datetime.now(UTC)
    found = emulator.client("xray").get_trace_summaries(
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=1),
        FilterExpression='annotation.execution = "find-me"',
    )
    assert [one["Id"] for one in found["TraceSummaries"]] == [root]


def test_an_execution_that_a_traced_function_starts_joins_its_trace(
    function, machine, call, finished
):
    inner = machine(chain(function(HEADER, **ACTIVE)), traced=True)
    source = f"""
import boto3, os
def handle(e, c):
    started = boto3.client("stepfunctions").start_execution(stateMachineArn={inner!r})
    return [os.environ["_X_AMZN_TRACE_ID"], started["executionArn"]]
"""
    header, execution = call(function(source, **ACTIVE))[1]
    output = json.loads(finished(execution)["output"])
    assert parts(output["Step0"])["Root"] == parts(header)["Root"]
