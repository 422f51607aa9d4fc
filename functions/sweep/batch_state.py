"""The state of a staged batch, as the sweep sees it: which batches are stranded. Pure.

::

    staged ─┬─ its outcomes say that the ledger has a row ──────────────────▶ settled
            ├─ a running execution processes it ────────────────────────────▶ running
            ├─ staged a moment ago: its execution may be about to start ────▶ young
            ├─ no outcome: its execution died ──────────────────────────────▶ due
            └─ failed ─┬─ with a permanent error: it would fail again ──────▶ permanent
                       ├─ with an unknown error, or because the schema is
                       │  behind, too often ────────────────────────────────▶ exhausted
                       ├─ recently; the wait grows with each failure ───────▶ waiting
                       └─ otherwise ────────────────────────────────────────▶ due
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from telemetry.batches import Batch
from telemetry.errors import PermanentError, SchemaBehindError, TransientError, names_of

__all__ = ["BatchState", "Running", "classify", "execution_name", "wait_after"]

MOST_FAILURES = 10
"""Failures after which a batch needs attention, unless its error is sure to pass: about eight hours
at the usual grace of 15 minutes, longer than any deployment takes."""
LONGEST_WAIT = timedelta(hours=1)

_PASSES = frozenset(names_of(TransientError)) - set(names_of(SchemaBehindError))
_PERMANENT = frozenset(names_of(PermanentError))

BatchState = Literal["settled", "running", "young", "due", "waiting", "permanent", "exhausted"]


@dataclass
class Running:
    """The batches that running executions process."""

    names: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    """Raw keys in their manifests."""
    prefixes: set[str] = field(default_factory=set)
    """Prefixes in their input, where there is no manifest yet."""

    def covers(self, batch: Batch) -> bool:
        """True if one of them staged the batch or processes it."""
        return (
            batch.raw.execution in self.names
            or batch.key in self.keys
            or any(batch.key.startswith(prefix) for prefix in self.prefixes)
        )


def classify(
    batch: Batch,
    errors: Mapping[str, str],
    running: Running,
    *,
    now: datetime,
    grace: timedelta,
) -> BatchState:
    """The state of a batch.

    ``errors``: name of the last failure's error by raw key; needed only for batches that failed,
    are not settled and not running. ``grace``: time for a new batch's execution to start, and the
    wait after a first failure.
    """
    if batch.settled:
        return "settled"
    if running.covers(batch):
        return "running"
    if not batch.failures:
        return "young" if now - batch.staged_at < grace else "due"
    failures, failed_at = len(batch.failures), batch.failures[-1].written_at
    error = errors.get(batch.key, "")
    if error in _PERMANENT:
        return "permanent"
    if error not in _PASSES and failures >= MOST_FAILURES:
        return "exhausted"
    return "waiting" if now - failed_at < wait_after(failures, grace) else "due"


def wait_after(failures: int, grace: timedelta) -> timedelta:
    """Wait before the next try after so many failures; it doubles each time, up to an hour."""
    doublings = min(failures - 1, 20)  # more would be too many microseconds for a timedelta
    return min(grace * float(2**doublings), max(LONGEST_WAIT, grace))


def execution_name(due: Iterable[Batch], attempt: int = 0) -> str:
    """Name of the execution over these batches with their current history.

    The same batches with the same history give the same name, so that of two sweeps at once one
    starts it and the other is refused. ``attempt`` counts earlier executions of that name that
    ended without writing an outcome.
    """
    lines = sorted(f"{batch.key} {len(batch.outcomes)}" for batch in due)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:20]
    return f"sweep-{digest}" + (f"-{attempt}" if attempt else "")
