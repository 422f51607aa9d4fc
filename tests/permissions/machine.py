"""What the services ask for on their own, read from what is deployed and what has happened.

The state machine by its definition and by what its executions left behind; the schedules, the topic
rule and the queue's poller by their targets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.permissions.deployed import Stack
from tests.permissions.policies import Request

__all__ = ["definition_requests", "requests_of_services", "tasks"]

Asked = Iterator[tuple[str, str, tuple[tuple[str, str], ...]]]


def tasks(stack: Stack) -> dict[str, dict[str, Any]]:
    """Every Task and Map state of the deployed definition, of the map's inside too, by name."""
    states = stack.target.client("stepfunctions")
    found = states.describe_state_machine(stateMachineArn=stack.machine)["definition"]
    return dict(_tasks(json.loads(found)))


def _tasks(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in machine["States"].items():
        if state["Type"] in ("Task", "Map"):
            yield name, state
        if state["Type"] == "Map":
            yield from _tasks(state["ItemProcessor"])


def definition_requests(stack: Stack, keys: list[str]) -> Iterator[Request]:
    """What the definition makes Step Functions ask for; ``keys``: what lies in the bucket."""
    role = stack.role("StateMachineRole")
    for name, state in tasks(stack).items():
        asked = _of_map(state, stack, keys) if state["Type"] == "Map" else _of(state, stack, keys)
        for action, resource, context in asked:
            yield Request(role, action, resource, context, f"state {name!r}")


def _of(state: dict[str, Any], stack: Stack, keys: list[str]) -> Asked:
    resource, given = state["Resource"].partition(":::")[2], state["Parameters"]
    if resource == "lambda:invoke":
        yield "lambda:InvokeFunction", given["FunctionName"], ()
    elif resource == "sns:publish":
        yield "sns:Publish", given["TopicArn"], ()
        for use in ("Decrypt", "GenerateDataKey"):
            yield f"kms:{use}", stack.key, stack.via("sns")
    elif resource == "aws-sdk:s3:putObject":
        yield from _written(stack, [key for key in keys if key.endswith(".failed.json")])
    else:
        raise KeyError(f"nobody has looked up what {resource} asks for")


def _of_map(state: dict[str, Any], stack: Stack, keys: list[str]) -> Asked:
    assert state["ItemReader"]["Resource"].endswith(":::s3:getObject")
    manifests = [key for key in keys if key.startswith("manifests/")]
    assert manifests
    for key in manifests:
        yield "s3:GetObject", f"{stack.bucket}/{key}", ()
        yield "kms:Decrypt", stack.key, stack.via("s3")
    if "ResultWriter" not in state:
        return
    assert state["ResultWriter"]["Resource"].endswith(":::s3:putObject")
    prefix = state["ResultWriter"]["Parameters"]["Prefix"]
    # The emulator writes no results; AWS writes manifest.json and the results of the children.
    yield from _written(stack, [f"{prefix}/6a1b/manifest.json", f"{prefix}/6a1b/FAILED_0.json"])


def _written(stack: Stack, keys: list[str]) -> Asked:
    assert keys
    for key in keys:
        yield "s3:PutObject", f"{stack.bucket}/{key}", ()
        yield "kms:GenerateDataKey", stack.key, stack.via("s3")


def requests_of_services(stack: Stack) -> Iterator[Request]:
    """What schedules, topic rule and queue trigger ask for."""
    yield from _schedules(stack)
    yield from _topic_rule(stack)
    yield from _queue_trigger(stack)


def _schedules(stack: Stack) -> Iterator[Request]:
    client = stack.target.client("scheduler")
    for logical in stack.of_type("AWS::Scheduler::Schedule"):
        target = client.get_schedule(Name=stack.physical[logical])["Target"]
        starts = ":stateMachine:" in target["Arn"]
        action = "states:StartExecution" if starts else "lambda:InvokeFunction"
        yield Request(target["RoleArn"], action, target["Arn"], (), f"schedule {logical}")


def _topic_rule(stack: Stack) -> Iterator[Request]:
    """SQS: who sends to an encrypted queue makes a data key, and opens it to check it."""
    iot = stack.target.client("iot")
    for logical in stack.of_type("AWS::IoT::TopicRule"):
        rule = iot.get_topic_rule(ruleName=stack.physical[logical])["rule"]
        for action in [*rule["actions"], rule["errorAction"]]:
            (kind,) = action
            assert kind == "sqs", f"nobody has looked up what the action {kind} asks for"
            role = action[kind]["roleArn"]
            queue = stack.arn("sqs", action[kind]["queueUrl"].rpartition("/")[2])
            why = f"rule {logical}"
            yield Request(role, "sqs:SendMessage", queue, (), why)
            if queue == stack.queue("RuleErrorQueue"):
                continue  # its key is one of SQS, which asks the sender for nothing
            for use in ("Decrypt", "GenerateDataKey"):
                yield Request(role, f"kms:{use}", stack.key, stack.via("sqs"), why)


def _queue_trigger(stack: Stack) -> Iterator[Request]:
    """Lambda's poller reads the queue with the function's role.

    (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html, read 2026-11)
    """
    role = stack.function_role("stage")
    for logical in stack.of_type("AWS::Lambda::EventSourceMapping"):
        mapping = stack.target.client("lambda").get_event_source_mapping(
            UUID=stack.physical[logical]
        )
        queue, why = mapping["EventSourceArn"], f"trigger {logical}"
        for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
            yield Request(role, f"sqs:{action}", queue, (), why)
        yield Request(role, "kms:Decrypt", stack.key, stack.via("sqs"), why)
