"""Moves dead letters back to the telemetry queue, in bulk.

SQS itself redrives the dead-letter queue. It can't redrive the rule error queue, which is not the
dead-letter queue of another queue and whose messages have the error format of AWS IoT, so those are
sent again here, batch by batch. A reading that is sent twice is counted as a duplicate.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.aws.target import Target
from etl.operations.dead_letters import BATCH, RULE_ERRORS, depth, make_visible, queue_url, receive
from etl.operations.rule_errors import original_body, parse_rule_error
from etl.operations.topic_rules import contract_of_rule, is_rule_of_removed

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import (
        DeleteMessageBatchRequestEntryTypeDef,
        ListMessageMoveTasksResultEntryTypeDef,
        MessageTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

__all__ = ["MOST_A_SECOND", "MoveProgress", "redrive_dead_letters", "resend_rule_errors"]

MOST_A_SECOND = 500
"""Limit of SQS for the rate of a redrive; without a rate SQS chooses one."""
BATCH_BYTES = 1024 * 1024
"""Limit of SQS for the bytes in one call."""
SENDING_SECONDS = 120
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class MoveProgress:
    """Progress of a redrive."""

    moved: int
    to_move: int
    status: str
    """Status in SQS: RUNNING, COMPLETED, CANCELLING, CANCELLED or FAILED."""
    failure: str | None = None
    left: int = 0
    """Messages that stay, because they are not in the error format of AWS IoT, or for the next
    reason."""
    of_removed: int = 0
    """Number of messages of ``left`` that came by the rule of a contract which the pipeline has no
    more: the first contract would read them as its own."""


def redrive_dead_letters(target: Target, rate: int | None = None) -> Iterator[MoveProgress]:
    """Move the dead-letter queue back to the telemetry queue; yields progress until the end.

    A redrive that is still running, as an earlier call was interrupted, is followed instead.
    """
    sqs, source = target.client("sqs"), target.outputs["DeadLetterQueueArn"]
    if not _is_moving(_last_move(sqs, source)):
        options = {"MaxNumberOfMessagesPerSecond": rate} if rate else {}
        sqs.start_message_move_task(
            SourceArn=source, DestinationArn=target.outputs["QueueArn"], **options
        )
    while True:
        task: ListMessageMoveTasksResultEntryTypeDef = _last_move(sqs, source) or {
            "Status": "RUNNING"
        }
        yield MoveProgress(
            int(task.get("ApproximateNumberOfMessagesMoved", 0)),
            int(task.get("ApproximateNumberOfMessagesToMove", 0)),
            task["Status"],
            task.get("FailureReason"),
        )
        if not _is_moving(task):
            return
        time.sleep(POLL_SECONDS)


def resend_rule_errors(target: Target) -> Iterator[MoveProgress]:
    """Send messages that the rule could not deliver to the telemetry queue; yields progress.

    A message is deleted from the error queue after the telemetry queue has it, so that an
    interruption sends it twice at worst.
    """
    sqs, url = target.client("sqs"), queue_url(target, RULE_ERRORS)
    to_move, moved, left, of_removed = depth(target, RULE_ERRORS).total, 0, 0, 0
    seen: set[str] = set()
    while True:
        found = receive(sqs, url, BATCH, SENDING_SECONDS)
        fresh = [message for message in found if message["MessageId"] not in seen]
        if not fresh:
            make_visible(sqs, url, found)  # received a second time: the next command finds them
            break
        seen |= {message["MessageId"] for message in fresh}
        bodies = [(message, _body_of(message, target.outputs)) for message in fresh]
        unknown = [message for message, body in bodies if body is None]
        make_visible(sqs, url, unknown)
        left += len(unknown)
        of_removed += sum(_is_of_removed(message, target.outputs) for message in unknown)
        moved += _send(sqs, url, target.outputs["QueueUrl"], bodies)
        yield MoveProgress(
            moved, max(to_move, moved + left), "RUNNING", left=left, of_removed=of_removed
        )
    yield MoveProgress(
        moved, max(to_move, moved + left), "COMPLETED", left=left, of_removed=of_removed
    )


def _last_move(sqs: SQSClient, source: str) -> ListMessageMoveTasksResultEntryTypeDef | None:
    results = sqs.list_message_move_tasks(SourceArn=source, MaxResults=1).get("Results", ())
    return results[0] if results else None


def _is_moving(task: ListMessageMoveTasksResultEntryTypeDef | None) -> bool:
    return task is not None and task["Status"] in ("RUNNING", "CANCELLING")


def _is_of_removed(message: MessageTypeDef, outputs: Mapping[str, str]) -> bool:
    error = parse_rule_error(message["Body"])
    return error is not None and is_rule_of_removed(outputs, error.get("ruleName"))


def _body_of(message: MessageTypeDef, outputs: Mapping[str, str]) -> str | None:
    """The body to send; ``None`` for a message that stays."""
    error = parse_rule_error(message["Body"])
    if error is None or is_rule_of_removed(outputs, error.get("ruleName")):
        return None
    sent = message.get("Attributes", {}).get("SentTimestamp")
    return original_body(error, sent, contract_of_rule(outputs, error.get("ruleName")))


def _send(
    sqs: SQSClient, source: str, queue: str, bodies: list[tuple[MessageTypeDef, str | None]]
) -> int:
    """Send the bodies, and delete the messages that were sent; returns their number."""
    moved = 0
    for part in _parts([(message, body) for message, body in bodies if body is not None]):
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": str(n), "MessageBody": body} for n, (_, body) in enumerate(part)
        ]
        answer = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
        sent = [part[int(entry["Id"])][0] for entry in answer.get("Successful", ())]
        if sent:
            handles: list[DeleteMessageBatchRequestEntryTypeDef] = [
                {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(sent)
            ]
            sqs.delete_message_batch(QueueUrl=source, Entries=handles)
        moved += len(sent)
    return moved


def _parts(
    bodies: list[tuple[MessageTypeDef, str]],
) -> Iterator[list[tuple[MessageTypeDef, str]]]:
    """Split so that no call exceeds the size limit of SQS."""
    part: list[tuple[MessageTypeDef, str]] = []
    size = 0
    for pair in bodies:
        length = len(pair[1].encode())
        if part and size + length > BATCH_BYTES:
            yield part
            part, size = [], 0
        part.append(pair)
        size += length
    if part:
        yield part
