"""Runs executions in moto's interpreter: one line of JSON in, one out, for each execution.

In an environment that has moto and nothing of this project; the argument is the account.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from typing import Any

os.environ["MOTO_ACCOUNT_ID"] = sys.argv[1]  # moto reads it when it is imported

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name import (
    error_name,
    failure_event,
    states_error_name,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval import (
    resource_eval_s3 as reader,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import iteration_worker
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.resource_eval import (
    resource_eval_s3 as writer,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
    state_task_service_sns,
)
from moto.stepfunctions.parser.asl.component.state.fail import state_fail
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager

QUESTION: dict[str, Any] = {}
"""The execution that runs."""
ATTEMPTS: Counter[str] = Counter()
"""How often each state was tried: once for each time it was entered, and for each retry."""


def client_for(region: str, service: str, state_credentials: Any = None) -> Any:
    """adaptation: services of the pipeline."""
    client = boto3.client(
        service,
        region_name=region or QUESTION["region"],
        endpoint_url=QUESTION["endpoint"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        aws_session_token=QUESTION["token"],
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )
    if service == "s3":
        client.meta.events.register("provide-client-params.s3.PutObject", serialise_body)
    return client


def serialise_body(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    """adaptation: bodies as JSON."""
    body = params.get("Body")
    return params if isinstance(body, bytes) else {**params, "Body": json.dumps(body).encode()}


class NoWaits:
    """adaptation: no waits."""

    @staticmethod
    def sleep(seconds: float) -> None:
        """Don't."""


class AnyName(error_name.ErrorName):
    """adaptation: names of States."""


def name_missing_manifest(read: Any) -> Any:
    """adaptation: a manifest that can't be read."""

    def get_object(env: Any, *rest: Any, **more: Any) -> None:
        try:
            read(env, *rest, **more)
        except ClientError as error:
            name = states_error_name.StatesErrorName(StatesErrorNameType.StatesItemReaderFailed)
            details = {"error": name.error_name, "cause": str(error)}
            raise failure_event.FailureEventException(
                failure_event.FailureEvent(
                    env=env,
                    error_name=name,
                    event_type=HistoryEventType.TaskFailed,
                    event_details={"taskFailedEventDetails": details},
                )
            ) from error

    return staticmethod(get_object)


def count_entries(add: Any) -> Any:
    """Count the states that are entered."""

    def add_event(manager: Any, context: Any, event_type: Any, *rest: Any, **more: Any) -> Any:
        if str(getattr(event_type, "value", event_type)).endswith("StateEntered"):
            details = more["event_details"]["stateEnteredEventDetails"]
            ATTEMPTS[details["name"]] += 1
        return add(manager, context, event_type, *rest, **more)

    return add_event


def count_retries(evaluate: Any) -> Any:
    """Count the retries of each state."""

    def evaluate_and_count(retrier: Any, env: Any) -> None:
        evaluate(retrier, env)
        if env.stack[-1] == retrier_decl.RetrierOutcome.Executed:
            ATTEMPTS[env.states.context_object.context_object_data["State"]["Name"]] += 1

    return evaluate_and_count


def execute(question: dict[str, Any]) -> dict[str, Any]:
    """Run one execution to its end."""
    QUESTION.update(question)
    ATTEMPTS.clear()
    states = boto3.client("stepfunctions", region_name=question["region"])
    machine = question["machine"]
    with suppress(states.exceptions.StateMachineDoesNotExist):
        states.delete_state_machine(stateMachineArn=machine)
    created = states.create_state_machine(
        name=machine.rpartition(":")[2],
        roleArn=f"arn:aws:iam::{sys.argv[1]}:role/any",
        definition=json.dumps(question["definition"]),
    )
    assert created["stateMachineArn"] == machine
    started = states.start_execution(
        stateMachineArn=machine, name=question["name"], input=json.dumps(question["input"])
    )
    while True:
        found = states.describe_execution(executionArn=started["executionArn"])
        if found["status"] != "RUNNING":
            break
        time.sleep(0.05)
    kept = ("status", "error", "cause", "output")
    return {**{key: found.get(key) for key in kept}, "attempts": dict(ATTEMPTS)}


def adapt() -> None:
    """Change the interpreter; the reasons are in ``tests/interpreters/adaptations.py``."""
    for module in (
        reader,
        writer,
        lambda_eval_utils,
        state_task_service_aws_sdk,
        state_task_service_sns,
    ):
        module.boto_client_for = client_for
    retrier_decl.time = NoWaits
    state_fail.CustomErrorName = iteration_worker.CustomErrorName = AnyName
    reader.ResourceEvalS3._handle_get_object = name_missing_manifest(
        reader.ResourceEvalS3._handle_get_object
    )


def main() -> None:
    """Answer until the input ends."""
    adapt()
    EventManager.add_event = count_entries(EventManager.add_event)
    retrier = retrier_decl.RetrierDecl
    retrier._eval_body = count_retries(retrier._eval_body)
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        for line in sys.stdin:
            try:
                answer = execute(json.loads(line))
            except Exception as error:
                answer = {"problem": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
