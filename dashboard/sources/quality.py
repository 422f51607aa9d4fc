"""Batches in quarantine, and the completeness of columns by the batches' quality reports."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.sources.pipeline import Pipeline, contract_named
from etl.operations.quarantine import read_report

__all__ = [
    "Completeness",
    "QuarantinedBatch",
    "completeness",
    "quarantined_batches",
    "quarantined_count",
]

MOST = 200
READERS = 8
NEWEST_BATCHES = 48
"""Batches whose reports the completeness of columns is based on."""
CONFLICTS = "conflict_share"
"""Start of the names of the checks, of Validate and of Load, that compare keys."""


@dataclass(frozen=True)
class QuarantinedBatch:
    """One batch in quarantine."""

    batch_id: str
    since: datetime
    messages: int
    read: int
    accepted: int
    rejected: int
    contract_digest: str
    """Digest of the contract whose checks put it into quarantine."""
    findings: list[str]
    """Sentences of the checks that failed."""
    key_too_small: bool = False
    """True where readings of one key with other values are a reason."""
    contract: str = ""
    """Name of its contract."""


@dataclass(frozen=True)
class Completeness:
    """Share of accepted rows that have a value in one column, by batch."""

    column: str
    shares: list[float]
    """0..1, oldest batch first."""
    mean: float
    """Share over all rows of these batches, 0..1."""
    least: float | None
    """Least share that the contract requires; ``None`` where it requires none."""


def quarantined_count(pipeline: Pipeline) -> int:
    """Number of batches in quarantine."""
    (row,) = pipeline.database.query(
        "SELECT count(*) AS number FROM etl.ledger WHERE status = 'quarantined'"
    )
    return int(row["number"])


def quarantined_batches(pipeline: Pipeline) -> list[QuarantinedBatch]:
    """The batches in quarantine, newest first."""
    rows = pipeline.database.query(
        "SELECT batch_id, loaded_at, messages, read, accepted, rejected, contract_digest, "
        "contract FROM etl.ledger WHERE status = 'quarantined' ORDER BY loaded_at DESC LIMIT %s",
        (MOST,),
    )
    reports = _reports(pipeline, [row["batch_id"] for row in rows])
    return [_quarantined(row, report) for row, report in zip(rows, reports, strict=True)]


def _quarantined(row: dict[str, Any], report: dict[str, Any] | None) -> QuarantinedBatch:
    found = (report or {}).get("findings", ())
    held_by = [finding for finding in found if finding.get("level") == "quarantine"]
    return QuarantinedBatch(
        row["batch_id"],
        row["loaded_at"],
        int(row["messages"]),
        int(row["read"]),
        int(row["accepted"]),
        int(row["rejected"]),
        row["contract_digest"],
        [str(finding["sentence"]) for finding in held_by],
        key_too_small=any(str(finding["check"]).startswith(CONFLICTS) for finding in held_by),
        contract=row["contract"],
    )


def completeness(pipeline: Pipeline, contract: str | None = None) -> list[Completeness]:
    """Completeness of each column of a contract in its newest batches.

    ``contract``: its name; without it, the only one's.
    """
    chosen = contract_named(pipeline, contract)
    rows = pipeline.database.query(
        "SELECT batch_id FROM etl.ledger WHERE accepted > 0 "
        "AND (%s::text IS NULL OR contract = %s) ORDER BY loaded_at DESC LIMIT %s",
        (contract, contract, NEWEST_BATCHES),
    )
    reports = [r for r in _reports(pipeline, [row["batch_id"] for row in rows]) if r]
    reports.reverse()
    found = []
    for column in chosen.columns:
        pairs = [
            (int(report["columns"][column.name]["nulls"]), int(report["accepted"]))
            for report in reports
            if column.name in report.get("columns", {}) and report.get("accepted")
        ]
        if pairs:
            empty, all_rows = (sum(values) for values in zip(*pairs, strict=True))
            shares = [1 - nulls / accepted for nulls, accepted in pairs]
            least = chosen.checks.completeness.get(column.name)
            found.append(Completeness(column.name, shares, 1 - empty / all_rows, least))
    return found


def _reports(pipeline: Pipeline, batch_ids: list[str]) -> list[dict[str, Any] | None]:
    target = pipeline.target
    with ThreadPoolExecutor(READERS) as readers:
        return list(readers.map(lambda one: read_report(target, one), batch_ids))
