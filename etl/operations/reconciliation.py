"""Does everything add up? Published, staged, loaded, duplicates and rejects, to the unit.

Four identities are checked:

* messages: what publishers sent is staged in S3, still queued, or in the dead-letter queue;
* batches: every staged batch has a ledger row (else it is still under way);
* readings: ``read = inserted + updated + unchanged + duplicates + rejected + set_aside
  + quarantined + discarded``;
* rows: what is in the table was inserted by the latest load of each batch, or by one before it
  (``inserted + inserted_before``). A stack that was given another contract has a table for each;
  only what batches of today's contract inserted is in today's.

At-least-once delivery may stage a message twice. The surplus is shown as "delivered again"; its
readings end as duplicates, so rows are unaffected. Where the publishers know the right answer
(the simulated fleet does), rows and rejects are compared with it too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from etl.aws.s3 import listed
from etl.aws.sqs import queue_depth
from etl.aws.target import Target
from etl.operations.receipts import Receipt, read_receipts
from telemetry.layout import RAW, parse_raw_key

__all__ = ["Reconciliation", "gather", "staged_messages"]


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
    rejected: int = 0
    set_aside: int = 0
    """Messages of another kind than those that hold readings; each was read as one."""
    quarantined: int = 0
    """Readings accepted by Transform in batches that the quality gate holds back."""
    discarded: int = 0
    """Readings accepted by Transform in batches that a person gave up."""
    elsewhere: int = 0
    """Rows that batches of other contracts inserted, in tables of their own."""
    inserted_before: int = 0
    """Rows inserted by loads that a replay under another contract has replaced."""
    rejected_by: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Reconciliation:
    """Everything counted at one moment, and what does not add up."""

    receipts: list[Receipt]
    staged_batches: int
    staged_messages: int
    queued: int
    """Messages visible or in flight in the queue."""
    dead: int
    """Messages in the dead-letter queue."""
    ledger: Ledger
    rows: int
    """Rows in the table now."""

    @property
    def published_messages(self) -> int:
        """Messages that publishers' receipts name."""
        return sum(r.messages for r in self.receipts)

    @property
    def published_readings(self) -> int:
        """Readings that publishers' receipts name."""
        return sum(r.readings for r in self.receipts)

    @property
    def delivered_again(self) -> int:
        """Messages staged beyond those published: at-least-once delivery at work."""
        return max(0, self.staged_messages - self.published_messages)

    @property
    def under_way(self) -> bool:
        """Whether something is still queued or staged without having ended."""
        missing = self.published_messages - self.staged_messages - self.dead
        return self.queued > 0 or missing > 0 or self.ledger.batches < self.staged_batches

    def problems(self) -> list[str]:
        """Sentences about what does not add up; empty where all balances."""
        found = [*self._message_problems(), *self._reading_problems()]
        if all(r.rows is not None for r in self.receipts) and not self.delivered_again:
            found += self._truth_problems()
        return found

    def _message_problems(self) -> list[str]:
        found = []
        missing = self.published_messages - self.staged_messages - self.queued - self.dead
        if missing > 0:
            found.append(f"{missing} published messages are in neither S3 nor a queue")
        if self.queued:
            found.append(f"{self.queued} messages are still queued")
        if self.dead:
            found.append(f"{self.dead} messages are in the dead-letter queue")
        if self.ledger.batches != self.staged_batches:
            gap = self.staged_batches - self.ledger.batches
            found.append(f"{gap} of {self.staged_batches} staged batches have no ledger row")
        if self.ledger.messages != self.staged_messages:
            found.append(
                f"{self.staged_messages} messages staged, {self.ledger.messages} in the ledger"
            )
        return found

    def _reading_problems(self) -> list[str]:
        ledger = self.ledger
        found = []
        ended = (
            ledger.inserted
            + ledger.updated
            + ledger.unchanged
            + ledger.duplicates
            + ledger.rejected
            + ledger.set_aside
            + ledger.quarantined
            + ledger.discarded
        )
        if ledger.read != ended:
            found.append(f"{ledger.read} readings read, {ended} accounted for")
        if sum(ledger.rejected_by.values()) != ledger.rejected:
            found.append("the rejects by reason do not sum to the rejects")
        inserted = ledger.inserted + ledger.inserted_before - ledger.elsewhere
        if self.rows != inserted:
            found.append(f"{self.rows} rows in the table, {inserted} inserted by the ledger")
        if ledger.read < self.published_readings:
            found.append(f"{self.published_readings} readings published, {ledger.read} read")
        if ledger.read > self.published_readings and not self.delivered_again:
            found.append(f"{self.published_readings} readings published, {ledger.read} read")
        return found

    def _truth_problems(self) -> list[str]:
        ledger = self.ledger
        expected = {
            "rows": sum(r.rows or 0 for r in self.receipts),
            "duplicates": sum(r.duplicates or 0 for r in self.receipts),
            "rejected": sum(r.rejected or 0 for r in self.receipts),
        }
        actual = {
            "rows": ledger.inserted
            + ledger.inserted_before
            + ledger.quarantined
            + ledger.discarded,
            # A row that an earlier load of the same batch inserted is found there by the next one.
            "duplicates": ledger.duplicates
            + ledger.unchanged
            + ledger.updated
            - ledger.inserted_before,
            "rejected": ledger.rejected,
        }
        return [
            f"{actual[name]} {name}, but the publishers know of {expected[name]}"
            for name in expected
            if actual[name] != expected[name]
        ]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for ``--json``."""
        return {
            "published": {"messages": self.published_messages, "readings": self.published_readings},
            "staged": {"messages": self.staged_messages, "batches": self.staged_batches},
            "queued": self.queued,
            "dead": self.dead,
            "delivered_again": self.delivered_again,
            "ledger": asdict(self.ledger),
            "rows": self.rows,
            "problems": self.problems(),
            "balanced": not self.problems(),
        }


def staged_messages(s3: Any, bucket: str) -> tuple[int, int]:
    """``(batches, messages)`` staged in S3, by the names of the raw objects."""
    batches = messages = 0
    for entry in listed(s3, bucket, RAW):
        raw = parse_raw_key(entry["Key"])
        if raw is not None:
            batches, messages = batches + 1, messages + raw.messages
    return batches, messages


def gather(target: Target, table: str) -> Reconciliation:
    """Count everything now. ``table`` is the quoted, qualified name of the contract's table."""
    s3, sqs = target.client("s3"), target.client("sqs")
    batches, messages = staged_messages(s3, target.bucket)
    connection = target.connect()
    try:
        with connection.cursor() as cursor:
            ledger = _read_ledger(cursor, target.contract.name)
            cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - quoted by telemetry.ddl
            rows = cursor.fetchone()[0]
    finally:
        connection.close()
    return Reconciliation(
        receipts=read_receipts(s3, target.bucket),
        staged_batches=batches,
        staged_messages=messages,
        queued=queue_depth(sqs, target.outputs["QueueUrl"]).total,
        dead=queue_depth(sqs, target.outputs["DeadLetterQueueUrl"]).total,
        ledger=ledger,
        rows=rows,
    )


def _read_ledger(cursor: Any, contract: str) -> Ledger:
    cursor.execute(
        """
        SELECT count(*) AS batches, coalesce(sum(messages), 0) AS messages,
               coalesce(sum(read), 0) AS read, coalesce(sum(inserted), 0) AS inserted,
               coalesce(sum(updated), 0) AS updated, coalesce(sum(unchanged), 0) AS unchanged,
               coalesce(sum(duplicates), 0) AS duplicates, coalesce(sum(rejected), 0) AS rejected,
               coalesce(sum(set_aside), 0) AS set_aside,
               coalesce(sum(inserted_before), 0) AS inserted_before,
               coalesce(sum(inserted + inserted_before) FILTER (WHERE contract <> %s), 0)
                   AS elsewhere,
               coalesce(sum(accepted) FILTER (WHERE status = 'quarantined'), 0) AS quarantined,
               coalesce(sum(accepted) FILTER (WHERE status = 'discarded'), 0) AS discarded
        FROM etl.ledger
        """,
        (contract,),
    )
    names = [column.name for column in cursor.description]
    sums = {name: int(value) for name, value in zip(names, cursor.fetchone(), strict=True)}
    cursor.execute(
        "SELECT key, sum(value::bigint) FROM etl.ledger, jsonb_each_text(rejected_by)"
        " GROUP BY key ORDER BY 2 DESC, 1"
    )
    rejected_by = {key: int(value) for key, value in cursor.fetchall()}
    return Ledger(rejected_by=rejected_by, **sums)
