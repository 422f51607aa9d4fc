"""The key of a reading, chosen by what it does to the sample: no two readings may collide.

::

    device, time                 the usual key
    device, channel, time        where several values of one moment have names
    device, $index, time         where they are just elements of one message
    device, $message_id, $index  where nothing tells the readings apart: each one is a row

A time of arrival alone never tells readings apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from etl.authoring.draft import ColumnDraft, share
from etl.authoring.identity import (
    SURE,
    device_candidates,
    distinguishes,
    is_of_reading,
    is_scoped,
    may_be_key,
)
from etl.authoring.members import Members, Reading
from etl.authoring.names import time_rank, words
from etl.authoring.times import micros

__all__ = ["Key", "choose_key"]

ALWAYS = 0.98
PARTLY = 0.3
"""Share of the readings that must have a time for it to be that of the measurement."""
MOST_OTHERS = 4
FEW_CONFLICTS = 0.002
"""Share of conflicting readings up to which a key is kept, where many others are sent again."""
GLOBAL = 36
"""Rank of names that identify a device wherever it is, rather than a part of one."""
INDEX = "\0index"
CONTENT = "\0content"
_TIME_OF_DAY = r"^[0-2]?\d[:.h]?[0-5]\d([:.m]?[0-5]\d)?([.,]\d+)?$"


@dataclass(frozen=True)
class Key:
    """The proposed key, and its effect on the sample."""

    device: ColumnDraft | None
    """``None``: no member names the device, so the topic must."""
    time: ColumnDraft | None
    """``None``: no member is the time of measurement."""
    other_columns: tuple[ColumnDraft, ...]
    index: bool
    """True where the place of the reading in its message is needed."""
    message_id: bool
    """True where nothing else tells the readings apart."""
    readings: int
    repeated: int
    """Readings that are exactly equal to an earlier one."""
    conflicting: int
    """Readings with the key of an earlier one but other values."""
    by_device_and_time: int
    """Readings that would conflict by device and time alone."""

    def sentences(self) -> list[str]:
        """The effect on the sample, in words."""
        if not self.repeated and not self.conflicting:
            return ["no two readings of the sample have the same key"]
        found = []
        if self.repeated:
            found.append(
                f"{share(self.repeated, self.readings)} of the readings exactly repeat another"
            )
        if self.conflicting:
            found.append(
                f"{share(self.conflicting, self.readings)} have the key of another reading but "
                "other values"
            )
        return found


def choose_key(drafts: Sequence[ColumnDraft], members: Members, *, by_message: bool = False) -> Key:
    """The smallest key by which no readings collide, with the message's id if ``by_message``."""
    total = len(members.readings)
    table = _Table(drafts, members)
    time = _time(drafts)
    device, *scopes = _device(drafts, total, table, time)
    forced = [
        draft for draft in (*scopes, _time_of_day(time, drafts, members)) if draft is not None
    ]
    base = [draft for draft in (device, *forced, time) if draft is not None]
    alone = table.conflicts(base)
    others, index, conflicts = list(forced), False, alone
    if time is not None and conflicts:
        others, index, conflicts = _widened(base, forced, drafts, table)
    resent = table.repeated > 10 * conflicts and conflicts <= FEW_CONFLICTS * total
    message_id = by_message or time is None or (conflicts > 0 and not resent)
    if message_id:
        others = [*forced, *_names(drafts, base, table)] if time is None else forced
        index, conflicts = members.message_shape.path is not None, 0
    return Key(
        device, time, tuple(dict.fromkeys(others)), index, message_id, total, table.repeated,
        conflicts, alone,
    )  # fmt: skip


class _Table:
    """The values of columns by reading, as texts, with a number for each distinct reading."""

    def __init__(self, drafts: Sequence[ColumnDraft], members: Members) -> None:
        self._members = members
        self._drafts = {draft.name: draft for draft in drafts}
        contents: dict[int, int] = {}
        numbers = [
            contents.setdefault(hash(frozenset(reading.items())), len(contents))
            for reading in members.readings
        ]
        self.distinct = len(contents)
        self.unnested = members.message_shape.path not in (None, ())
        self.repeated = len(members.readings) - self.distinct
        self._frame = pl.DataFrame(
            {CONTENT: numbers, INDEX: [str(index) for _, index in members.origins]},
            schema={CONTENT: pl.UInt32, INDEX: pl.String},
        )

    def conflicts(self, columns: Sequence[ColumnDraft], *, index: bool = False) -> int:
        """Readings that have the key of another one, but other values."""
        names = [*(draft.name for draft in columns), *([INDEX] if index else [])]
        if not names:
            return self.distinct - 1 if self.distinct else 0
        for draft in columns:
            self._add(draft)
        keys = self._frame.select(names).n_unique()
        return self._frame.select([*names, CONTENT]).n_unique() - keys

    def determines(self, one: ColumnDraft, other: ColumnDraft) -> bool:
        """True where each value of a column comes with one value of another."""
        self._add(one)
        self._add(other)
        pairs = self._frame.select([one.name, other.name]).n_unique()
        return pairs == self._frame.select(one.name).n_unique()

    def _add(self, draft: ColumnDraft) -> None:
        if draft.name in self._frame.columns:
            return
        texts = [_text(reading, draft) for reading in self._members.readings]
        column = pl.Series(draft.name, texts, dtype=pl.String)
        if draft.type == "timestamp":
            column = micros(column, draft.formats, draft.timezone or "UTC").alias(draft.name)
        self._frame = self._frame.with_columns(column)


def _text(reading: Reading, draft: ColumnDraft) -> str | None:
    for place in draft.places:
        value = reading.get(place)
        if value is not None and value.text and value.text not in draft.missing:
            return value.text.encode("utf-8", "replace").decode()
    return None


def _time(drafts: Sequence[ColumnDraft]) -> ColumnDraft | None:
    """The likeliest time of measurement, if possible a member of the reading itself."""
    times = []
    for place, draft in enumerate(drafts):
        if draft.type == "timestamp" and draft.presence >= PARTLY:
            later, rank = time_rank(draft.label)
            ahead = (draft.presence < ALWAYS, later, draft.places[0].scope == "message")
            constant = draft.distinct == 1 and any(
                d.type == "timestamp" and d.distinct > 1 for d in drafts
            )
            times.append((*ahead[:1], constant, *ahead[1:], rank, len(draft.label), place, draft))
    return min(times, key=lambda found: found[:7])[7] if times else None


def _device(
    drafts: Sequence[ColumnDraft], total: int, table: _Table, time: ColumnDraft | None
) -> tuple[ColumnDraft | None, ColumnDraft | None]:
    """The column that names the device, and another one without which it may not be unique.

    The first one is ``None`` where the device is known by its topic alone.
    """
    candidates = device_candidates(drafts, total)
    if not candidates:
        return None, _by_values(drafts, total, table, time)
    best = candidates[0].draft
    others = candidates[1:]
    if best.places[0].scope == "reading" and candidates[0].rank < GLOBAL and table.unnested:
        outer = (c.draft for c in others if c.draft.places[0].scope == "message")
        return next(outer, None), best
    if candidates[0].rank < SURE and not is_scoped(best):
        return None, best
    if is_scoped(best):
        around = (c.draft for c in others if not table.determines(best, c.draft))
        return best, next(around, None)
    if best.distinct == 1:  # one device alone, or a name that many have: only more could say
        sure = (
            c.draft
            for c in others
            if c.draft.distinct > 1 and c.rank >= SURE and not is_of_reading(c.draft, total)
        )
        return best, next(sure, None)
    finer = (
        c.draft
        for c in others
        if best.distinct < c.draft.distinct <= total / 2 and c.rank >= SURE
        and candidates[0].rank < GLOBAL and table.determines(c.draft, best)
    )  # fmt: skip
    return best, next(finer, None)


def _by_values(
    drafts: Sequence[ColumnDraft], total: int, table: _Table, time: ColumnDraft | None
) -> ColumnDraft | None:
    """A member with any name that tells all readings of one moment apart and comes again."""
    if time is None:
        return None
    alone = table.conflicts([time])
    fitting = [
        draft
        for draft in drafts
        if may_be_key(draft, ALWAYS)
        and draft.type == "text"
        and 1 < draft.distinct <= total / 3
        and alone
        and not table.conflicts([draft, time])
    ]
    return min(fitting, key=distinguishes, default=None)


def _time_of_day(
    time: ColumnDraft | None, drafts: Sequence[ColumnDraft], members: Members
) -> ColumnDraft | None:
    """The member with the time of day, where the time of the key has only days."""
    if time is None or not time.formats or not all("%" in name for name in time.formats):
        return None
    if any("%H" in name or "%I" in name for name in time.formats):
        return None
    for draft in drafts:
        if may_be_key(draft, ALWAYS) and {"time", "clock", "hour", "hora"} & set(
            words(draft.label[-1])
        ):
            texts = [value.text for place in draft.places for value in members.values[place]]
            if pl.Series(texts[:1000], dtype=pl.String).str.contains(_TIME_OF_DAY).all():
                return draft
    return None


def _widened(
    base: list[ColumnDraft], forced: list[ColumnDraft], drafts: Sequence[ColumnDraft], table: _Table
) -> tuple[list[ColumnDraft], bool, int]:
    """Other columns by which fewer readings collide, whether the index helps, and what is left."""
    more: list[ColumnDraft] = []
    left = table.conflicts(base)
    while left and len(more) < MOST_OTHERS:
        tried = [
            (
                table.conflicts([*base, *more, draft]),
                distinguishes(draft),
                draft.distinct,
                at,
                draft,
            )
            for at, draft in enumerate(drafts)
            if draft not in base and draft not in more and _may_widen(draft, table)
        ]
        best = min(tried, key=lambda one: one[:4] if one[0] else (0, *one[1:4]), default=None)
        if best is None or best[0] > 0.9 * left:
            break
        left = best[0]
        more.append(best[4])
    if left and not table.conflicts(base, index=True):
        return forced, True, 0
    if left and not table.conflicts([*base, *more], index=True):
        return [*forced, *more], True, 0
    if not left:
        for draft in list(more):
            fewer = [other for other in more if other is not draft]
            if not table.conflicts([*base, *fewer]):
                more = fewer
    return [*forced, *more], False, left


def _may_widen(draft: ColumnDraft, table: _Table) -> bool:
    """True for a name or counter, and for other texts of which there are few: no measurements."""
    if not may_be_key(draft) or draft.distinct < 2:
        return False
    few = draft.type == "text" and draft.distinct <= 0.3 * table.distinct
    return few if distinguishes(draft) == 2 else True


def _names(
    drafts: Sequence[ColumnDraft], base: list[ColumnDraft], table: _Table
) -> list[ColumnDraft]:
    """A member that names the values of a message without a time."""
    found = [
        draft
        for draft in drafts
        if draft not in base and draft.places and draft.places[0].scope == "reading"
        and may_be_key(draft, ALWAYS) and draft.type == "text" and distinguishes(draft) == 0
        and 1 < draft.distinct <= max(2, len(table._members.readings) / 3)
    ]  # fmt: skip
    return found[:1] if table._members.message_shape.path is not None else []
