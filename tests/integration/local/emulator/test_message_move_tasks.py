"""SQS: a dead-letter queue is moved back in bulk, as a task that can be watched and stopped."""

from __future__ import annotations

import json
import time
import uuid

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def sqs(emulator):
    return emulator.client("sqs")


def arn_of(sqs, url):
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]


def new_queue(sqs, **attributes):
    return sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:10]}", Attributes=attributes)[
        "QueueUrl"
    ]


@pytest.fixture
def dead(sqs):
    return new_queue(sqs)


@pytest.fixture
def queue(sqs, dead):
    policy = {"deadLetterTargetArn": arn_of(sqs, dead), "maxReceiveCount": 1}
    return new_queue(sqs, RedrivePolicy=json.dumps(policy))


def receive(sqs, url, **settings):
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **settings)
    return answer.get("Messages", [])


def die(sqs, queue, *bodies):
    for body in bodies:
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    assert len(receive(sqs, queue, VisibilityTimeout=0)) == len(bodies)
    assert receive(sqs, queue) == []


def ended(sqs, dead):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        (task,) = sqs.list_message_move_tasks(SourceArn=arn_of(sqs, dead))["Results"]
        if task["Status"] not in ("RUNNING", "CANCELLING"):
            return task
        time.sleep(0.02)
    raise AssertionError("still running")


def test_messages_go_back_to_where_they_died(sqs, queue, dead):
    die(sqs, queue, "a", "b")
    sqs.start_message_move_task(SourceArn=arn_of(sqs, dead))
    task = ended(sqs, dead)
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 2)
    assert "TaskHandle" not in task
    assert receive(sqs, dead) == []
    messages = receive(sqs, queue, AttributeNames=["ApproximateReceiveCount"])
    assert sorted(one["Body"] for one in messages) == ["a", "b"]
    assert {one["Attributes"]["ApproximateReceiveCount"] for one in messages} == {"1"}


def test_messages_go_where_they_are_sent_to(sqs, queue, dead):
    sqs.send_message(QueueUrl=dead, MessageBody="never was in a queue")
    sqs.start_message_move_task(SourceArn=arn_of(sqs, dead))
    assert ended(sqs, dead)["FailureReason"] == "CouldNotDetermineMessageSource"
    sqs.start_message_move_task(SourceArn=arn_of(sqs, dead), DestinationArn=arn_of(sqs, queue))
    assert ended(sqs, dead)["Status"] == "COMPLETED"
    assert len(receive(sqs, queue)) == 1


def test_a_task_keeps_to_its_rate_and_can_be_cancelled(sqs, queue, dead):
    for _ in range(60):  # at one in a second it takes ten minutes
        entries = [{"Id": str(number), "MessageBody": "x"} for number in range(10)]
        sqs.send_message_batch(QueueUrl=dead, Entries=entries)

    def start(**settings):
        return sqs.start_message_move_task(DestinationArn=arn_of(sqs, queue), **settings)

    handle = start(SourceArn=arn_of(sqs, dead), MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    with pytest.raises(ClientError, match="already a task running"):
        start(SourceArn=arn_of(sqs, dead))
    sqs.cancel_message_move_task(TaskHandle=handle)
    task = ended(sqs, dead)
    assert task["Status"] == "CANCELLED"
    assert task["ApproximateNumberOfMessagesMoved"] < 600


def test_only_a_dead_letter_queue_of_a_queue_can_be_moved(sqs, queue):
    with pytest.raises(ClientError, match="must be configured as a Dead Letter Queue"):
        sqs.start_message_move_task(SourceArn=arn_of(sqs, queue))
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        sqs.start_message_move_task(SourceArn=arn_of(sqs, queue) + "-not")
