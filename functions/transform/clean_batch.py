"""What cleaning a raw micro-batch gives: its rows, the places they come from, and its rejects."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby

import polars as pl

__all__ = ["INDEX", "MESSAGE", "ORDER", "PLACE", "ROW", "CleanBatch", "Reject", "listed"]

ORDER, PLACE = " m", " i"
"""Frame columns of the message's number and of the reading's index in it; no column of a contract
is called so."""
ROW, MESSAGE, INDEX = "row", "message", "index"
"""Columns of :attr:`CleanBatch.places` and of :attr:`CleanBatch.later_values`."""
LISTED_REJECTS = 200_000
"""Rejects of a batch that are listed one by one. Beyond that a device is broken rather than some
readings, and those of a message are listed together."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A reading that gives no row."""

    message: int
    """Row of the batch's ``messages``."""
    index: int | None
    """Place in the message's array; ``None`` where the message itself is the reading."""
    reasons: tuple[str, ...]
    """All reasons; the first one is counted. Of several readings, the first of each."""
    readings: int = 1
    """Number of readings of the message it stands for; ``index`` is ``None`` where several."""


@dataclass
class CleanBatch:
    """Result of a raw micro-batch.

    ``read = rows + duplicates + conflicts + rejected + set_aside``.
    """

    messages: pl.DataFrame
    """Result of :func:`~functions.transform.envelopes.read_envelopes`; payloads as sent."""
    rows: pl.DataFrame
    """The contract's columns, in key order, one row per key."""
    places: pl.DataFrame = field(default_factory=pl.DataFrame)
    """The message of each row's reading (row of ``messages``) and its index there: 0 where the
    message itself is the reading, else from 1. A row made of several has the place of the first."""
    later_values: pl.DataFrame = field(default_factory=pl.DataFrame)
    """Values that a row has from a later reading than its first one: row, column (its number),
    and message and index as in ``places``."""
    arrivals: tuple[int | None, int | None] | None = None
    """Arrival (epoch ms) of the first and the last message with an accepted reading."""
    duplicates: int = 0
    """Readings that equal the kept row of their key."""
    conflicts: list[Reject] = field(default_factory=list)
    """Readings with the key of a kept row and other values; none is among ``rejects``."""
    conflicting_pair: tuple[Reject, Reject] | None = None
    """A kept reading, and one that conflicts with it."""
    rejects: list[Reject] = field(default_factory=list)
    empty_messages: int = 0
    set_aside: int = 0
    """Messages of another kind than those that hold readings; each counts as one reading."""
    faults: dict[str, Counter[str]] = field(default_factory=dict)
    """Column to how many values were invalid, out of range or too long, rejected or not."""

    @property
    def read(self) -> int:
        """Readings in the batch."""
        ended = self.rows.height + self.duplicates + self.conflicting
        return ended + self.rejected + self.set_aside

    @property
    def conflicting(self) -> int:
        """Readings in conflict with the kept row of their key."""
        return sum(conflict.readings for conflict in self.conflicts)

    @property
    def rejected(self) -> int:
        """Rejected readings."""
        return sum(reject.readings for reject in self.rejects)

    def add(self, part: CleanBatch) -> None:
        """Adds the counts of a part of its messages, which come after those of the last one."""
        self.empty_messages += part.empty_messages
        self.set_aside += part.set_aside
        for name, faults in part.faults.items():
            self.faults[name].update(faults)
        self.rejects = listed(self.rejects, part.rejects)


def listed(before: list[Reject], rejects: list[Reject]) -> list[Reject]:
    """Rejects of the earlier runs and of this one, in order; beyond the limit, grouped by message.

    Which ones are grouped depends on the messages and their order alone.
    """
    if len(before) + len(rejects) <= LISTED_REJECTS:
        return before + rejects
    for m, group in groupby(rejects, key=lambda reject: reject.message):
        found = list(group)
        if len(before) + len(found) <= LISTED_REJECTS or len(found) == 1:
            before += found
            continue
        counts = Counter(reject.reasons[0] for reject in found)
        before += [Reject(m, None, (reason,), number) for reason, number in sorted(counts.items())]
    return before
