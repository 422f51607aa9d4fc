"""SQS: a long queue is as fast as a short one, and deleting is forgiving."""

from __future__ import annotations

import json
import time
import uuid

import psutil
import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def sqs(emulator):
    return emulator.client("sqs")


@pytest.fixture
def queue(sqs):
    hidden = {"VisibilityTimeout": "900"}  # what was received stays so, however slow the machine is
    return sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:10]}", Attributes=hidden)["QueueUrl"]


def send(sqs, queue, bodies):
    for start in range(0, len(bodies), 10):
        entries = [
            {"Id": str(i), "MessageBody": b} for i, b in enumerate(bodies[start : start + 10])
        ]
        assert not sqs.send_message_batch(QueueUrl=queue, Entries=entries).get("Failed")


def receive(sqs, queue, **settings):
    settings = {"MaxNumberOfMessages": 10, **settings}
    return sqs.receive_message(QueueUrl=queue, **settings).get("Messages", [])


def wait_for_one(sqs, queue, **settings):
    """The one message of the first receive that has any."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if found := receive(sqs, queue, WaitTimeSeconds=5, **settings):
            (message,) = found
            return message
    raise AssertionError("no message has come")


def used_by(emulator):
    """Seconds of processor time that the emulator has used."""
    return sum(psutil.Process(emulator.pid).cpu_times()[:2])


def drain_time(emulator, sqs, queue, messages):
    """Seconds of processor time that it costs the emulator: a busy machine makes them no more."""
    began = used_by(emulator)
    for _ in range(messages // 10):
        got = receive(sqs, queue)
        assert len(got) == 10
        entries = [{"Id": one["MessageId"], "ReceiptHandle": one["ReceiptHandle"]} for one in got]
        sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
    return used_by(emulator) - began


def test_receiving_and_deleting_does_not_slow_down_with_the_backlog(emulator, sqs, queue):
    send(sqs, queue, ["short"] * 300)
    short = drain_time(emulator, sqs, queue, 300)
    send(sqs, queue, ["long"] * 10_000)
    # The least of several: the emulator does other work as well.
    assert min(drain_time(emulator, sqs, queue, 300) for _ in range(5)) < 3 * short + 0.2


def test_messages_come_in_order_of_arrival_and_each_once(sqs, queue):
    send(sqs, queue, [str(i) for i in range(30)])
    bodies = [one["Body"] for _ in range(4) for one in receive(sqs, queue)]
    assert bodies == [str(i) for i in range(30)]


def test_a_message_that_is_not_deleted_becomes_visible_again(sqs, queue):
    send(sqs, queue, ["a"])
    (first,) = receive(sqs, queue, VisibilityTimeout=1)
    again = wait_for_one(sqs, queue, AttributeNames=["ApproximateReceiveCount"])
    assert receive(sqs, queue) == []
    assert again["MessageId"] == first["MessageId"]
    assert again["ReceiptHandle"] != first["ReceiptHandle"]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


def test_visibility_can_be_changed_one_by_one_and_in_batches(sqs, queue):
    send(sqs, queue, ["a", "b"])
    first, second = receive(sqs, queue)
    sqs.change_message_visibility(
        QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0
    )
    entry = {"Id": "1", "ReceiptHandle": second["ReceiptHandle"], "VisibilityTimeout": 0}
    sqs.change_message_visibility_batch(QueueUrl=queue, Entries=[entry])
    assert {one["Body"] for one in receive(sqs, queue)} == {"a", "b"}


def test_deleting_twice_succeeds(sqs, queue):
    send(sqs, queue, ["a"])
    (message,) = receive(sqs, queue)
    for _ in range(2):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    entry = {"Id": "1", "ReceiptHandle": message["ReceiptHandle"]}
    assert not sqs.delete_message_batch(QueueUrl=queue, Entries=[entry]).get("Failed")


def test_a_handle_from_before_a_second_receive_deletes_nothing(sqs, queue):
    send(sqs, queue, ["a"])
    (first,) = receive(sqs, queue, VisibilityTimeout=0)
    (second,) = receive(sqs, queue, VisibilityTimeout=0)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"])
    assert second["MessageId"] == receive(sqs, queue)[0]["MessageId"]


def test_what_never_was_a_receipt_handle_is_refused(sqs, queue):
    with pytest.raises(ClientError, match="ReceiptHandleIsInvalid"):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle="nonsense")


def test_a_batch_is_deleted_whatever_else_is_in_it(sqs, queue):
    send(sqs, queue, ["a", "b", "c"])
    gone, *others = [one["ReceiptHandle"] for one in receive(sqs, queue)]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=gone)
    handles = [gone, "nonsense", *others]
    entries = [{"Id": str(n), "ReceiptHandle": handle} for n, handle in enumerate(handles)]
    answer = sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
    assert [one["Id"] for one in answer["Successful"]] == ["0", "2", "3"]
    assert [(one["Id"], one["Code"]) for one in answer["Failed"]] == [
        ("1", "ReceiptHandleIsInvalid")
    ]
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_a_delayed_message_is_not_visible_before_its_time(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="much later", DelaySeconds=900)
    sent = time.time()
    sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=1)
    assert wait_for_one(sqs, queue)["Body"] == "later"
    assert time.time() - sent >= 1


def test_a_message_received_too_often_goes_to_the_dead_letter_queue(sqs, queue):
    dead = sqs.create_queue(QueueName=f"dead-{uuid.uuid4().hex[:10]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})
    send(sqs, queue, ["poison"])
    for _ in range(2):
        assert len(receive(sqs, queue, VisibilityTimeout=0)) == 1
    assert receive(sqs, queue) == []
    assert receive(sqs, dead)[0]["Body"] == "poison"


def test_the_counts_tell_waiting_from_in_flight(sqs, queue):
    send(sqs, queue, ["a", "b", "c"])
    sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=2)
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == "1"
    assert counts["ApproximateNumberOfMessagesNotVisible"] == "2"


def test_purging_empties_the_queue(sqs, queue):
    send(sqs, queue, ["a"] * 20)
    sqs.purge_queue(QueueUrl=queue)
    assert receive(sqs, queue) == []
