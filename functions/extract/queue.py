"""Receiving from and deleting in one SQS queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.clients import calling, client
from telemetry.errors import QueueUnavailableError
from telemetry.logs import log

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import DeleteMessageBatchRequestEntryTypeDef, MessageTypeDef

__all__ = ["BATCH", "Message", "Queue"]

BATCH = 10
"""Most messages in one receive or delete request (a limit of SQS)."""
WAIT_SECONDS = 1
"""Long polling asks all of SQS's servers, so that an empty answer means an empty queue."""


@dataclass(frozen=True)
class Message:
    """The parts of an SQS message that Extract uses."""

    message_id: str
    body: str
    receipt: str
    sent: float | None = None
    """Epoch seconds at which it was sent to the queue."""


class Queue:
    """One queue; may be used from several threads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = client("sqs")

    def receive(self) -> list[Message]:
        """Up to ten messages; none, after a second, where the queue is empty."""
        with calling("sqs", "receive messages"):
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=WAIT_SECONDS,
                MessageSystemAttributeNames=["SentTimestamp"],
            )
        return [
            Message(message["MessageId"], message["Body"], message["ReceiptHandle"], _sent(message))
            for message in answer.get("Messages", ())
        ]

    def delete(self, receipts: Sequence[str]) -> int:
        """Deletes up to ten messages; returns how many were not deleted.

        A message that isn't deleted is delivered again and changes nothing, so it is only logged.
        A missing permission, however, would deliver all of them again without end: that is raised.
        """
        entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
            {"Id": str(place), "ReceiptHandle": receipt} for place, receipt in enumerate(receipts)
        ]
        try:
            with calling("sqs", "delete messages"):
                answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        except QueueUnavailableError as error:
            log.warning(
                "Staged messages will be delivered again", messages=len(entries), cause=str(error)
            )
            return len(entries)
        failed = answer.get("Failed", ())
        if failed:
            causes = sorted({str(entry.get("Code")) for entry in failed})
            log.warning(
                "Staged messages will be delivered again", messages=len(failed), cause=causes
            )
        return len(failed)


def _sent(message: MessageTypeDef) -> float | None:
    """Epoch seconds; SQS gives milliseconds as text."""
    sent = message.get("Attributes", {}).get("SentTimestamp")
    return None if sent is None else int(sent) / 1000
