"""A function that is subscribed to a topic: invoked with the notification, and again if it fails."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

PATIENCE_SECONDS = 120.0
FAILING_TWICE = """
import boto3, json, os

def handle(event, context):
    sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event["Records"][0]))
    counted = sqs.get_queue_attributes(
        QueueUrl=os.environ["QUEUE"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    if int(counted["Attributes"]["ApproximateNumberOfMessages"]) < 3:
        raise ValueError("not yet")
    return {}
"""


def test_a_notification_that_fails_is_repeated_twice(
    emulator: Any, function: Callable[..., str]
) -> None:
    sns, sqs = emulator.client("sns"), emulator.client("sqs")
    name = f"notified-{uuid.uuid4().hex[:8]}"
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = function(FAILING_TWICE, Environment={"Variables": {"QUEUE": queue}}, Timeout=60)
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    sent = sns.publish(TopicArn=topic, Subject="About", Message="it")["MessageId"]

    end, found = time.monotonic() + PATIENCE_SECONDS, 0
    while found < 3 and time.monotonic() < end:
        asked = sqs.get_queue_attributes(
            QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
        )
        found = int(asked["Attributes"]["ApproximateNumberOfMessages"])
        time.sleep(0.1)
    records = [
        json.loads(message["Body"])
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    ]
    assert len(records) == 3
    assert {one["Sns"]["MessageId"] for one in records} == {sent}
    assert (records[0]["EventSource"], records[0]["Sns"]["Message"]) == ("aws:sns", "it")
