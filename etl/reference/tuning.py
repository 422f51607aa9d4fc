"""Environment variables that tune a function, and what each does."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TUNING", "Tuned"]


@dataclass(frozen=True)
class Tuned:
    """One variable."""

    name: str
    reader: str
    """Function or functions that read it."""
    default: str
    text: str


TUNING = (
    Tuned("DRAIN_SECONDS", "extract", "20", "how long one drain of the queue receives messages"),
    Tuned("DRAIN_RECEIVERS", "extract", "8", "threads that receive at once"),
    Tuned(
        "BATCH_BYTES",
        "extract, stage",
        "67,108,864 (less where devices compress)",
        "size of a micro-batch, uncompressed: what Transform holds in memory",
    ),
    Tuned("BATCH_MESSAGES", "extract, stage", "50,000", "messages of a micro-batch"),
    Tuned(
        "BATCH_SECONDS",
        "extract, stage",
        "20",
        "age of a micro-batch at which it is written, full or not",
    ),
    Tuned(
        "SWEEP_GRACE_SECONDS",
        "sweep",
        "900",
        "age at which a batch that nobody has taken care of counts as left over",
    ),
    Tuned("SWEEP_DAYS", "sweep", "15", "how many days back are looked through"),
)
