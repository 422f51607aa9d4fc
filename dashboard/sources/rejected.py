"""Samples of rejects, newest first, with what the device sent.

Only a bounded number of objects is read: those of the newest batches that the ledger says hold
such rejects. Where the database is away, those of the last days are listed in S3 instead.
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

__all__ = ["Sample", "Sought", "sample"]

MOST_BATCHES = 40
MOST_BATCHES_OF_A_DEVICE = 1000
"""The ledger does not say which devices a batch has rejects of, so more are looked through."""
PATIENCE_SECONDS = 5.0
OF_ONE_BATCH = 10
"""So that one bad batch does not hide the others."""


@dataclass(frozen=True)
class Sought:
    """Which rejects."""

    reason: str = ""
    device: str = ""
    batch: str = ""
    span: TimeRange = ALWAYS
    most: int = 25


@dataclass(frozen=True)
class Sample:
    """Some rejects, and how far was looked."""

    rejects: list[Reject]
    batches: int
    """Micro-batches looked through."""
    whole: bool
    """Whether these are all."""
    broken: list[str]
    """Sentences about objects that can't be read."""


class _OutOfTime(Exception):  # noqa: N818 - no error: what was found by then is shown
    """Raised to stop reading."""


def sample(pipeline: Pipeline, sought: Sought) -> Sample:
    """The newest rejects that are sought."""
    import psycopg2

    limit = MOST_BATCHES_OF_A_DEVICE if sought.device else MOST_BATCHES
    batches: tuple[str, ...] = (sought.batch,) if sought.batch else ()
    span = ALWAYS
    if not sought.batch:
        try:
            rows = newest_rejecting(pipeline, sought.reason or None, sought.span, limit + 1)
            batches = tuple(row.batch_id for row in rows)
        except psycopg2.Error:
            span = _recent(sought.span)
    if not batches and span.is_open:
        return Sample([], 0, whole=True, broken=[])
    wanted = RejectFilter(
        (sought.reason,) if sought.reason else (),
        (sought.device,) if sought.device else (),
        batches[:limit],
        span,
    )
    return _read(pipeline, wanted, sought.most, all_batches=len(batches) <= limit)


def _read(pipeline: Pipeline, wanted: RejectFilter, most: int, *, all_batches: bool) -> Sample:
    broken: list[str] = []
    objects = 0
    until = time.monotonic() + PATIENCE_SECONDS

    def reached(number: int) -> None:
        nonlocal objects
        objects = number
        if time.monotonic() > until:
            raise _OutOfTime

    each = most if len(wanted.batches) == 1 else OF_ONE_BATCH
    found: list[Reject] = []
    of_batch: Counter[str] = Counter()
    whole = all_batches
    lines = read_rejects(pipeline.target, wanted, unreadable=broken.append, progress=reached)
    try:
        for reject in lines:
            of_batch[reject.batch_id] += 1
            if of_batch[reject.batch_id] <= each:
                found.append(reject)
            if len(found) >= most or time.monotonic() > until:
                whole = False
                break
    except _OutOfTime:
        whole = False
    finally:
        lines.close()  # type: ignore[attr-defined]  # a generator: its threads end now
    whole = whole and all(number <= each for number in of_batch.values())
    return Sample(found, max(objects, len(of_batch)), whole, broken)


def _recent(span: TimeRange) -> TimeRange:
    """The span as asked for, but not all of time."""
    start = datetime.now(UTC) - timedelta(days=2)
    return TimeRange(max(start, span.start), span.end) if span.end > start else span
