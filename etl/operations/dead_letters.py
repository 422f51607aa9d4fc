"""Dead letters: messages that could not be staged, or not even be delivered to the queue.

They are in two queues: the *dead-letter queue* holds messages that Extract received too often, the
*rule error queue* holds what the topic rule could not deliver, in the error format of AWS IoT.

To read a message, SQS has to receive it. Neither queue has a limit of receives, and each message is
made visible again at once. Counting receives nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.aws.sqs import QueueDepth, queue_depth
from etl.aws.target import Target
from etl.operations.rule_errors import failure_text, original_body, parse_rule_error
from etl.operations.topic_rules import contract_of_rule
from functions.extract.envelope import Envelope, read_envelope

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import (
        ChangeMessageVisibilityBatchRequestEntryTypeDef,
        MessageTypeDef,
    )

__all__ = [
    "BATCH", "DEAD_LETTERS", "QUEUES", "RULE_ERRORS", "DeadLetter", "depth", "envelope_of",
    "make_visible", "peek", "queue_url", "receive",
]  # fmt: skip

DEAD_LETTERS, RULE_ERRORS = QUEUES = ("dead-letters", "rule-errors")
_OUTPUTS = {DEAD_LETTERS: "DeadLetterQueueUrl", RULE_ERRORS: "RuleErrorQueueUrl"}
BATCH = 10
"""Limit of SQS for the messages in one call."""
PEEK_SECONDS = 30
"""Seconds that messages stay hidden where this program dies before it makes them visible again."""


@dataclass(frozen=True)
class DeadLetter:
    """A message in one of the queues."""

    message_id: str
    sent: datetime | None
    receives: int
    """Number of times it was received so far, this time included."""
    topic: str | None
    client_id: str | None
    payload: bytes
    why: str | None
    """The reason why the rule could not deliver it; ``None`` in the dead-letter queue."""


def queue_url(target: Target, queue: str) -> str:
    """URL of one of :data:`QUEUES`."""
    return target.outputs[_OUTPUTS[queue]]


def depth(target: Target, queue: str) -> QueueDepth:
    """The depth of one of :data:`QUEUES`."""
    return queue_depth(target.client("sqs"), queue_url(target, queue))


def peek(target: Target, queue: str, most: int) -> list[DeadLetter]:
    """Up to ``most`` messages. Each is received once and made visible again before this returns."""
    sqs, url = target.client("sqs"), queue_url(target, queue)
    received: dict[str, MessageTypeDef] = {}
    try:
        while len(received) < most:
            found = receive(sqs, url, min(BATCH, most - len(received)), PEEK_SECONDS)
            fresh = {m["MessageId"]: m for m in found if m["MessageId"] not in received}
            received |= fresh
            if not fresh:
                break
    finally:
        make_visible(sqs, url, list(received.values()))
    return [_dead_letter(message) for message in received.values()]


def receive(sqs: SQSClient, url: str, most: int, hidden: int) -> list[MessageTypeDef]:
    """Receive up to ten messages, which stay hidden for ``hidden`` seconds."""
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=most,
        VisibilityTimeout=hidden,
        WaitTimeSeconds=1,  # long polling asks all servers of SQS
        AttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
    )
    return list(answer.get("Messages", ()))


def make_visible(sqs: SQSClient, url: str, messages: list[MessageTypeDef]) -> None:
    """Make received messages visible again."""
    for start in range(0, len(messages), BATCH):
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": 0}
            for n, m in enumerate(messages[start : start + BATCH])
        ]
        sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)


def envelope_of(message: MessageTypeDef, outputs: Mapping[str, str] | None = None) -> Envelope:
    """The message as a line of a raw object, as Extract would have staged it, with its contract.

    ``outputs`` are the stack's, for the contract of a message that a topic rule could not deliver.
    """
    error = parse_rule_error(message["Body"])
    body = message["Body"]
    if error is not None:
        sent = message.get("Attributes", {}).get("SentTimestamp")
        body = original_body(error, sent, contract_of_rule(outputs or {}, error.get("ruleName")))
    return read_envelope(message["MessageId"], body)


def _dead_letter(message: MessageTypeDef) -> DeadLetter:
    attributes = message.get("Attributes", {})
    sent = attributes.get("SentTimestamp")
    error = parse_rule_error(message["Body"])
    envelope = json.loads(envelope_of(message).line)
    return DeadLetter(
        message_id=message["MessageId"],
        sent=datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else None,
        receives=int(attributes.get("ApproximateReceiveCount", 0)),
        topic=envelope["topic"],
        client_id=envelope["client_id"],
        payload=base64.b64decode(envelope["payload"]),
        why=failure_text(error) if error else None,
    )
