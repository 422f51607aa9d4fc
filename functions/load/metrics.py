"""Metrics of a settled batch: its readings, as the ledger counts them, and its delay."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from functions.load.batch import Batch
from functions.load.ledger import Entry
from telemetry import metrics
from telemetry.metric_table import reason_kind

__all__ = ["measure"]

AHEAD_SECONDS = 60.0
"""A time that is further ahead comes from a clock that is wrong, as in the views."""


def measure(batch: Batch, entry: Entry, now: datetime) -> None:
    """Records a batch that the ledger has just settled, loaded or not.

    Not for a batch that is answered from the ledger, so that each counts once, however often it is
    processed. ``now``: the time at which its rows were committed.
    """
    metrics.record("ReadingsRead", entry.read)
    metrics.record("ReadingsInserted", entry.inserted)
    metrics.record("ReadingsUpdated", entry.updated)
    metrics.record("ReadingsUnchanged", entry.unchanged)
    metrics.record("ReadingsDuplicate", entry.duplicates)
    metrics.record("ReadingsConflicting", entry.conflicts + entry.conflicts_in_table)
    metrics.record("ReadingsRejected", entry.rejected)
    metrics.record("ReadingsSetAside", entry.set_aside)
    if entry.read:
        metrics.record("RejectShare", 100 * entry.rejected / entry.read)
    kinds: Counter[str] = Counter()
    for reason, readings in batch.rejected_by.items():
        kinds[reason_kind(reason)] += readings
    for kind, readings in kinds.items():
        metrics.record("ReadingsRejectedByReason", readings, of=kind)
    # A replayed batch is as old as the mistake that it fixes: that is not a delay of the pipeline.
    if batch.purpose == "load" and entry.status == "loaded" and entry.loads == 1:
        _measure_delay(batch, now)


def _measure_delay(batch: Batch, now: datetime) -> None:
    for name, moment in (
        ("LagMedianSeconds", batch.median_time),
        ("LagMaxSeconds", batch.min_time),
        ("ArrivalToRowSeconds", batch.first_arrival),
        ("NewestArrivalToRowSeconds", batch.last_received_at),
    ):
        if moment is None:
            continue
        seconds = (now - datetime.fromisoformat(moment)).total_seconds()
        if seconds >= -AHEAD_SECONDS:  # stamped further ahead it says nothing about the delay
            metrics.record(name, max(0.0, seconds))
