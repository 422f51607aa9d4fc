"""The reconciliation: what was published, staged, loaded, kept or rejected adds up, to the unit.

Messages and batches are matched one by one, never as sums:

* each message of a receipt is in a raw object, in the queue, or in a dead-letter queue;
* each raw object has a row in the ledger, and each ledger row and each outcome has a raw object;
* of each batch, the ledger counts the messages of its raw object, and the readings that the
  receipts of its messages count.

Then sums of the ledger: ``read = inserted + updated + unchanged + duplicates + conflicts
+ conflicts_in_table + rejected + set_aside + forgotten + quarantined + discarded``; and what is in
the table was inserted by the latest load of each batch, or by one before it (``inserted +
inserted_before``), less the rows that erasures have deleted and those that retention dropped.
A stack whose contract was changed has a table for each; only the batches of the current contract
inserted into the current table. Of a pipeline with several contracts each has its own sums; what is
published once is a message of each contract whose topic filter it matches. Where the publishers
know the right answer (the simulated fleet does), rows and rejects are compared with it too.

Everything is counted in the order in which messages travel, each place once: a message that moves
on in between is seen twice rather than not at all. :mod:`etl.operations.verdict` judges the counts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from etl.aws.s3 import listed
from etl.aws.sqs import queue_depth
from etl.aws.target import Target
from etl.operations.active_executions import active_executions
from etl.operations.batch_match import BatchMatch, LedgerKey, match_batches
from etl.operations.ledger_sums import TableSums, sum_tables
from etl.operations.message_index import MessageIndex, RawObject
from etl.operations.receipts import read_receipts
from etl.operations.reconciliation_counts import Counts
from etl.operations.verdict import Verdict, judge
from telemetry.batches import Outcome
from telemetry.layout import OUTCOMES, RAW, outcome_key, parse_outcome_key, parse_raw_key

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from types_boto3_s3 import S3Client

__all__ = ["Reconciliation", "gather", "reconcile", "staged_messages"]

POLL_SECONDS = 0.5
ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, kw_only=True)
class Reconciliation(Counts):
    """The counts of one moment, and the verdict on it."""

    @cached_property
    def verdict(self) -> Verdict:
        """Balanced, under way or not balanced, with the reasons."""
        return judge(self)

    @property
    def in_progress(self) -> bool:
        """True while a queue or a running execution has something."""
        return self.verdict.in_progress

    def problems(self) -> list[str]:
        """A sentence for each reason; empty when everything balances."""
        return [reason.sentence for reason in self.verdict.reasons]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for ``--json``."""
        verdict = self.verdict
        return {
            "status": verdict.status,
            "balanced": verdict.status == "balanced",
            "reasons": [asdict(reason) for reason in verdict.reasons],
            "problems": self.problems(),
            "notes": list(verdict.notes),
            "published": {"messages": self.published_messages, "readings": self.published_readings},
            "missing": {
                "messages": self.messages.missing,
                "readings": self.messages.missing_readings,
                "publications": list(self.messages.missing_in),
            },
            "without_receipt": self.without_receipt,
            "delivered_again": self.messages.repeated,
            "staged": {"messages": self.staged_messages, "batches": self.staged_batches},
            "queued": self.queued,
            "dead": self.dead,
            "rule_errors": self.rule_errors,
            "batches": {
                name: {"batches": group.batches, "messages": group.messages, "first": group.keys}
                for name, group in self.batches.found.items()
            },
            "ledger": asdict(self.ledger),
            "rows": self.rows,
            **({"contracts": self._by_contract()} if self.contracts else {}),
        }

    def _by_contract(self) -> dict[str, Any]:
        """The part of each contract, by its name."""
        return {
            one.name: {
                "published": {
                    "messages": sum(r.messages for r in self.receipts_of(one)),
                    "readings": sum(r.readings for r in self.receipts_of(one)),
                },
                "missing": dict(zip(("messages", "readings"), self.missing_of(one), strict=True)),
                "staged": {
                    "messages": self.staged_of(one).messages,
                    "batches": self.staged_of(one).batches,
                },
                "ledger": asdict(one.ledger),
                "rows": one.rows,
            }
            for one in self.contracts
        }


def staged_messages(s3: S3Client, bucket: str) -> tuple[int, int]:
    """``(batches, messages)`` staged in S3, by the names of the raw objects."""
    batches = messages = 0
    for raw in _raw_objects(s3, bucket):
        batches, messages = batches + 1, messages + raw.messages
    return batches, messages


def reconcile(
    target: Target, wait: float = 0.0, notify: Callable[[Reconciliation], None] = lambda _: None
) -> Reconciliation:
    """Count until nothing is in progress, for at most ``wait`` seconds; returns the last count.

    ``notify`` receives each count after which it waits.
    """
    deadline = time.monotonic() + wait
    while True:
        begin = time.monotonic()
        found = gather(target)
        end = time.monotonic()
        if not found.in_progress or end >= deadline:
            return found
        notify(found)
        # As long as the count took: of a large account each one is thousands of requests.
        time.sleep(min(max(POLL_SECONDS, end - begin), deadline - end))


def gather(target: Target) -> Reconciliation:
    """Count everything once, now."""
    at = datetime.now(UTC)
    s3, bucket, outputs = target.client("s3"), target.bucket, target.outputs
    receipts = read_receipts(s3, bucket)
    # A message may move between two queues while they are counted, in either direction.
    rule_errors, dead, queued, dead_later = (
        queue_depth(target.client("sqs"), outputs[name]).total
        for name in ("RuleErrorQueueUrl", "DeadLetterQueueUrl", "QueueUrl", "DeadLetterQueueUrl")
    )
    active = active_executions(target)
    with MessageIndex(target.state / "reconciliation" / f"{bucket}.sqlite") as index:
        index.note_staged(_raw_objects(s3, bucket))
        messages = index.match(s3, bucket, receipts)
        connection = target.connect()
        try:
            batches, tables = _counted(target, connection, index, active, at)
        finally:
            connection.close()
    return Reconciliation(
        receipts=[receipt for receipt, _ in receipts],
        last_receipt=max((written for _, written in receipts), default=None),
        rule_errors=rule_errors,
        queued=queued,
        dead=max(dead, dead_later),
        messages=messages,
        batches=batches,
        ledger=tables.ledger,
        rows=tables.rows,
        contracts=tables.contracts,
        at=at,
    )


def _counted(
    target: Target, connection: Connection, index: MessageIndex, active: list[Any], at: datetime
) -> tuple[BatchMatch, TableSums]:
    """The batches, the ledger's sums and the rows of the tables; the latter two in one snapshot."""
    s3, bucket = target.client("s3"), target.bucket
    index.note_outcomes(_outcomes(s3, bucket))
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    tables = sum_tables(connection, target.contracts)
    batches = match_batches(
        index.staged(),
        index.outcomes(),
        _ledger_keys(connection),
        index.readings_by_object(),
        active=active,
        now=at,
        exists=lambda key: _exists(s3, bucket, key),
    )
    failed = batches.group("failed")
    errors = [_error(s3, bucket, outcome) for outcome in failed.outcomes]
    failed.errors = [name for name in dict.fromkeys(errors) if name]
    return batches, tables


def _error(s3: S3Client, bucket: str, outcome: Outcome) -> str:
    """Name of the error in the outcome of a batch that failed; empty where it can't be read."""
    key = outcome_key(outcome.key.raw_key, outcome.execution, outcome.status)
    try:
        content = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except (ClientError, ValueError):
        return ""
    return str(content.get("error", "")) if isinstance(content, dict) else ""


def _raw_objects(s3: S3Client, bucket: str) -> Iterator[RawObject]:
    for entry in listed(s3, bucket, RAW):
        raw = parse_raw_key(entry["Key"])
        if raw is not None:
            yield RawObject(entry["Key"], entry["ETag"], raw.messages, entry["LastModified"])


def _outcomes(s3: S3Client, bucket: str) -> Iterable[Outcome]:
    for entry in listed(s3, bucket, OUTCOMES):
        key = parse_outcome_key(entry["Key"])
        if key is not None:
            yield Outcome(key, entry["LastModified"])


def _ledger_keys(connection: Connection) -> Iterator[LedgerKey]:
    with connection.cursor("reconciliation") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(
            "SELECT raw_key, messages, read - forgotten, contract_digest FROM etl.ledger "
            'ORDER BY raw_key COLLATE "C"'
        )
        for row in cursor:
            yield LedgerKey(*row)


def _exists(s3: S3Client, bucket: str, key: str) -> bool:
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return False
        raise
    return True
