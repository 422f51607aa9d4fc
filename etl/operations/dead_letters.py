"""Letters: messages that could not be staged, or not even be delivered to the queue.

Two queues hold them: the *dead-letter queue* what Extract received too often, the *rule's error
queue* what the topic rule could not deliver, in IoT's error format.

Looking costs a receive: SQS has no other way to read a message. Neither queue counts receives
towards anything, and each message looked at is given back at once. Counting costs none.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from etl.aws.sqs import QueueDepth, queue_depth
from etl.aws.target import Target
from etl.operations.rule_errors import as_the_rule_sends, parse_rule_error, why
from functions.extract.envelope import envelope_line

__all__ = [
    "BATCH", "DEAD_LETTERS", "QUEUES", "RULE_ERRORS", "Letter", "depth", "give_back",
    "peek", "queue_url", "receive",
]  # fmt: skip

DEAD_LETTERS, RULE_ERRORS = QUEUES = ("dead-letters", "rule-errors")
_OUTPUTS = {DEAD_LETTERS: "DeadLetterQueueUrl", RULE_ERRORS: "RuleErrorQueueUrl"}
BATCH = 10
"""Most messages in one call, says SQS."""
LOOKING_SECONDS = 30
"""How long what is looked at stays hidden, should we not come to give it back."""


@dataclass(frozen=True)
class Letter:
    """A message as it lies in one of the queues."""

    message_id: str
    sent: datetime | None
    receives: int
    """Of all its life, this look included."""
    topic: str | None
    client_id: str | None
    payload: bytes
    why: str | None
    """What the rule could not do; ``None`` in the dead-letter queue."""


def queue_url(target: Target, queue: str) -> str:
    """URL of one of :data:`QUEUES`."""
    return target.outputs[_OUTPUTS[queue]]


def depth(target: Target, queue: str) -> QueueDepth:
    """The depth of one of :data:`QUEUES`."""
    return queue_depth(target.client("sqs"), queue_url(target, queue))


def peek(target: Target, queue: str, most: int) -> list[Letter]:
    """Up to so many letters. Each is received once, and given back before this returns."""
    sqs, url = target.client("sqs"), queue_url(target, queue)
    received: dict[str, dict[str, Any]] = {}
    try:
        while len(received) < most:
            found = receive(sqs, url, min(BATCH, most - len(received)), LOOKING_SECONDS)
            fresh = {m["MessageId"]: m for m in found if m["MessageId"] not in received}
            received |= fresh
            if not fresh:
                break
    finally:
        give_back(sqs, url, list(received.values()))
    return [_letter(message) for message in received.values()]


def receive(sqs: Any, url: str, most: int, hidden: int) -> list[dict[str, Any]]:
    """Up to ten messages, hidden for so many seconds."""
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=most,
        VisibilityTimeout=hidden,
        WaitTimeSeconds=1,  # asks all of SQS's servers
        AttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
    )
    return list(answer.get("Messages", ()))


def give_back(sqs: Any, url: str, messages: list[dict[str, Any]]) -> None:
    """Make received messages visible again."""
    for start in range(0, len(messages), BATCH):
        entries = [
            {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": 0}
            for n, m in enumerate(messages[start : start + BATCH])
        ]
        sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)


def _letter(message: dict[str, Any]) -> Letter:
    attributes = message.get("Attributes", {})
    sent = attributes.get("SentTimestamp")
    error = parse_rule_error(message["Body"])
    body = as_the_rule_sends(error, sent) if error else message["Body"]
    envelope = json.loads(envelope_line(message["MessageId"], body))
    return Letter(
        message_id=message["MessageId"],
        sent=datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else None,
        receives=int(attributes.get("ApproximateReceiveCount", 0)),
        topic=envelope["topic"],
        client_id=envelope["client_id"],
        payload=base64.b64decode(envelope["payload"]),
        why=why(error) if error else None,
    )
