"""Samples of rejects, newest first, with what the device sent.

Only a bounded number of objects is read: those of the newest batches that the ledger says hold
such rejects. Where the database is away, those of the last days are listed in S3 instead.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from dashboard.sources.ledger import newest_rejecting
from dashboard.sources.pipeline import Pipeline
from workflow.rejects import Reject, Wanted, read_rejects
from workflow.spans import ALWAYS, Span

__all__ = ["Sample", "Sought", "sample"]

MOST_BATCHES = 40
MOST_LINES = 200_000
"""Looked at in search of a device that has few rejects."""
PATIENCE_SECONDS = 5.0
OF_ONE_BATCH = 10
"""So that one bad batch does not hide the others."""


@dataclass(frozen=True)
class Sought:
    """Which rejects."""

    reason: str = ""
    device: str = ""
    batch: str = ""
    span: Span = ALWAYS
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


def sample(pipeline: Pipeline, sought: Sought) -> Sample:
    """The newest rejects that are sought."""
    import psycopg2

    batches: tuple[str, ...]
    span = ALWAYS
    if sought.batch:
        batches = (sought.batch,)
    else:
        try:
            rows = newest_rejecting(pipeline, sought.reason or None, sought.span, MOST_BATCHES + 1)
            batches = tuple(row.batch_id for row in rows)
        except psycopg2.Error:
            batches, span = (), _recent(sought.span)
    if not batches and span.is_open:
        return Sample([], 0, whole=True, broken=[])
    looked = batches[:MOST_BATCHES]
    wanted = Wanted(
        (sought.reason,) if sought.reason else (),
        (sought.device,) if sought.device else (),
        looked,
        span,
    )
    return _read(pipeline, wanted, sought.most, all_batches=len(batches) <= MOST_BATCHES)


def _read(pipeline: Pipeline, wanted: Wanted, most: int, *, all_batches: bool) -> Sample:
    broken: list[str] = []
    objects = 0

    def reached(number: int) -> None:
        nonlocal objects
        objects = number

    each = most if len(wanted.batches) == 1 else OF_ONE_BATCH
    found: list[Reject] = []
    of_batch: dict[str, int] = {}
    until = time.monotonic() + PATIENCE_SECONDS
    lines = read_rejects(pipeline.target, wanted, broken=broken.append, progress=reached)
    ended = True
    for reject in islice(lines, MOST_LINES):
        taken = of_batch.get(reject.batch_id, 0)
        of_batch[reject.batch_id] = taken + 1
        if taken < each:
            found.append(reject)
        if len(found) >= most or time.monotonic() > until:
            ended = False
            break
    lines.close()  # type: ignore[attr-defined]  # a generator: its threads end now
    whole = ended and all_batches and all(n <= each for n in of_batch.values())
    return Sample(found, max(objects, len(of_batch)), whole, broken)


def _recent(span: Span) -> Span:
    """The span as asked for, but not all of time."""
    start = datetime.now(UTC) - timedelta(days=2)
    return Span(max(start, span.start), span.end) if span.end > start else span
