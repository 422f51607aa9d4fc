"""The reconciliation: what was published, staged, loaded, kept or rejected adds up, to the unit.

Four identities are checked:

* messages: what publishers sent is staged in S3, still queued, or in the dead-letter queue;
* batches: every staged batch has a ledger row (otherwise it is still in progress);
* readings: ``read = inserted + updated + unchanged + duplicates + conflicts
  + conflicts_in_table + rejected + set_aside + quarantined + discarded``;
* rows: what is in the table was inserted by the latest load of each batch, or by one before it
  (``inserted + inserted_before``). A stack whose contract was changed has a table for each;
  only the batches of the current contract inserted into the current table.

At-least-once delivery may stage a message twice. The surplus is shown as "delivered more than
once"; its readings end as duplicates, so rows are unaffected. Where the publishers know the right
answer (the simulated fleet does), rows and rejects are compared with it too.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from etl.aws.s3 import listed
from etl.aws.sqs import queue_depth
from etl.aws.target import Target
from etl.operations.plurals import counted
from etl.operations.receipts import Receipt, read_receipts
from telemetry.ddl import qualified
from telemetry.layout import RAW, parse_raw_key

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor
    from types_boto3_s3 import S3Client

__all__ = ["Reconciliation", "dead_letters_problem", "gather", "reconcile", "staged_messages"]

POLL_SECONDS = 0.5


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
    quarantined: int = 0
    """Readings that Transform accepted, in batches in quarantine."""
    discarded: int = 0
    """Readings that Transform accepted, in batches that an operator discarded."""
    elsewhere: int = 0
    """Rows that batches of other contracts inserted, into tables of their own."""
    inserted_before: int = 0
    """Rows inserted by loads that a replay with another contract has replaced."""
    rejected_by: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Reconciliation:
    """All counts at one moment."""

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
        """Messages published, by the receipts."""
        return sum(r.messages for r in self.receipts)

    @property
    def published_readings(self) -> int:
        """Readings published, by the receipts."""
        return sum(r.readings for r in self.receipts)

    @property
    def delivered_again(self) -> int:
        """Messages staged beyond those published, because SQS delivered them more than once."""
        return max(0, self.staged_messages - self.published_messages)

    @property
    def in_progress(self) -> bool:
        """True while a message is queued or a staged batch has not ended."""
        missing = self.published_messages - self.staged_messages - self.dead
        return self.queued > 0 or missing > 0 or self.ledger.batches < self.staged_batches

    def problems(self) -> list[str]:
        """A sentence for each count that does not add up; empty when everything balances."""
        found = [*self._message_problems(), *self._reading_problems()]
        if all(r.rows is not None for r in self.receipts) and not self.delivered_again:
            found += self._truth_problems()
        return found

    def _message_problems(self) -> list[str]:
        ledger, found = self.ledger, []
        missing = self.published_messages - self.staged_messages - self.queued - self.dead
        if missing > 0:
            found.append(f"{_are(missing, 'published message')} neither in S3 nor in a queue")
        if self.queued:
            found.append(f"{_are(self.queued, 'message')} still in the queue")
        if self.dead:
            found.append(dead_letters_problem(self.dead))
        if ledger.batches != self.staged_batches:
            found.append(self._batch_gap())
        if ledger.messages != self.staged_messages:
            staged = counted(self.staged_messages, "message")
            found.append(f"{staged} staged, {ledger.messages:,} in the ledger")
        return found

    def _batch_gap(self) -> str:
        gap = self.staged_batches - self.ledger.batches
        have = "has" if abs(gap) == 1 else "have"
        if gap < 0:
            return f"{counted(-gap, 'batch')} of the ledger {have} no raw object in S3"
        staged = counted(self.staged_batches, "staged batch")
        return f"{gap:,} of {staged} {have} no row in the ledger"

    def _reading_problems(self) -> list[str]:
        ledger, found = self.ledger, []
        ended = (
            ledger.inserted
            + ledger.updated
            + ledger.unchanged
            + ledger.duplicates
            + ledger.conflicts
            + ledger.conflicts_in_table
            + ledger.rejected
            + ledger.set_aside
            + ledger.quarantined
            + ledger.discarded
        )
        if ledger.read != ended:
            found.append(f"{counted(ledger.read, 'reading')} read, {ended:,} accounted for")
        if sum(ledger.rejected_by.values()) != ledger.rejected:
            found.append("the rejects by reason do not add up to the rejects")
        inserted = ledger.inserted + ledger.inserted_before - ledger.elsewhere
        if self.rows != inserted:
            rows = counted(self.rows, "row")
            found.append(f"{rows} in the table, {inserted:,} inserted according to the ledger")
        lost = ledger.read < self.published_readings
        if lost or (ledger.read > self.published_readings and not self.delivered_again):
            published = counted(self.published_readings, "reading")
            found.append(f"{published} published, {ledger.read:,} read")
        return found

    def _truth_problems(self) -> list[str]:
        ledger = self.ledger
        expected = {
            "row": sum(r.rows or 0 for r in self.receipts),
            "duplicate": sum(r.duplicates or 0 for r in self.receipts),
            "reject": sum(r.rejected or 0 for r in self.receipts),
        }
        actual = {
            "row": ledger.inserted + ledger.inserted_before + ledger.quarantined + ledger.discarded,
            # A row that an earlier load of the same batch inserted is found there by the next one.
            "duplicate": ledger.duplicates
            + ledger.conflicts
            + ledger.conflicts_in_table
            + ledger.unchanged
            + ledger.updated
            - ledger.inserted_before,
            "reject": ledger.rejected,
        }
        return [
            f"{counted(actual[name], name)}, but the publishers expect {expected[name]:,}"
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


def dead_letters_problem(number: int) -> str:
    """The sentence for messages in the dead-letter queue."""
    return f"{_are(number, 'message')} in the dead-letter queue"


def _are(number: int, noun: str) -> str:
    return f"{counted(number, noun)} {'is' if number == 1 else 'are'}"


def staged_messages(s3: S3Client, bucket: str) -> tuple[int, int]:
    """``(batches, messages)`` staged in S3, by the names of the raw objects."""
    batches = messages = 0
    for entry in listed(s3, bucket, RAW):
        raw = parse_raw_key(entry["Key"])
        if raw is not None:
            batches, messages = batches + 1, messages + raw.messages
    return batches, messages


def reconcile(target: Target, wait: float = 0.0) -> Reconciliation:
    """Count until nothing is in progress, for at most ``wait`` seconds; returns the last count."""
    deadline = time.monotonic() + wait
    while True:
        found = gather(target)
        if not found.in_progress or time.monotonic() >= deadline:
            return found
        time.sleep(POLL_SECONDS)


def gather(target: Target) -> Reconciliation:
    """Count everything once, now."""
    s3, sqs = target.client("s3"), target.client("sqs")
    batches, messages = staged_messages(s3, target.bucket)
    connection = target.connect()
    try:
        with connection.cursor() as cursor:
            ledger = _read_ledger(cursor, target.contract.name)
            cursor.execute(f"SELECT count(*) FROM {qualified(target.contract)}")  # noqa: S608 - quoted
            [(rows,)] = cursor.fetchall()
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


def _read_ledger(cursor: Cursor, contract: str) -> Ledger:
    cursor.execute(
        """
        SELECT count(*) AS batches, coalesce(sum(messages), 0) AS messages,
               coalesce(sum(read), 0) AS read, coalesce(sum(inserted), 0) AS inserted,
               coalesce(sum(updated), 0) AS updated, coalesce(sum(unchanged), 0) AS unchanged,
               coalesce(sum(duplicates), 0) AS duplicates, coalesce(sum(rejected), 0) AS rejected,
               coalesce(sum(conflicts), 0) AS conflicts,
               coalesce(sum(conflicts_in_table), 0) AS conflicts_in_table,
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
    names = [column.name for column in cursor.description or ()]
    [totals] = cursor.fetchall()
    sums = {name: int(value) for name, value in zip(names, totals, strict=True)}
    cursor.execute(
        "SELECT key, sum(value::bigint) FROM etl.ledger, jsonb_each_text(rejected_by)"
        " GROUP BY key ORDER BY 2 DESC, 1"
    )
    rejected_by = {key: int(value) for key, value in cursor.fetchall()}
    return Ledger(rejected_by=rejected_by, **sums)
