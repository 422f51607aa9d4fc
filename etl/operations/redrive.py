"""Back to the telemetry queue, in bulk.

Dead letters go back by SQS's own bulk move. SQS moves only what is another queue's dead-letter
queue, and the rule's errors have a format that has to be undone, so those are sent again here, one
call after the other. Sent twice, a reading is a counted duplicate.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from etl.aws.target import Target
from etl.operations.dead_letters import BATCH, RULE_ERRORS, depth, give_back, queue_url, receive
from etl.operations.rule_errors import as_the_rule_sends, parse_rule_error

__all__ = ["MOST_A_SECOND", "Moving", "move_back", "send_again"]

MOST_A_SECOND = 500
"""Highest rate of a bulk move, says SQS; without one SQS chooses."""
BATCH_BYTES = 1024 * 1024
"""Most bytes in one call, says SQS."""
SENDING_SECONDS = 120
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Moving:
    """How far a move is."""

    moved: int
    to_move: int
    status: str
    """As SQS calls it: RUNNING, COMPLETED, CANCELLING, CANCELLED, FAILED."""
    failure: str | None = None
    left: int = 0
    """Messages that stay, because they are not as IoT writes them."""


def move_back(target: Target, rate: int | None = None) -> Iterator[Moving]:
    """Move the dead-letter queue back to the telemetry queue; yields how far it is, to its end.

    A move that runs already (an earlier call was interrupted) is followed, not started anew.
    """
    sqs, source = target.client("sqs"), target.outputs["DeadLetterQueueArn"]
    if not _is_moving(_last_move(sqs, source)):
        options = {"MaxNumberOfMessagesPerSecond": rate} if rate else {}
        sqs.start_message_move_task(
            SourceArn=source, DestinationArn=target.outputs["QueueArn"], **options
        )
    while True:
        task = _last_move(sqs, source) or {"Status": "RUNNING"}
        yield Moving(
            int(task.get("ApproximateNumberOfMessagesMoved", 0)),
            int(task.get("ApproximateNumberOfMessagesToMove", 0)),
            task["Status"],
            task.get("FailureReason"),
        )
        if not _is_moving(task):
            return
        time.sleep(POLL_SECONDS)


def send_again(target: Target) -> Iterator[Moving]:
    """Send what the rule could not deliver to the telemetry queue; yields how far it is.

    A message leaves the error queue once the telemetry queue has it, so an end in between sends it
    twice at worst.
    """
    sqs, url = target.client("sqs"), queue_url(target, RULE_ERRORS)
    to_move, moved, left = depth(target, RULE_ERRORS).total, 0, 0
    seen: set[str] = set()
    while True:
        found = receive(sqs, url, BATCH, SENDING_SECONDS)
        fresh = [message for message in found if message["MessageId"] not in seen]
        if not fresh:
            break
        seen |= {message["MessageId"] for message in fresh}
        undone = [(message, _body_of(message)) for message in fresh]
        unknown = [message for message, body in undone if body is None]
        give_back(sqs, url, unknown)
        left += len(unknown)
        moved += _send(sqs, url, target.outputs["QueueUrl"], undone)
        yield Moving(moved, max(to_move, moved + left), "RUNNING", left=left)
    yield Moving(moved, max(to_move, moved + left), "COMPLETED", left=left)


def _last_move(sqs: Any, source: str) -> dict[str, Any] | None:
    results = sqs.list_message_move_tasks(SourceArn=source, MaxResults=1).get("Results", ())
    return dict(results[0]) if results else None


def _is_moving(task: dict[str, Any] | None) -> bool:
    return task is not None and task["Status"] in ("RUNNING", "CANCELLING")


def _body_of(message: dict[str, Any]) -> str | None:
    error = parse_rule_error(message["Body"])
    sent = message.get("Attributes", {}).get("SentTimestamp")
    return as_the_rule_sends(error, sent) if error else None


def _send(
    sqs: Any, source: str, queue: str, undone: list[tuple[dict[str, Any], str | None]]
) -> int:
    """Send bodies to the queue, delete what it took from the source; how many that were."""
    moved = 0
    for part in _parts([(message, body) for message, body in undone if body is not None]):
        entries = [{"Id": str(n), "MessageBody": body} for n, (_, body) in enumerate(part)]
        answer = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
        sent = [part[int(entry["Id"])][0] for entry in answer.get("Successful", ())]
        if sent:
            handles = [
                {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(sent)
            ]
            sqs.delete_message_batch(QueueUrl=source, Entries=handles)
        moved += len(sent)
    return moved


def _parts(
    undone: list[tuple[dict[str, Any], str]],
) -> Iterator[list[tuple[dict[str, Any], str]]]:
    """Cut so that no call has more bytes than SQS takes."""
    part: list[tuple[dict[str, Any], str]] = []
    size = 0
    for pair in undone:
        length = len(pair[1].encode())
        if part and size + length > BATCH_BYTES:
            yield part
            part, size = [], 0
        part.append(pair)
        size += length
    if part:
        yield part
