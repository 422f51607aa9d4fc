"""Environment variables that tune a function."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TUNING", "TuningVariable"]


@dataclass(frozen=True)
class TuningVariable:
    """One environment variable."""

    name: str
    reader: str
    """Function or functions that read it."""
    default: str
    text: str


TUNING = (
    TuningVariable(
        "DRAIN_SECONDS",
        "extract",
        "20",
        "seconds for which one drain of the queue receives messages",
    ),
    TuningVariable("DRAIN_RECEIVERS", "extract", "8", "threads that receive messages in parallel"),
    TuningVariable(
        "BATCH_BYTES",
        "extract, stage",
        "67,108,864 (less where devices compress)",
        "largest size of a micro-batch in bytes, uncompressed: Transform holds it in memory",
    ),
    TuningVariable("BATCH_MESSAGES", "extract, stage", "50,000", "most messages in a micro-batch"),
    TuningVariable(
        "BATCH_SECONDS",
        "extract, stage",
        "20",
        "age in seconds at which a micro-batch is written, full or not",
    ),
    TuningVariable(
        "SWEEP_GRACE_SECONDS",
        "sweep",
        "900",
        "age in seconds at which an unprocessed batch counts as left over",
    ),
    TuningVariable("SWEEP_DAYS", "sweep", "15", "days for which the sweep looks back"),
)
