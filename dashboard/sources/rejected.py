"""Samples of rejects, newest first, with what the device sent.

Only a bounded number of objects is read: those of the newest batches that have such rejects by the
ledger. Where the database can't be reached, those of the last two days are listed in S3 instead.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dashboard.sources.ledger import newest_rejecting
from dashboard.sources.pipeline import Pipeline
from etl.operations.rejects import Reject, RejectFilter, read_rejects
from etl.operations.time_range import ALWAYS, TimeRange

__all__ = ["Sample", "SampleRequest", "sample"]

MOST_BATCHES = 40
MOST_BATCHES_OF_A_DEVICE = 1000
"""The ledger does not name the devices of a batch's rejects, so more batches are searched."""
SEARCH_SECONDS = 5.0
"""Longest time that one search takes."""
MOST_PER_BATCH = 10
"""Samples of one batch, so that one bad batch does not hide the others."""


@dataclass(frozen=True)
class SampleRequest:
    """The rejects to sample; an empty text matches every one."""

    reason: str = ""
    device: str = ""
    batch: str = ""
    span: TimeRange = ALWAYS
    most: int = 25
    contract: str = ""
    """Name of the contract; empty for all."""


@dataclass(frozen=True)
class Sample:
    """Some rejects, and how far the search went."""

    rejects: list[Reject]
    batches: int
    """Number of micro-batches searched."""
    complete: bool
    """True where these are all rejects that match."""
    unreadable: list[str]
    """Sentences about objects that can't be read."""


class _OutOfTime(Exception):  # noqa: N818 - no error: the samples found so far are shown
    """Raised to stop reading when the search has taken long enough."""


def sample(pipeline: Pipeline, request: SampleRequest) -> Sample:
    """The newest rejects that match."""
    import psycopg2

    limit = MOST_BATCHES_OF_A_DEVICE if request.device else MOST_BATCHES
    batches: tuple[str, ...] = (request.batch,) if request.batch else ()
    span = ALWAYS
    if not request.batch:
        try:
            rows = newest_rejecting(
                pipeline, request.reason or None, request.span, limit + 1, request.contract or None
            )
            batches = tuple(row.batch_id for row in rows)
        except psycopg2.Error:
            span = _recent(request.span)
    if not batches and span.is_open:
        return Sample([], 0, complete=True, unreadable=[])
    wanted = RejectFilter(
        (request.reason,) if request.reason else (),
        (request.device,) if request.device else (),
        batches[:limit],
        span,
        # The ledger has chosen by contract, and knows batches whose raw objects have expired.
        (request.contract,) if request.contract and not batches else (),
    )
    return _read(pipeline, wanted, request.most, all_batches=len(batches) <= limit)


def _read(pipeline: Pipeline, wanted: RejectFilter, most: int, *, all_batches: bool) -> Sample:
    unreadable: list[str] = []
    objects = 0
    until = time.monotonic() + SEARCH_SECONDS

    def note_progress(number: int) -> None:
        nonlocal objects
        objects = number
        if time.monotonic() > until:
            raise _OutOfTime

    limit = most if len(wanted.batches) == 1 else MOST_PER_BATCH
    found: list[Reject] = []
    of_batch: Counter[str] = Counter()
    complete = all_batches
    lines = read_rejects(
        pipeline.target, wanted, unreadable=unreadable.append, progress=note_progress
    )
    try:
        for reject in lines:
            of_batch[reject.batch_id] += 1
            if of_batch[reject.batch_id] <= limit:
                found.append(reject)
            if len(found) >= most or time.monotonic() > until:
                complete = False
                break
    except _OutOfTime:
        complete = False
    finally:
        lines.close()  # type: ignore[attr-defined]  # a generator: its threads end now
    complete = complete and all(number <= limit for number in of_batch.values())
    return Sample(found, max(objects, len(of_batch)), complete, unreadable)


def _recent(span: TimeRange) -> TimeRange:
    """The same time range, but at most its last two days."""
    start = datetime.now(UTC) - timedelta(days=2)
    return TimeRange(max(start, span.start), span.end) if span.end > start else span
