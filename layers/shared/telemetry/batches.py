"""Staged batches and how each ended, from two listings of S3: no object is read. Pure.

The raw objects of a prefix are listed first and their outcomes second, so that no outcome is
missing that was there when its batch was listed (:mod:`telemetry.layout` has both keys).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from telemetry.layout import (
    OutcomeKey,
    RawKey,
    Status,
    outcomes_prefix,
    parse_outcome_key,
    parse_raw_key,
)
from telemetry.storage import StoredObject

__all__ = ["Batch", "Listing", "Outcome", "batches_below"]

Listing = Callable[[str], Iterable[StoredObject]]
"""Lists the objects of the data bucket under a prefix."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a batch in one execution, and when it was written."""

    key: OutcomeKey
    written_at: datetime

    @property
    def execution(self) -> str:
        """Name of the execution that processed the batch, perhaps not the one that staged it."""
        return self.key.execution

    @property
    def status(self) -> Status:
        """Status of the batch at the end of that execution."""
        return self.key.status

    @property
    def settled(self) -> bool:
        """True if the ledger has a row of the batch since then."""
        return self.key.settled


@dataclass(frozen=True)
class Batch:
    """One staged micro-batch and its history."""

    raw: RawKey
    key: str
    size: int
    """Size of the raw object in bytes, compressed."""
    staged_at: datetime
    outcomes: tuple[Outcome, ...] = ()
    """Its outcome in each execution that processed it, the last one last."""

    @property
    def settled(self) -> bool:
        """True if the ledger has a row of it."""
        return any(outcome.settled for outcome in self.outcomes)

    @property
    def status(self) -> str:
        """Status of the last outcome that settled it, else ``failed``, or ``staged`` if none."""
        settled = [outcome.status for outcome in self.outcomes if outcome.settled]
        if settled:
            return settled[-1]
        return "failed" if self.outcomes else "staged"

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Outcomes that settled nothing, the last one last."""
        return tuple(outcome for outcome in self.outcomes if not outcome.settled)


def batches_below(listing: Listing, prefix: str) -> list[Batch]:
    """The batches under a prefix of raw objects, in the order of their keys, with outcomes."""
    staged = [
        (raw, stored)
        for stored in listing(prefix)
        if (raw := parse_raw_key(stored.key)) is not None
    ]
    outcomes: dict[str, list[Outcome]] = {}
    for stored in listing(outcomes_prefix(prefix)) if staged else ():
        key = parse_outcome_key(stored.key)
        if key is not None:
            outcomes.setdefault(key.raw_key, []).append(Outcome(key, stored.modified))
    return [
        Batch(raw, stored.key, stored.size, stored.modified, _in_order(outcomes.get(stored.key)))
        for raw, stored in staged
    ]


def _in_order(outcomes: list[Outcome] | None) -> tuple[Outcome, ...]:
    """Outcomes by the time of writing; a listing has them by the name of their execution."""
    return tuple(sorted(outcomes or (), key=lambda found: (found.written_at, found.execution)))
