"""The SQS event source mapping gathers batches as AWS does: by size, by window, by payload."""

from __future__ import annotations

import json
import statistics
import time
import uuid
from itertools import count

import pytest

# Leaves one object per call, so that the test sees what each call was given.
RECORDING = """
import boto3, json, os, time
def handle(event, context):
    bodies = [one["body"][:20] for one in event["Records"]]
    boto3.client("s3").put_object(
        Bucket=os.environ["BUCKET"], Key=f"{time.time_ns()}", Body=json.dumps(bodies))
    failed = [
        one for one in event["Records"]
        if one["body"] == "fail" and one["attributes"]["ApproximateReceiveCount"] == "1"]
    for one in failed:  # so that nobody has to wait for the queue's visibility timeout
        boto3.client("sqs").change_message_visibility(
            QueueUrl=os.environ["QUEUE"], ReceiptHandle=one["receiptHandle"], VisibilityTimeout=0)
    return {"batchItemFailures": [{"itemIdentifier": one["messageId"]} for one in failed]}
"""


class Mapped:
    def __init__(self, emulator, function, **settings):
        unique = uuid.uuid4().hex[:10]
        self.bucket = f"calls-{unique}"
        self.s3, self.sqs = emulator.client("s3"), emulator.client("sqs")
        self.s3.create_bucket(Bucket=self.bucket)
        attributes = {"VisibilityTimeout": "900"}
        answer = self.sqs.create_queue(QueueName=f"q-{unique}", Attributes=attributes)
        self.queue = answer["QueueUrl"]
        self.client = emulator.client("lambda")
        variables = {"BUCKET": self.bucket, "QUEUE": self.queue}
        arn = function(RECORDING, Environment={"Variables": variables})
        described = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        self.mapping = self.client.create_event_source_mapping(
            FunctionName=arn, EventSourceArn=described["Attributes"]["QueueArn"], **settings
        )["UUID"]

    def send(self, bodies):
        for start in range(0, len(bodies), 10):
            entries = [
                {"Id": str(i), "MessageBody": b} for i, b in enumerate(bodies[start : start + 10])
            ]
            self.sqs.send_message_batch(QueueUrl=self.queue, Entries=entries)

    def calls(self, messages, patience=120):
        """What each call was given, once so many messages have arrived."""
        deadline = time.monotonic() + patience
        while True:
            found = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
            keys = [one["Key"] for one in found]
            calls = [
                json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
                for key in keys
            ]
            if sum(map(len, calls)) >= messages or time.monotonic() > deadline:
                return calls
            time.sleep(0.1)

    def becomes_empty(self):
        """Wait until no message is left, neither visible nor in flight."""
        deadline = time.monotonic() + 120
        while True:
            found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["All"])
            left = [
                int(found["Attributes"][f"ApproximateNumberOfMessages{kind}"])
                for kind in ("", "NotVisible", "Delayed")
            ]
            if left == [0, 0, 0]:
                return
            assert time.monotonic() < deadline, left
            time.sleep(0.1)

    def close(self):
        self.client.delete_event_source_mapping(UUID=self.mapping)


@pytest.fixture
def mapped(emulator, function):
    made = []

    def make(**settings):
        made.append(Mapped(emulator, function, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_batch_larger_than_ten_is_gathered_within_its_window(mapped):
    mapping = mapped(BatchSize=120, MaximumBatchingWindowInSeconds=300)
    mapping.send([f"{i}" for i in range(120)])
    (call,) = mapping.calls(120)
    assert len(call) == 120


def test_a_batch_that_is_not_full_is_handed_over_when_its_window_ends(mapped):
    mapping = mapped(BatchSize=1000, MaximumBatchingWindowInSeconds=2)
    began = time.monotonic()
    mapping.send(["x"] * 5)
    mapping.calls(1)
    assert time.monotonic() - began >= 2.0
    assert sum(len(call) for call in mapping.calls(5)) == 5


# Prints how long after the end of its window, counted from its first message, a batch came.
LATE = """
import time
def handle(event, context):
    sent = min(int(one["attributes"]["SentTimestamp"]) for one in event["Records"])
    print("late", time.time() - sent / 1000 - 1)
"""


def test_messages_that_keep_coming_do_not_delay_the_end_of_a_window(emulator, function):
    sqs, logs, mappings = (emulator.client(name) for name in ("sqs", "logs", "lambda"))
    url = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:10]}")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    arn = function(LATE)
    mapping = mappings.create_event_source_mapping(
        FunctionName=arn, EventSourceArn=queue["QueueArn"], BatchSize=1000,
        MaximumBatchingWindowInSeconds=1,
    )["UUID"]  # fmt: skip
    group = f"/aws/lambda/{arn.rpartition(':')[2]}"

    def lateness():
        """Of the windows that end within the next ten seconds, the median."""
        since = time.time()
        while time.time() < since + 10:
            sqs.send_message(QueueUrl=url, MessageBody="x")
            time.sleep(0.01)
        found = logs.filter_log_events(logGroupName=group, startTime=int(since * 1000))["events"]
        lines = [one["message"].split() for one in found]
        return statistics.median(float(line[1]) for line in lines if line[:1] == ["late"])

    try:
        measured = [lateness()]
        while measured[-1] > 0.035 and len(measured) < 6:
            measured.append(lateness())  # a busy machine is slow at times, not always
    finally:
        mappings.delete_event_source_mapping(UUID=mapping)
    assert measured[-1] <= 0.035, measured


def test_a_full_batch_does_not_wait_for_its_window(mapped):
    mapping = mapped(BatchSize=50, MaximumBatchingWindowInSeconds=300)
    mapping.send(["x"] * 100)
    assert [len(call) for call in mapping.calls(100)] == [50, 50]


def test_a_batch_never_exceeds_six_megabytes(mapped):
    mapping = mapped(BatchSize=10_000, MaximumBatchingWindowInSeconds=3)
    for _ in range(2):
        mapping.send([])
        for _ in range(5):
            mapping.sqs.send_message(QueueUrl=mapping.queue, MessageBody="y" * 900_000)
    sizes = [len(call) for call in mapping.calls(10)]
    assert sum(sizes) == 10
    assert max(sizes) <= 6


def test_without_a_window_messages_are_handed_over_at_once(mapped):
    mapping = mapped(BatchSize=10)
    limit = time.monotonic() + 120
    for number in count(1):  # a busy machine is slow at times, not always
        began = time.monotonic()
        mapping.send(["x"])
        assert mapping.calls(number) == [["x"]] * number
        if time.monotonic() - began < 5.0:
            break
        assert time.monotonic() < limit


def test_only_the_failures_a_function_reports_come_again(mapped):
    mapping = mapped(
        BatchSize=10,
        MaximumBatchingWindowInSeconds=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    mapping.send(["ok", "fail", "fine"])
    calls = mapping.calls(4)
    assert sorted(body for call in calls for body in call) == ["fail", "fail", "fine", "ok"]
    mapping.becomes_empty()


def test_a_message_is_given_to_the_mapping_or_to_a_receiver_never_to_both(mapped):
    mapping = mapped(BatchSize=100, MaximumBatchingWindowInSeconds=1)
    mapping.send([f"{i}" for i in range(200)])
    drained = []
    while got := mapping.sqs.receive_message(QueueUrl=mapping.queue, MaxNumberOfMessages=10).get(
        "Messages"
    ):
        drained += [one["Body"] for one in got]
        for one in got:
            mapping.sqs.delete_message(QueueUrl=mapping.queue, ReceiptHandle=one["ReceiptHandle"])
    handed = [body for call in mapping.calls(200 - len(drained)) for body in call]
    assert sorted(drained + handed, key=int) == [f"{i}" for i in range(200)]
