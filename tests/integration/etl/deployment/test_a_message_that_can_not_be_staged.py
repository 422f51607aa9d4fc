"""A message that can never be staged ends in the dead-letter queue, and comes back from there."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from etl.aws.target import Target
from etl.operations.dead_letters import DEAD_LETTERS, depth, peek
from etl.operations.redrive import redrive_dead_letters
from tests.integration.etl.deployment.conftest import Account

RECEIVES = 2


def wait_until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 120
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


@pytest.mark.slow
def test_it_goes_to_the_dead_letters_after_its_receives_and_is_staged_once_fixed(
    account: Account,
) -> None:
    outputs, _ = account.deploy(stack="unstaged", trigger_mode="queue", queue_window_seconds=1)
    functions, sqs, s3 = (account.client(name) for name in ("lambda", "sqs", "s3"))
    target = Target("unstaged", _clients={"sqs": sqs})
    target.__dict__["outputs"] = outputs
    usual = sqs.get_queue_attributes(
        QueueUrl=outputs["QueueUrl"], AttributeNames=["RedrivePolicy", "VisibilityTimeout"]
    )["Attributes"]
    # The template allows ten receives, half a minute apart at least; two show the same sooner.
    policy = {"deadLetterTargetArn": outputs["DeadLetterQueueArn"], "maxReceiveCount": RECEIVES}
    sqs.set_queue_attributes(
        QueueUrl=outputs["QueueUrl"],
        Attributes={"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": "3"},
    )
    bucket = f"away-{uuid.uuid4().hex[:10]}"
    function = {"FunctionName": outputs["StageFunctionName"]}
    variables = functions.get_function_configuration(**function)["Environment"]["Variables"]
    functions.update_function_configuration(
        **function, Environment={"Variables": variables | {"DATA_BUCKET": bucket}}
    )

    sqs.send_message(QueueUrl=outputs["QueueUrl"], MessageBody="whatever it is")
    wait_until(lambda: depth(target, DEAD_LETTERS).total)
    (letter,) = peek(target, DEAD_LETTERS, 10)
    assert letter.payload == b"whatever it is"
    assert letter.receives == RECEIVES + 1  # the last one is our look

    s3.create_bucket(Bucket=bucket)
    sqs.set_queue_attributes(QueueUrl=outputs["QueueUrl"], Attributes=usual)
    *_, end = redrive_dead_letters(target)
    assert (end.moved, end.status) == (1, "COMPLETED")
    (only,) = wait_until(
        lambda: s3.list_objects_v2(Bucket=bucket, Prefix="raw/").get("Contents", [])
    )
    assert ".n1." in only["Key"]
