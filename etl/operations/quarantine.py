"""Batches in quarantine, with the reports that say why; and the report and verdict of any batch.

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
from etl.operations.report_markdown import as_markdown
from etl.operations.time_range import TimeRange
from telemetry.layout import outcome_key, report_key

__all__ = [
    "QuarantinedBatch",
    "judged_report",
    "quarantined_batches",
    "read_report",
    "report_page",
    "with_reports",
]

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


def judged_report(target: Target, batch: Batch) -> dict[str, Any] | None:
    """The report of a batch with its verdict, for a reader, or ``None``.

    The verdict of a batch without findings is not in the report but in the outcome of the execution
    that made the report. Without that outcome, as where the execution died before or in Load, the
    verdict stays ``None``: such a batch is not one that has passed.
    """
    report = read_report(target, batch.raw.batch_id)
    if report is None:
        return None
    if isinstance(copy := report.get("copy"), dict):
        copy.pop("groups", None)  # packed: nothing to read
    if report.get("verdict") is not None:
        return report
    return {**report, "verdict": _verdict_of(target, batch, str(report.get("execution")))}


def _verdict_of(target: Target, batch: Batch, execution: str) -> str | None:
    """The verdict by which an execution has loaded the batch; ``None`` if it has not."""
    if all((one.execution, one.status) != (execution, "loaded") for one in batch.outcomes):
        return None
    body = _read(target, outcome_key(batch.key, execution, "loaded"))
    try:
        # A Load of before wrote none, and its Validate had no findings.
        return str(json.loads(body or b"").get("verdict", "pass"))
    except (ValueError, AttributeError):
        return None


def report_page(target: Target, batch: Batch) -> str | None:
    """The report of a batch as Markdown, or ``None`` where it has none."""
    report = judged_report(target, batch)
    return None if report is None else as_markdown(report)


def _read(target: Target, key: str) -> bytes | None:
    s3 = target.client("s3")
    try:
        return bytes(s3.get_object(Bucket=target.bucket, Key=key)["Body"].read())
    except s3.exceptions.NoSuchKey:
        return None
