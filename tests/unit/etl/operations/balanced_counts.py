"""Counts of a pipeline that balances, to change in one place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from etl.operations.batch_match import BatchFinding, BatchGroup, BatchMatch
from etl.operations.message_index import MessageMatch
from etl.operations.receipts import Receipt
from etl.operations.reconciliation_counts import Counts, Ledger
from etl.operations.verdict import Verdict, judge

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = "raw/2026/11/23/run"
RECEIPT = Receipt(
    "p", "simulate", "2026-11-01", 10, 100, rows=80, duplicates=12, rejected=8, digests=True
)
LEDGER = Ledger(
    batches=2, messages=10, read=100, inserted=80, unchanged=2, duplicates=10, rejected=8,
    rejected_by={"not_json": 3, "missing:ts": 5},
)  # fmt: skip


def group(batches: int = 1, messages: int = 4, **more: Any) -> BatchGroup:
    """Batches of the 23rd of November."""
    found = BatchGroup()
    for number in range(batches):
        found.add(f"{DAY}/b{number}.n{messages}.ndjson.gz", messages, NOW - timedelta(minutes=30))
    for name, value in more.items():
        setattr(found, name, value)
    return found


BALANCED = Counts(
    receipts=[RECEIPT],
    last_receipt=NOW - timedelta(hours=1),
    messages=MessageMatch(published=10),
    batches=BatchMatch(group(2, 5)),
    ledger=LEDGER,
    rows=80,
    at=NOW,
)


def with_batches(counts: Counts = BALANCED, **found: BatchGroup) -> Counts:
    """The counts with batches of these findings."""
    names: dict[BatchFinding, BatchGroup] = found  # type: ignore[assignment]
    return replace(counts, batches=BatchMatch(counts.batches.staged, names))


def verdict(**changes: Any) -> Verdict:
    """The verdict on the balanced counts with these changes."""
    return judge(replace(BALANCED, **changes))
