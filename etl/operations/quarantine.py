"""Batches in quarantine, with the reports that say why.

Reads only S3, so it works while the database can't be reached.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from etl.aws.target import Target
from etl.operations.batch_selection import batches_in
from etl.operations.batches import Batch
from etl.operations.time_range import TimeRange
from telemetry.layout import report_key

__all__ = ["QuarantinedBatch", "quarantined_batches", "read_report", "report_page", "with_reports"]

READERS = 8


@dataclass(frozen=True)
class QuarantinedBatch:
    """One batch in quarantine."""

    batch: Batch
    report: dict[str, Any] | None
    """The report of Transform and Validate; ``None`` where it is no longer in S3."""

    @property
    def why(self) -> list[str]:
        """A sentence for each check that put the batch into quarantine."""
        findings = (self.report or {}).get("findings", ())
        return [str(f["sentence"]) for f in findings if f.get("level") == "quarantine"]

    @property
    def accepted(self) -> int | None:
        """Readings that a release would load; those whose rows exist already are duplicates."""
        return None if self.report is None else int(self.report["accepted"])


def quarantined_batches(target: Target, time_range: TimeRange) -> Iterator[QuarantinedBatch]:
    """The batches in quarantine that were staged in the time range, with their reports."""
    batches = (b for b in batches_in(target, time_range) if b.status == "quarantined")
    yield from with_reports(target, batches)


def with_reports(target: Target, batches: Iterable[Batch]) -> Iterator[QuarantinedBatch]:
    """The batches with their reports."""
    with ThreadPoolExecutor(READERS) as readers:
        yield from readers.map(
            lambda b: QuarantinedBatch(b, read_report(target, b.raw.batch_id)), batches
        )


def read_report(target: Target, batch_id: str) -> dict[str, Any] | None:
    """The report of a batch, or ``None``."""
    body = _read(target, report_key(batch_id))
    return None if body is None else dict(json.loads(body))


def report_page(target: Target, batch_id: str) -> str | None:
    """The report as Markdown, as Validate wrote it, or ``None``."""
    body = _read(target, report_key(batch_id).removesuffix(".json") + ".md")
    return None if body is None else body.decode()


def _read(target: Target, key: str) -> bytes | None:
    s3 = target.client("s3")
    try:
        return bytes(s3.get_object(Bucket=target.bucket, Key=key)["Body"].read())
    except s3.exceptions.NoSuchKey:
        return None
