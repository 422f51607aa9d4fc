"""The counts that a reconciliation is made of: messages, batches, readings and rows. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from etl.operations.batch_match import BatchGroup, BatchMatch
from etl.operations.message_index import MessageMatch
from etl.operations.receipts import Receipt

__all__ = ["ContractCounts", "Counts", "Ledger"]


@dataclass(frozen=True)
class Ledger:
    """Sums over the ledger. Counts are of readings unless they say otherwise."""

    batches: int = 0
    messages: int = 0
    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    conflicts: int = 0
    """Readings with the key of another one of their batch and other values."""
    conflicts_in_table: int = 0
    """Readings that lost against an existing row of their key, with other values."""
    rejected: int = 0
    set_aside: int = 0
    """Messages of other kinds, which hold no readings; each counts as one reading read."""
    forgotten: int = 0
    """Readings that erasures have removed (``etl devices forget``)."""
    rows_forgotten: int = 0
    """Rows of the contract's table that erasures have deleted."""
    quarantined: int = 0
    """Readings that Transform accepted, in batches in quarantine."""
    discarded: int = 0
    """Readings that Transform accepted, in batches that an operator discarded."""
    elsewhere: int = 0
    """Rows that batches of other contracts inserted, into tables of their own."""
    inserted_before: int = 0
    """Rows inserted by loads that a replay with another contract has replaced."""
    dropped: int = 0
    """Rows that left the table because they were older than its retention."""
    rejected_by: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ContractCounts:
    """The ledger and the table of one contract, where a pipeline has several."""

    name: str
    key_name: str | None
    """Its name in keys and receipts; ``None`` for the first one."""
    ledger: Ledger
    rows: int
    """Rows in its table."""

    @property
    def key_names(self) -> tuple[str | None, ...]:
        """Its names in keys; the first one has been a further one perhaps."""
        return (None, self.name) if self.key_name is None else (self.name,)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """All counts, taken in the order in which messages travel."""

    receipts: list[Receipt] = field(default_factory=list)
    last_receipt: datetime | None = None
    """Time at which the newest receipt was written."""
    queued: int = 0
    """Messages visible or in flight in the queue."""
    dead: int = 0
    """Messages in the dead-letter queue."""
    rule_errors: int = 0
    """Messages in the queue of the topic rule's errors."""
    messages: MessageMatch = field(default_factory=MessageMatch)
    batches: BatchMatch = field(default_factory=BatchMatch)
    ledger: Ledger = field(default_factory=Ledger)
    rows: int = 0
    """Rows in the table now, and in partitions that are detached and not counted yet; of a
    pipeline with several contracts, in all of their tables."""
    contracts: tuple[ContractCounts, ...] = ()
    """The ledger and the table of each contract; empty where the pipeline has only one."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """Time at which counting began."""

    @property
    def published_messages(self) -> int:
        """Messages published, by the receipts."""
        return sum(receipt.messages for receipt in self.receipts)

    @property
    def published_readings(self) -> int:
        """Readings published, by the receipts."""
        return sum(receipt.readings for receipt in self.receipts)

    def receipts_of(self, one: ContractCounts) -> list[Receipt]:
        """The receipts of one contract's messages."""
        return [receipt for receipt in self.receipts if receipt.of_contract in one.key_names]

    def missing_of(self, one: ContractCounts) -> tuple[int, int]:
        """Messages of one contract, and readings in them, that are in no readable raw object."""
        names = {receipt.publication for receipt in self.receipts_of(one)}
        found = [both for name, both in self.messages.missing_of.items() if name in names]
        return sum(messages for messages, _ in found), sum(readings for _, readings in found)

    def staged_of(self, one: ContractCounts) -> BatchGroup:
        """The micro-batches of one contract that are staged in S3."""
        groups = [self.batches.staged_of.get(name) for name in one.key_names]
        return BatchGroup.sum(group for group in groups if group is not None)

    @property
    def staged_batches(self) -> int:
        """Micro-batches staged in S3."""
        return self.batches.staged.batches

    @property
    def staged_messages(self) -> int:
        """Messages staged in S3, by the names of the raw objects."""
        return self.batches.staged.messages

    @property
    def without_receipt(self) -> int:
        """Staged messages that no receipt counts, repeated deliveries left out."""
        found = self.messages.published - self.messages.missing + self.messages.repeated
        gone = self.messages.unreadable_messages + self.messages.removed
        return max(0, self.staged_messages - found - gone)

    @property
    def counted_only(self) -> int:
        """Messages of receipts without digests, which can't be matched one by one."""
        return sum(receipt.messages for receipt in self.receipts if not receipt.digests)
