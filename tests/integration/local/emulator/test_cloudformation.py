"""A template deploys what the pipeline is made of, and its parts work together."""

from __future__ import annotations

import json
import time
import uuid

import pytest

from .conftest import ROLE, zipped

DEFINITION = {
    "StartAt": "Work",
    "States": {
        "Work": {
            "Type": "Task",
            "Resource": "${FunctionArn}",
            "Parameters": {"bucket": "${Bucket}", "started.$": "$$.Execution.StartTime"},
            "End": True,
        }
    },
}

HANDLER = """
import boto3, json, time
def handle(event, context):
    # Called by the state machine or by the event source mapping; leaves a trace of either.
    kind = "queue" if "Records" in event else "machine"
    boto3.client("s3").put_object(
        Bucket=__import__("os").environ["BUCKET"], Key=f"{kind}/{time.time_ns()}",
        Body=json.dumps(event))
    return event
"""


def template(code_bucket, name):
    def ref(logical):
        return {"Ref": logical}

    def attribute(logical, what="Arn"):
        return {"Fn::GetAtt": [logical, what]}

    function = {
        "Handler": "module.handle",
        "Runtime": "python3.13",
        "Role": ROLE,
        "Code": {"S3Bucket": code_bucket, "S3Key": "code.zip"},
        "Environment": {"Variables": {"BUCKET": ref("Data")}},
        "TracingConfig": {"Mode": "Active"},
        "Timeout": 120,
    }
    sql = "SELECT encode(*, 'base64') AS payload, topic() AS topic FROM 'telemetry/#'"
    resources = {
        "Data": ("S3::Bucket", {}),
        "Queue": ("SQS::Queue", {"VisibilityTimeout": 720}),
        "Function": ("Lambda::Function", function),
        "Machine": (
            "StepFunctions::StateMachine",
            {
                "RoleArn": ROLE,
                "DefinitionString": json.dumps(DEFINITION),
                "DefinitionSubstitutions": {
                    "FunctionArn": attribute("Function"),
                    "Bucket": ref("Data"),
                },
                "TracingConfiguration": {"Enabled": True},
            },
        ),
        "Schedule": (
            "Scheduler::Schedule",
            {
                "Name": f"schedule-{name}",
                "ScheduleExpression": "rate(1 minute)",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {"Arn": ref("Machine"), "RoleArn": ROLE, "Input": "{}"},
            },
        ),
        "Mapping": (
            "Lambda::EventSourceMapping",
            {
                "FunctionName": ref("Function"),
                "EventSourceArn": attribute("Queue"),
                "BatchSize": 100,
                "MaximumBatchingWindowInSeconds": 1,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "ScalingConfig": {"MaximumConcurrency": ref("Concurrency")},
            },
        ),
        "Rule": (
            "IoT::TopicRule",
            {
                "RuleName": f"rule_{name}",
                "TopicRulePayload": {
                    "Sql": sql,
                    "AwsIotSqlVersion": "2016-03-23",
                    "Actions": [
                        {"Sqs": {"QueueUrl": ref("Queue"), "RoleArn": ROLE, "UseBase64": False}}
                    ],
                },
            },
        ),
    }
    return {
        # A parameter arrives as text, whatever its type.
        "Parameters": {"Concurrency": {"Type": "Number", "Default": 2}},
        "Resources": {
            key: {"Type": f"AWS::{kind}", "Properties": properties}
            for key, (kind, properties) in resources.items()
        },
        "Outputs": {
            "Machine": {"Value": ref("Machine")},
            "Bucket": {"Value": ref("Data")},
            "Function": {"Value": ref("Function")},
        },
    }


@pytest.fixture(scope="module")
def deployed(emulator):
    name = uuid.uuid4().hex[:8]
    s3, cloudformation = emulator.client("s3"), emulator.client("cloudformation")
    s3.create_bucket(Bucket=f"code-{name}")
    s3.put_object(Bucket=f"code-{name}", Key="code.zip", Body=zipped({"module.py": HANDLER}))
    cloudformation.create_stack(
        StackName=f"stack-{name}", TemplateBody=json.dumps(template(f"code-{name}", name))
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=f"stack-{name}", WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    (stack,) = cloudformation.describe_stacks(StackName=f"stack-{name}")["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    yield {**outputs, "Schedule": f"schedule-{name}"}
    cloudformation.delete_stack(StackName=f"stack-{name}")


def wait_for_object(emulator, bucket, prefix, patience=120):
    s3 = emulator.client("s3")
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        if found:
            return json.loads(s3.get_object(Bucket=bucket, Key=found[0]["Key"])["Body"].read())
        time.sleep(0.1)
    raise AssertionError(f"nothing under {prefix}")


def test_substitutions_reach_the_definition(deployed, run):
    execution = run(deployed["Machine"])
    output = json.loads(execution["output"])
    assert output["bucket"] == deployed["Bucket"]
    assert output["started"].startswith("20")


def test_the_tracing_configuration_of_the_template_is_kept(deployed, emulator):
    described = emulator.client("stepfunctions").describe_state_machine(
        stateMachineArn=deployed["Machine"]
    )
    assert described["tracingConfiguration"] == {"enabled": True}


def test_a_published_message_goes_through_rule_queue_and_mapping_to_the_function(
    deployed, emulator
):
    emulator.client("iot-data").publish(topic="telemetry/fleet/one", qos=1, payload=b'{"a": 1}')
    event = wait_for_object(emulator, deployed["Bucket"], "queue/")
    body = json.loads(event["Records"][0]["body"])
    assert body["topic"] == "telemetry/fleet/one"


def test_the_scheduler_starts_the_state_machine(deployed, emulator, finished):
    # A one-minute rate is too slow for a test, and the emulator never fires a changed schedule
    # that its clock has looked at before: a new one with the same target is due at once.
    scheduler, states = emulator.client("scheduler"), emulator.client("stepfunctions")
    before = {one["executionArn"] for one in list_executions(states, deployed["Machine"])}
    schedule = scheduler.get_schedule(Name=deployed["Schedule"])
    assert schedule["Target"]["Arn"] == deployed["Machine"]
    scheduler.create_schedule(
        Name=deployed["Schedule"] + "-now",
        ScheduleExpression=f"at({time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=schedule["Target"],
    )
    deadline = time.monotonic() + 120
    while True:
        new = [
            one
            for one in list_executions(states, deployed["Machine"])
            if one["executionArn"] not in before
        ]
        if new:
            break
        assert time.monotonic() < deadline, "the schedule started nothing"
        time.sleep(0.1)
    assert finished(new[0]["executionArn"])["status"] == "SUCCEEDED"


def list_executions(states, machine):
    return states.list_executions(stateMachineArn=machine)["executions"]
