"""Batches that the quality gate holds back: which, why, and a person's word about them.

All of it is read from S3, so that it works while the database can't be reached.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from etl.aws.target import Target
from etl.operations.batch_selection import in_span
from etl.operations.batches import Batch
from etl.operations.time_range import Span
from telemetry.layout import report_key

__all__ = ["Held", "held", "read_report", "report_page", "with_reports"]

READERS = 8


@dataclass(frozen=True)
class Held:
    """One batch in quarantine."""

    batch: Batch
    report: dict[str, Any] | None
    """What Transform and Validate found; ``None`` where it is gone."""

    @property
    def why(self) -> list[str]:
        """Sentences of the checks that hold it back."""
        findings = (self.report or {}).get("findings", ())
        return [str(f["sentence"]) for f in findings if f.get("level") == "quarantine"]

    @property
    def accepted(self) -> int | None:
        """Rows that a release would load, less those that are there already."""
        return None if self.report is None else int(self.report["accepted"])


def held(target: Target, span: Span) -> Iterator[Held]:
    """The quarantined batches that were staged in the span, with their reports."""
    batches = (b for b in in_span(target, span) if b.status == "quarantined")
    yield from with_reports(target, batches)


def with_reports(target: Target, batches: Iterable[Batch]) -> Iterator[Held]:
    """The batches with their reports."""
    with ThreadPoolExecutor(READERS) as readers:
        yield from readers.map(lambda b: Held(b, read_report(target, b.raw.batch_id)), batches)


def read_report(target: Target, batch_id: str) -> dict[str, Any] | None:
    """The report of a batch, or ``None``."""
    body = _read(target, report_key(batch_id))
    return None if body is None else dict(json.loads(body))


def report_page(target: Target, batch_id: str) -> str | None:
    """The report as Markdown, as Validate wrote it for a person, or ``None``."""
    body = _read(target, report_key(batch_id).removesuffix(".json") + ".md")
    return None if body is None else body.decode()


def _read(target: Target, key: str) -> bytes | None:
    s3 = target.client("s3")
    try:
        return bytes(s3.get_object(Bucket=target.bucket, Key=key)["Body"].read())
    except s3.exceptions.NoSuchKey:
        return None
