"""Proves that an alarm's notification comes through its topic: a queue listens while it fires.

An alarm that fires says nothing of its notification: CloudWatch drops one that the topic or its key
refuses, and notes that only in the alarm's history. So a queue of its own subscribes to the topic,
for as long as the test takes, and is deleted again.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from etl.aws.target import Target
from etl.operations.alarms import Alarm

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

__all__ = ["TEST_QUEUE", "WAIT_SECONDS", "Listener", "listening", "refused_actions"]

TEST_QUEUE = "-alarm-test-"
"""Part of the name of the queue that listens."""

POLL_SECONDS = 10
"""Seconds that one request waits for a message; SQS allows 20."""
WAIT_SECONDS = 60.0
"""Seconds that a notification may take. It takes a few; CloudWatch gives no limit."""


@dataclass(frozen=True)
class Listener:
    """A queue that is subscribed to one topic."""

    sqs: SQSClient
    url: str

    def received(self, reason: str, seconds: float = WAIT_SECONDS) -> float | None:
        """Wait for the notification with this reason.

        Returns the seconds that it took, or ``None`` where it has not come in time.
        """
        began = time.monotonic()
        while (waited := time.monotonic() - began) < seconds:
            wait = max(1, min(POLL_SECONDS, int(seconds - waited)))
            answer = self.sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=wait
            )
            if any(_is_about(message["Body"], reason) for message in answer.get("Messages", ())):
                return time.monotonic() - began
        return None


@contextmanager
def listening(target: Target, topic: str) -> Iterator[Listener]:
    """Subscribe a queue to the topic, and delete both at the end.

    Raises botocore's ``ClientError`` where the caller may not do so.
    """
    sqs, sns = target.client("sqs"), target.client("sns")
    name = f"{target.stack}{TEST_QUEUE}{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name, Attributes={"SqsManagedSseEnabled": "true"})["QueueUrl"]
    try:
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        arn = attributes["Attributes"]["QueueArn"]
        policy = json.dumps(_only_from(topic, arn))
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        subscribed = sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
        )
        try:
            yield Listener(sqs, url)
        finally:
            sns.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])
    finally:
        sqs.delete_queue(QueueUrl=url)


def refused_actions(target: Target, one: Alarm, since: datetime) -> list[str]:
    """CloudWatch's entries on actions of the alarm since then, which say why one failed."""
    pages = target.client("cloudwatch").get_paginator("describe_alarm_history")
    answers = pages.paginate(
        AlarmName=one.name,
        AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        HistoryItemType="Action",
        StartDate=since,
    )
    entries = (item for page in answers for item in page["AlarmHistoryItems"])
    return [item["HistorySummary"] for item in entries if "Failed" in item["HistorySummary"]]


def _only_from(topic: str, queue: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
            }
        ],
    }


def _is_about(body: str, reason: str) -> bool:
    """True where a queue's message is SNS's envelope of the notification with this reason."""
    try:
        return bool(json.loads(json.loads(body)["Message"])["NewStateReason"] == reason)
    except (ValueError, KeyError, TypeError):
        return False
