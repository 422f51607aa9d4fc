"""Sums of the ledger over time: throughput, delay, quality, and rejects by reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.sources.pipeline import Pipeline
from etl.operations.arrival_latency import STATEMENT, ArrivalLatency, parse_latency
from etl.operations.time_range import FIRST, LAST, TimeRange
from telemetry.ddl.analytics import AHEAD

__all__ = [
    "Extent",
    "LedgerBatch",
    "Minute",
    "Period",
    "Reason",
    "Throughput",
    "batches_of",
    "extent",
    "newest_rejecting",
    "reasons",
    "throughput",
    "trend",
]  # fmt: skip

MINUTES = 60


@dataclass(frozen=True)
class Minute:
    """One minute of loading."""

    start: datetime
    read: int = 0
    rejected: int = 0
    batches: int = 0


@dataclass(frozen=True)
class Throughput:
    """Readings per minute over the last hour, and their delay."""

    minutes: list[Minute]
    """Every minute of the hour, oldest first."""
    delay_seconds: float | None
    """Median time from a batch's newest reading to its rows; ``None`` without batches that tell."""
    latency: ArrivalLatency | None = None
    """Time from the arrival of messages to their rows; ``None`` without loaded batches."""

    @property
    def per_minute(self) -> float:
        """Mean of readings per minute over the last five whole minutes."""
        last = self.minutes[-6:-1]
        return sum(m.read for m in last) / max(1, len(last))

    @property
    def last_hour(self) -> int:
        """Number of readings in the hour."""
        return sum(m.read for m in self.minutes)


@dataclass(frozen=True)
class Period:
    """Sums over one step of time."""

    start: datetime
    read: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    """Readings that repeat another of their batch, or an existing row."""
    conflicts: int = 0
    """Readings with the key of another of their batch, or of an existing row, and other values."""
    set_aside: int = 0

    def share(self, number: int) -> float | None:
        """The number as a share (0..1) of all readings; ``None`` where there were none."""
        return number / self.read if self.read else None


@dataclass(frozen=True)
class Reason:
    """Readings that were rejected for one reason."""

    reason: str
    """``kind`` or ``kind:column``."""
    readings: int
    batches: int
    latest: datetime
    """Time at which a batch with it was last loaded."""


@dataclass(frozen=True)
class Extent:
    """Times of the first and the last reading, and of the first load."""

    first: datetime | None
    last: datetime | None
    loaded_first: datetime | None = None


@dataclass(frozen=True)
class LedgerBatch:
    """One row of the ledger."""

    batch_id: str
    execution: str
    status: str
    messages: int
    read: int
    inserted: int
    updated: int
    unchanged: int
    duplicates: int
    rejected: int
    set_aside: int
    loads: int
    loaded_at: datetime
    contract_digest: str
    rejected_by: dict[str, int] = field(default_factory=dict)


BATCH_COLUMNS = (
    "batch_id, execution, status, messages, read, inserted, updated, unchanged, duplicates, "
    "rejected, set_aside, loads, loaded_at, contract_digest, rejected_by"
)


def throughput(pipeline: Pipeline) -> Throughput:
    """Readings of each minute of the last hour, and their delay."""
    rows = pipeline.database.query(
        "SELECT date_trunc('minute', loaded_at) AS start, sum(read) AS read, "
        "sum(rejected) AS rejected, count(*) AS batches FROM etl.ledger "
        "WHERE loaded_at > now() - interval '1 hour' GROUP BY 1"
    )
    delay = pipeline.database.query(
        "SELECT extract(epoch FROM percentile_cont(0.5) "
        "WITHIN GROUP (ORDER BY greatest(loaded_at - max_time, '0'))) AS seconds FROM etl.ledger "
        # A replay loads old readings, whose age is not a delay of the pipeline.
        # Nor does a reading that is stamped ahead say anything of it.
        "WHERE loads = 1 AND status = 'loaded' AND max_time <= loaded_at + %s::interval "
        "AND loaded_at > now() - interval '1 hour'",
        (AHEAD,),
    )[0]["seconds"]
    found = {row["start"]: row for row in rows}
    current = datetime.now(UTC).replace(second=0, microsecond=0)
    minutes = [current - timedelta(minutes=back) for back in reversed(range(MINUTES))]
    return Throughput(
        [
            Minute(m, *(int(found[m][name]) for name in ("read", "rejected", "batches")))
            if m in found
            else Minute(m)
            for m in minutes
        ],
        None if delay is None else float(delay),
        parse_latency(pipeline.database.query(STATEMENT)[0]),
    )


def extent(pipeline: Pipeline) -> Extent:
    """Times of the first and the last reading in the ledger, and of the first load."""
    (row,) = pipeline.database.query(
        "SELECT min(min_time) AS first, max(max_time) AS last, min(loaded_at) AS loaded_first "
        "FROM etl.ledger"
    )
    return Extent(row["first"], row["last"], row["loaded_first"])


def trend(
    pipeline: Pipeline, start: datetime, step: timedelta, contract: str | None = None
) -> list[Period]:
    """Sums by step of the time of loading, from ``start`` until now, empty steps included.

    ``contract``: the name of the one whose batches count, here and below; without it, of all.
    """
    of_contract, named = _of(contract)
    rows = pipeline.database.query(
        "SELECT date_bin(%s, loaded_at, %s) AS start, sum(read) AS read, "  # noqa: S608 - ours
        "sum(accepted) AS accepted, sum(rejected) AS rejected, "
        "sum(duplicates + unchanged) AS duplicates, "
        "sum(conflicts + conflicts_in_table) AS conflicts, sum(set_aside) AS set_aside "
        f"FROM etl.ledger WHERE loaded_at >= %s{of_contract} GROUP BY 1 LIMIT 2000",
        (step, start, start, *named),
    )
    names = ("read", "accepted", "rejected", "duplicates", "conflicts", "set_aside")
    found = {row["start"]: [int(row[name]) for name in names] for row in rows}
    periods, at, now = [], start, datetime.now(UTC)
    while at <= now:
        periods.append(Period(at, *found.get(at, [0] * len(names))))
        at += step
    return periods


def reasons(pipeline: Pipeline, span: TimeRange, contract: str | None = None) -> list[Reason]:
    """Rejects by reason, the most frequent first, of batches loaded in the span."""
    of_contract, named = _of(contract)
    rows = pipeline.database.query(
        "SELECT key AS reason, sum(value::bigint) AS readings, count(*) AS batches, "  # noqa: S608
        "max(loaded_at) AS latest FROM etl.ledger, jsonb_each_text(rejected_by) "
        f"WHERE loaded_at >= %s AND loaded_at < %s{of_contract} "
        "GROUP BY key ORDER BY 2 DESC, 1 LIMIT 200",
        (*_limits(span), *named),
    )
    return [Reason(r["reason"], int(r["readings"]), int(r["batches"]), r["latest"]) for r in rows]


def newest_rejecting(
    pipeline: Pipeline,
    reason: str | None,
    span: TimeRange,
    most: int,
    contract: str | None = None,
) -> list[LedgerBatch]:
    """The newest batches with rejects (of the reason or its kind), newest first."""
    of_contract, named = _of(contract)
    wanted = "rejected > 0"
    values: list[Any] = []
    if reason:
        wanted = (
            "EXISTS (SELECT FROM jsonb_object_keys(rejected_by) AS k "
            "WHERE k = %s OR split_part(k, ':', 1) = %s)"
        )
        values = [reason, reason]
    rows = pipeline.database.query(
        f"SELECT {BATCH_COLUMNS} FROM etl.ledger WHERE {wanted} "  # noqa: S608 - our own texts
        f"AND loaded_at >= %s AND loaded_at < %s{of_contract} ORDER BY loaded_at DESC LIMIT %s",
        [*values, *_limits(span), *named, most],
    )
    return [LedgerBatch(**row) for row in rows]


def batches_of(pipeline: Pipeline, batch_ids: list[str]) -> dict[str, LedgerBatch]:
    """Ledger rows by batch id; batches without one are left out."""
    rows = pipeline.database.query(
        f"SELECT {BATCH_COLUMNS} FROM etl.ledger WHERE batch_id = ANY(%s)",  # noqa: S608
        (batch_ids,),
    )
    return {row["batch_id"]: LedgerBatch(**row) for row in rows}


def _of(contract: str | None) -> tuple[str, tuple[str, ...]]:
    """The condition that a batch is of the named contract, and its value; empty for all."""
    return ("", ()) if contract is None else (" AND contract = %s", (contract,))


def _limits(span: TimeRange) -> tuple[datetime | str, datetime | str]:
    """Start and end for SQL, with PostgreSQL's words for an open side."""
    return (
        "-infinity" if span.start == FIRST else span.start,
        "infinity" if span.end == LAST else span.end,
    )
