"""Messages of a publication that the topic rules of other contracts match as well.

What is published once is a message of each contract whose topic filter it matches: each one's rule
puts it into the queue. So each contract that gets messages has a receipt of its own, and the
reconciliation finds a message that one of them has lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from etl.operations.file_messages import ReadingCounter
from etl.operations.receipts import Acknowledgements, Receipt, message_digest, write_receipt
from telemetry.contract import Contract, ContractSet

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["OtherContracts", "PendingMessage"]


@dataclass
class _Other:
    """One contract, and the messages that its rule matches."""

    contract: Contract
    name: str | None
    """Its name in keys."""
    counter: ReadingCounter
    sent: int = 0

    @cached_property
    def acknowledged(self) -> Acknowledgements:
        """Acknowledged messages; in a temporary file, so none where no message was sent."""
        return Acknowledgements()


@dataclass(frozen=True)
class PendingMessage:
    """A message that was sent, as other contracts read it; call it once it is acknowledged."""

    parts: tuple[tuple[Acknowledgements, int, int], ...] = ()
    """The acknowledgements of each contract, with the message's digest and its readings."""

    def __call__(self) -> None:
        """Count the message in each of these contracts."""
        for acknowledged, digest, readings in self.parts:
            acknowledged.add(digest, readings)


class OtherContracts:
    """The contracts of a pipeline besides the sender's."""

    def __init__(self, contracts: ContractSet, sender: Contract) -> None:
        self._others = [
            _Other(one, contracts.key_name(one), ReadingCounter(one))
            for one in contracts
            if one.name != sender.name
        ]

    def send(self, client: str, topic: str, payload: bytes) -> PendingMessage:
        """Note a message that is about to be sent to a topic by the broker."""
        parts = []
        for one in self._of_topic(topic):
            one.sent += 1
            digest = message_digest(client, payload, one.name)
            parts.append((one.acknowledged, digest, one.counter.readings_of(payload, topic)))
        return PendingMessage(tuple(parts))

    def write(
        self, s3: S3Client, bucket: str, receipt: Receipt, *, same_results: bool = False
    ) -> list[Receipt]:
        """Write a receipt of each contract that got messages; ``receipt``: the sender's.

        Returns those that were written. ``same_results``: as many rows, duplicates and rejects must
        result as with the sender's contract; otherwise their numbers are not known.
        """
        written = []
        for one in self._others:
            if not one.sent:
                continue
            messages = one.acknowledged.messages
            copy = replace(
                receipt,
                publication=f"{receipt.publication}-{one.contract.name}",
                messages=messages,
                readings=one.acknowledged.readings,
                rows=receipt.rows if same_results else None,
                duplicates=receipt.duplicates if same_results else None,
                rejected=receipt.rejected if same_results else None,
                contract=one.contract.digest,
                unacknowledged=max(0, one.sent - messages),
                of_contract=one.name,
            )
            write_receipt(s3, bucket, copy, one.acknowledged)
            written.append(copy)
        return written

    def _of_topic(self, topic: str) -> list[_Other]:
        return [one for one in self._others if one.contract.topic_filter.matches(topic)]
