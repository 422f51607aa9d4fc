"""Counts of the messages in an SQS queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.literals import QueueAttributeNameType

__all__ = ["QueueDepth", "queue_depth"]


@dataclass(frozen=True)
class QueueDepth:
    """The number of messages in a queue; approximate by nature in AWS."""

    waiting: int
    hidden: int
    """Received by a consumer, and neither deleted nor visible again yet."""
    delayed: int = 0

    @property
    def total(self) -> int:
        """All messages, visible or not."""
        return self.waiting + self.hidden + self.delayed


def queue_depth(sqs: SQSClient, url: str) -> QueueDepth:
    """The depth of a queue. Nothing is received."""
    names: list[QueueAttributeNameType] = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return QueueDepth(*(int(attributes.get(name, 0)) for name in names))
