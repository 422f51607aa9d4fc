"""What Transform found in a batch, as the JSON report that Validate judges and Load books."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from functions.transform.clean import CleanBatch
from functions.transform.copy import TIME_FORMAT
from telemetry.contract import Contract

__all__ = ["describe"]

SELDOM = ("too_old", "in_future", "truncated")
"""Counted only for the columns that have any."""


def describe(batch: CleanBatch, contract: Contract) -> dict[str, Any]:
    """The counts of a batch; they add up: ``read = accepted + duplicates + rejected + set_aside``.

    ``rejected_by`` counts each reject under its first reason. Of a column, ``nulls`` counts
    accepted rows without a value, the rest counts values in all readings, rejected or not.
    """
    rows = batch.rows
    least, most = _time_span(rows, contract)
    return {
        "contract": contract.name,
        "contract_digest": contract.digest,
        "messages": batch.messages.height,
        "raw_bytes": int(batch.messages["payload"].bin.size().sum()),
        "read": batch.read,
        "accepted": rows.height,
        "duplicates": batch.duplicates,
        "rejected": len(batch.rejects),
        "set_aside": batch.set_aside,
        "rejected_by": dict(sorted(Counter(r.reasons[0] for r in batch.rejects).items())),
        "empty_messages": batch.empty_messages,
        "columns": {
            name: {
                "nulls": rows[name].null_count(),
                "invalid": faults["invalid"],
                "out_of_range": faults["out_of_range"],
                "too_long": faults["too_long"],
                **{name: faults[name] for name in SELDOM if faults[name]},
            }
            for name, faults in batch.faults.items()
        },
        "min_time": least,
        "max_time": most,
    }


def _time_span(rows: pl.DataFrame, contract: Contract) -> tuple[str | None, str | None]:
    """First and last time: of the key's timestamp, else of the first timestamp column."""
    names = [*reversed(contract.key), *(column.name for column in contract.columns)]
    times = [name for name in names if contract.column(name).type == "timestamp"]
    if not times:
        return None, None
    span = pl.Series([rows[times[0]].min(), rows[times[0]].max()], dtype=pl.Datetime("us", "UTC"))
    least, most = span.dt.strftime(TIME_FORMAT)
    return least, most
