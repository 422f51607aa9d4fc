"""The JSON report of a batch, which Validate checks and Load enters in the ledger."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from functions.transform.clean_batch import CleanBatch
from functions.transform.copy import TIME_FORMAT
from functions.transform.readings import FIRST_MOMENT, LAST_MOMENT
from telemetry import zones
from telemetry.contract import Contract

__all__ = ["describe"]

SELDOM = ("too_old", "in_future", "ambiguous_time", "nonexistent_time", "unknown_unit", "truncated")
"""Counted only for the columns that have any."""

SKETCH_STEPS = 40
EARLIEST_ARRIVAL, LATEST_ARRIVAL = 946_684_800_000, 4_102_444_800_000
"""Milliseconds since 1970: the years 2000 to 2100. A tool may write anything to the queue."""
LEAST_VALUES = 100
"""Fewest values whose quantiles describe the column rather than chance."""


def describe(batch: CleanBatch, contract: Contract) -> dict[str, Any]:
    """The counts of a batch.

    They add up: ``read = accepted + duplicates + conflicts + rejected + set_aside``.
    ``rejected_by`` counts each reject under its first reason. Of a column, ``nulls`` counts
    accepted rows without a value, the rest counts values in all readings, rejected or not.
    ``tzdata`` is the release of the time zones that local times were read by, such as ``2026f``.
    """
    rows = batch.rows
    least, middle, most = _times(rows, contract)
    first, last = _received(batch)
    return {
        "contract": contract.name,
        "contract_digest": contract.digest,
        "tzdata": zones.VERSION if _has_local_times(contract) else None,
        "messages": batch.messages.height,
        "raw_bytes": int(batch.messages["payload"].bin.size().sum()),
        "read": batch.read,
        "accepted": rows.height,
        "duplicates": batch.duplicates,
        "conflicts": batch.conflicting,
        "rejected": batch.rejected,
        "set_aside": batch.set_aside,
        "rejected_by": dict(sorted(_by_reason(batch).items())),
        "empty_messages": batch.empty_messages,
        "columns": {
            name: {
                "nulls": rows[name].null_count(),
                "invalid": faults["invalid"],
                "out_of_range": faults["out_of_range"],
                "too_long": faults["too_long"],
                **_sketch(rows[name], wanted=name in contract.checks.drift),
                **{name: faults[name] for name in SELDOM if faults[name]},
            }
            for name, faults in batch.faults.items()
        },
        "min_time": least,
        "median_time": middle,
        "max_time": most,
        "first_arrival": _first_arrival(batch.messages),
        "first_received_at": first,
        "last_received_at": last,
    }


def _has_local_times(contract: Contract) -> bool:
    return any(column.timezone != "UTC" for column in contract.columns)


def _by_reason(batch: CleanBatch) -> Counter[str]:
    counts: Counter[str] = Counter()
    for reject in batch.rejects:
        counts[reject.reasons[0]] += reject.readings
    return counts


def _sketch(values: pl.Series, *, wanted: bool) -> dict[str, list[float]]:
    """The column's quantiles in equal steps, for Validate's check of drift; none of few values."""
    if not wanted:
        return {}
    ordered = values.drop_nulls().cast(pl.Float64).sort()
    if len(ordered) < LEAST_VALUES:
        return {}
    last = len(ordered) - 1
    places = [round(last * step / SKETCH_STEPS) for step in range(SKETCH_STEPS + 1)]
    return {"quantiles": ordered.gather(places).to_list()}


def _times(rows: pl.DataFrame, contract: Contract) -> tuple[str | None, str | None, str | None]:
    """First, median and last time: of the key's timestamp, else of the first timestamp column."""
    names = [*reversed(contract.key), *(column.name for column in contract.columns)]
    times = [name for name in names if contract.column(name).type == "timestamp"]
    if not times:
        return None, None, None
    column = rows[times[0]]
    # The lower of two middle ones: a time that a reading has.
    middle = column.sort(nulls_last=True)
    known = len(column) - column.null_count()
    median = middle[(known - 1) // 2] if known else None
    found = [column.min(), median, column.max()]
    least, mid, most = pl.Series(found, dtype=pl.Datetime("us", "UTC")).dt.strftime(TIME_FORMAT)
    return least, mid, most


def _received(batch: CleanBatch) -> tuple[str | None, str | None]:
    """Arrival of the first and of the last message with an accepted reading, whatever it is; one
    without an arrival is the first of all."""
    if batch.arrivals is None:
        return None, None
    within = [
        FIRST_MOMENT if moment is None else min(max(moment, FIRST_MOMENT), LAST_MOMENT)
        for moment in batch.arrivals
    ]
    first, last = pl.Series(within, dtype=pl.Datetime("ms", "UTC")).dt.strftime(TIME_FORMAT)
    return first, last


def _first_arrival(messages: pl.DataFrame) -> str | None:
    """Time at which AWS IoT received the first message; ``None`` without a plausible one."""
    arrivals = messages["received_at"]
    sane = arrivals.filter(arrivals.is_between(EARLIEST_ARRIVAL, LATEST_ARRIVAL))
    if sane.is_empty():
        return None
    first = pl.Series([sane.min()], dtype=pl.Int64).cast(pl.Datetime("ms", "UTC"))
    return str(first.dt.strftime(TIME_FORMAT)[0])
