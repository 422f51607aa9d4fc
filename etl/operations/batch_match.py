"""Matches raw objects, outcomes and ledger rows batch by batch, in one pass over ordered streams.

All three are in the order of raw keys, so that a pass needs no more memory for a million batches
than for ten. Of each kind of finding the number is exact, and the first few keys are named. Pure.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Literal

from etl.operations.active_executions import ActiveExecution, owner_of
from etl.operations.ledger_restoration import RESTORED
from etl.operations.message_index import ObjectReadings, RawObject
from telemetry.batches import Outcome
from telemetry.layout import parse_raw_key

__all__ = ["MOMENT", "BatchFinding", "BatchGroup", "BatchMatch", "LedgerKey", "match_batches"]

MOMENT = timedelta(minutes=2)
"""A batch that was staged, or a receipt that was written, so long ago is still under way: its
execution is about to start, or its messages are about to be in the queue."""
NAMED = 5
"""Batches of each finding that are named."""

BatchFinding = Literal[
    "running", "young", "unprocessed", "failed", "unrecorded", "lost", "raw_missing",
    "miscounted", "misread",
]  # fmt: skip
"""Finding about a batch.

===============  ==================================================================================
``running``      no ledger row yet; a running execution processes it
``young``        no ledger row and no outcome yet; staged a moment ago
``unprocessed``  no ledger row and no outcome, and no execution processes it
``failed``       no ledger row; it failed, and no execution processes it now
``unrecorded``   no ledger row, although an outcome says that there was one
``lost``         an outcome, but neither a raw object nor a ledger row
``raw_missing``  a ledger row, but no raw object
``miscounted``   the ledger counts other messages than the name of the raw object
``misread``      the ledger counts other readings than the receipts of the same messages
===============  ==================================================================================
"""


@dataclass(frozen=True)
class LedgerKey:
    """The part of a ledger row that is matched."""

    raw_key: str
    messages: int
    read: int
    contract_digest: str


@dataclass
class BatchGroup:
    """The batches of one finding."""

    batches: int = 0
    messages: int = 0
    keys: list[str] = field(default_factory=list)
    """Raw keys of the first few."""
    owners: set[str] = field(default_factory=set)
    """Executions that process them."""
    outcomes: list[Outcome] = field(default_factory=list)
    """The last outcome of each batch that failed and is named."""
    errors: list[str] = field(default_factory=list)
    """Names of the errors in these outcomes, each once."""
    oldest: datetime | None = None
    """Time of staging of the oldest one, where it has a raw object."""
    newest: datetime | None = None
    days: set[str] = field(default_factory=set)
    """First and last ``YYYY-MM-DD`` in their keys."""
    expected: int = 0
    """Readings that their receipts count."""
    actual: int = 0
    """Readings that the ledger counts."""

    def add(self, key: str, messages: int, staged_at: datetime | None = None) -> None:
        """Count one batch."""
        self.batches += 1
        self.messages += messages
        if len(self.keys) < NAMED:
            self.keys.append(key)
        if staged_at is not None:
            self.oldest = min(self.oldest or staged_at, staged_at)
            self.newest = max(self.newest or staged_at, staged_at)
        raw = parse_raw_key(key)
        if raw is not None:
            days = {*self.days, raw.date}
            self.days = {min(days), max(days)}

    @staticmethod
    def sum(groups: Iterable[BatchGroup]) -> BatchGroup:
        """The batches of several groups, which share none: their numbers, days and times."""
        total = BatchGroup()
        for one in groups:
            total.batches += one.batches
            total.messages += one.messages
            total.keys = [*total.keys, *one.keys][:NAMED]
            oldest = (at for at in (total.oldest, one.oldest) if at is not None)
            newest = (at for at in (total.newest, one.newest) if at is not None)
            total.oldest, total.newest = min(oldest, default=None), max(newest, default=None)
            days = total.days | one.days
            total.days = {min(days), max(days)} if days else set()
        return total

    @property
    def ids(self) -> list[str]:
        """Ids of the first few batches; the key itself where it has another form."""
        return [raw.batch_id if (raw := parse_raw_key(key)) else key for key in self.keys]


@dataclass(frozen=True)
class BatchMatch:
    """Result of the pass."""

    staged: BatchGroup = field(default_factory=BatchGroup)
    """All batches with a raw object."""
    found: dict[BatchFinding, BatchGroup] = field(default_factory=dict)
    staged_of: dict[str | None, BatchGroup] = field(default_factory=dict)
    """All batches with a raw object by contract, as raw keys name it."""

    def group(self, name: BatchFinding) -> BatchGroup:
        """The batches of a finding; an empty group where there are none."""
        return self.found.get(name) or BatchGroup()


def match_batches(
    raws: Iterable[RawObject],
    outcomes: Iterable[Outcome],
    ledger: Iterable[LedgerKey],
    readings: Iterable[ObjectReadings] = (),
    *,
    active: list[ActiveExecution],
    now: datetime,
    exists: Callable[[str], bool] = lambda _: False,
) -> BatchMatch:
    """Match the batches. All streams are in the order of raw keys.

    ``exists`` says whether there is a raw object that was not listed: it may have been staged
    since. Raw objects must have been listed before outcomes, and these before the ledger was read.
    """
    found = BatchMatch()
    for key, parts in _merged(raws, outcomes, ledger, readings):
        _classify(found, key, parts, active, now, exists)
    return found


@dataclass
class _Parts:
    raw: RawObject | None = None
    entry: LedgerKey | None = None
    readings: ObjectReadings | None = None
    outcomes: list[Outcome] = field(default_factory=list)


def _merged(
    raws: Iterable[RawObject],
    outcomes: Iterable[Outcome],
    ledger: Iterable[LedgerKey],
    readings: Iterable[ObjectReadings],
) -> Iterator[tuple[str, _Parts]]:
    streams: list[Iterator[tuple[str, Any]]] = [
        ((raw.key, raw) for raw in raws),
        ((outcome.key.raw_key, outcome) for outcome in outcomes),
        ((entry.raw_key, entry) for entry in ledger),
        ((one.key, one) for one in readings),
    ]
    merged = heapq.merge(*streams, key=lambda pair: pair[0])
    for key, pairs in groupby(merged, key=lambda pair: pair[0]):
        parts = _Parts()
        for _, part in pairs:
            match part:
                case RawObject():
                    parts.raw = part
                case LedgerKey():
                    parts.entry = part
                case ObjectReadings():
                    parts.readings = part
                case _:
                    parts.outcomes.append(part)
        yield key, parts


def _classify(
    found: BatchMatch,
    key: str,
    parts: _Parts,
    active: list[ActiveExecution],
    now: datetime,
    exists: Callable[[str], bool],
) -> None:
    raw, entry = parts.raw, parts.entry
    if raw is not None:
        found.staged.add(key, raw.messages, raw.staged_at)
        named = parse_raw_key(key)
        own = found.staged_of.setdefault(named.contract if named else None, BatchGroup())
        own.add(key, raw.messages, raw.staged_at)
    if raw is not None and entry is not None and entry.contract_digest == RESTORED:
        _group(found, "unrecorded").add(key, raw.messages, raw.staged_at)
    elif raw is not None and entry is not None:
        _compare_counts(found, raw, entry, parts.readings)
    elif raw is not None:
        _without_entry(found, raw, parts.outcomes, active, now)
    elif entry is not None and not exists(key):
        _group(found, "raw_missing").add(key, entry.messages)
    elif entry is None and parts.outcomes and not exists(key):
        named = parse_raw_key(key)
        _group(found, "lost").add(key, named.messages if named else 0)


def _group(found: BatchMatch, name: BatchFinding) -> BatchGroup:
    return found.found.setdefault(name, BatchGroup())


def _compare_counts(
    found: BatchMatch, raw: RawObject, entry: LedgerKey, readings: ObjectReadings | None
) -> None:
    if entry.messages != raw.messages:
        group = _group(found, "miscounted")
        group.add(raw.key, raw.messages, raw.staged_at)
        group.expected, group.actual = (
            group.expected + raw.messages, group.actual + entry.messages,
        )  # fmt: skip
    # Another contract may take the same messages apart in another way.
    if readings is None or readings.contract not in ("", entry.contract_digest):
        return
    complete = readings.messages + readings.removed == raw.messages
    if entry.read < readings.readings or (complete and entry.read != readings.readings):
        group = _group(found, "misread")
        group.add(raw.key, raw.messages, raw.staged_at)
        group.expected, group.actual = (
            group.expected + readings.readings, group.actual + entry.read,
        )  # fmt: skip


def _without_entry(
    found: BatchMatch,
    raw: RawObject,
    outcomes: list[Outcome],
    active: list[ActiveExecution],
    now: datetime,
) -> None:
    named = parse_raw_key(raw.key)
    ended = [outcome.execution for outcome in outcomes]
    owner = owner_of(raw.key, named, active, ended) if named else None
    name: BatchFinding
    if owner is not None:
        name = "running"
    elif any(outcome.settled for outcome in outcomes):
        name = "unrecorded"
    elif outcomes:
        name = "failed"
    else:
        name = "young" if now - raw.staged_at < MOMENT else "unprocessed"
    group = _group(found, name)
    group.add(raw.key, raw.messages, raw.staged_at)
    if name == "failed" and len(group.outcomes) < NAMED:
        group.outcomes.append(max(outcomes, key=lambda outcome: outcome.written_at))
    if owner is not None:
        group.owners.add(owner)
