"""Which staged batches nobody takes care of, and what to do about each. Pure.

::

    staged ─┬─ a ledger row, so its outcomes say ───────────────────────────▶ settled
            ├─ an execution runs that deals with it ────────────────────────▶ running
            ├─ staged a moment ago: whoever staged it may be about to start ─▶ young
            ├─ never dealt with to an end: its execution died ──────────────▶ due
            └─ failed ─┬─ permanently: it would fail again ─────────────────▶ permanent
                       ├─ without a known reason, too often ────────────────▶ exhausted
                       ├─ a moment ago, longer after each failure ──────────▶ waiting
                       └─ else ──────────────────────────────────────────────▶ due
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from telemetry.errors import PermanentError, TransientError, names_of
from telemetry.layout import OutcomeKey, RawKey

__all__ = ["Batch", "Fate", "Running", "Seen", "execution_name", "fate", "seen"]

MOST_UNKNOWN = 10
"""Failures without a known reason after which a person is to look."""
LONGEST_WAIT = timedelta(hours=1)

_TRANSIENT = frozenset(names_of(TransientError))
_PERMANENT = frozenset(names_of(PermanentError))

Fate = Literal["settled", "running", "young", "due", "waiting", "permanent", "exhausted"]


@dataclass(frozen=True)
class Batch:
    """One staged batch."""

    raw: RawKey
    key: str
    size: int
    """Bytes, compressed."""
    staged_at: datetime


@dataclass(frozen=True)
class Seen:
    """A batch with what its outcomes' names tell."""

    batch: Batch
    settled: bool = False
    failures: int = 0
    outcomes: int = 0
    """Of all kinds."""
    last_failure: OutcomeKey | None = None
    failed_at: datetime | None = None


@dataclass
class Running:
    """What running executions deal with."""

    names: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    """Raw keys that their manifests name."""
    prefixes: set[str] = field(default_factory=set)
    """Prefixes that they were told to list, of which there may be no manifest yet."""

    def covers(self, batch: Batch) -> bool:
        """Whether one of them staged the batch, or was told to deal with it."""
        return (
            batch.raw.execution in self.names
            or batch.key in self.keys
            or any(batch.key.startswith(prefix) for prefix in self.prefixes)
        )


def seen(batches: Iterable[Batch], outcomes: Iterable[tuple[OutcomeKey, datetime]]) -> list[Seen]:
    """Each batch with its outcomes, of which the time is that of writing."""
    by_key: dict[str, list[tuple[OutcomeKey, datetime]]] = {}
    for outcome, at in outcomes:
        by_key.setdefault(outcome.raw_key, []).append((outcome, at))
    return [_seen(batch, by_key.get(batch.key, ())) for batch in batches]


def _seen(batch: Batch, outcomes: Iterable[tuple[OutcomeKey, datetime]]) -> Seen:
    every = list(outcomes)
    failures = [(at, outcome) for outcome, at in every if not outcome.settled]
    failed_at, last = max(failures, key=lambda f: (f[0], f[1].execution), default=(None, None))
    return Seen(
        batch=batch,
        settled=len(failures) < len(every),
        failures=len(failures),
        outcomes=len(every),
        last_failure=last,
        failed_at=failed_at,
    )


def fate(
    one: Seen,
    errors: Mapping[str, str],
    running: Running,
    *,
    now: datetime,
    grace: timedelta,
) -> Fate:
    """What is to be done about a batch.

    ``errors``: the name of the error of the last failure by raw key; whoever calls may leave out
    those of batches whose fate doesn't hang on it. ``grace``: how long a batch is left to whoever
    staged it, and the wait after a first failure.
    """
    if one.settled:
        return "settled"
    if running.covers(one.batch):
        return "running"
    if one.failed_at is None:
        return "young" if now - one.batch.staged_at < grace else "due"
    error = errors.get(one.batch.key, "")
    if error in _PERMANENT:
        return "permanent"
    if error not in _TRANSIENT and one.failures >= MOST_UNKNOWN:
        return "exhausted"
    return "waiting" if now - one.failed_at < wait_after(one.failures, grace) else "due"


def wait_after(failures: int, grace: timedelta) -> timedelta:
    """How long a batch rests after so many failures: twice as long each time, an hour at most."""
    doublings = min(failures - 1, 20)  # more would be too many microseconds for a timedelta
    return min(grace * float(2**doublings), max(LONGEST_WAIT, grace))


def execution_name(due: Iterable[Seen], attempt: int = 0) -> str:
    """Name of the execution over these batches as they are now.

    The same batches with the same history give the same name, so that of two sweeps at once one
    starts it and the other is refused. ``attempt`` counts executions of that name that ended
    without leaving an outcome behind.
    """
    lines = sorted(f"{one.batch.key} {one.outcomes}" for one in due)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:20]
    return f"sweep-{digest}" + (f"-{attempt}" if attempt else "")
