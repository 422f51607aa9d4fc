"""The key of a reading: the device, the time, and other columns where these are not unique."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etl.authoring.draft import ColumnDraft, share
from etl.authoring.members import Members, Place, Reading
from etl.authoring.names import device_rank, time_rank

__all__ = ["Key", "choose_key"]

ALWAYS = 0.98
"""Share of the readings that must have a value in a column for it to be in the key."""
READING_ID_SHARE = 0.5
"""Distinct values per reading above which an id identifies the reading, not the device."""
TOO_MANY_CONFLICTS = 0.01
"""Share of conflicting readings above which the key needs another column."""
LONGEST = 128
"""Characters of the longest text that a key may have."""
FEW_VALUES = 0.2
"""Distinct values per reading up to which a column may name a channel or metric."""


@dataclass(frozen=True)
class Key:
    """The proposed key, and its effect on the sample."""

    device: ColumnDraft | None
    """``None``: no member names the device, so the topic must."""
    time: ColumnDraft | None
    """``None``: no member is the time of measurement, so the time of arrival must serve."""
    other_columns: tuple[ColumnDraft, ...]
    readings: int
    repeated: int
    """Readings that are exactly equal to an earlier one."""
    conflicting: int
    """Readings with the key of an earlier one but other values, by device and time alone."""

    def sentences(self) -> list[str]:
        """The effect on the sample, in words."""
        if not self.repeated and not self.conflicting:
            return ["no two readings of the sample have the same key"]
        found = [f"{share(self.repeated, self.readings)} of the readings exactly repeat another"]
        if self.conflicting:
            found.append(
                f"{share(self.conflicting, self.readings)} have the key of another reading but "
                "other values"
            )
        return found


def choose_key(drafts: Sequence[ColumnDraft], members: Members) -> Key:
    """The smallest key that leaves few readings in conflict."""
    device, time = _device(drafts, len(members.readings)), _time(drafts)
    parts = [draft for draft in (device, time) if draft is not None]
    repeated, conflicting = _count_repeats(parts, members)
    more: list[ColumnDraft] = []
    total = len(members.readings)
    while parts and conflicting > TOO_MANY_CONFLICTS * total and len(more) < 2:
        tried = [
            (_count_repeats([*parts, *more, draft], members)[1], place, draft)
            for place, draft in enumerate(drafts)
            if draft not in parts and draft not in more and _may_distinguish(draft, total)
        ]
        best = min(tried, key=lambda found: found[:2], default=None)
        if best is None or best[0] > conflicting / 2:
            break
        conflicting = best[0]
        more.append(best[2])
    return Key(device, time, tuple(more), total, repeated, conflicting)


def _device(drafts: Sequence[ColumnDraft], total: int) -> ColumnDraft | None:
    candidates = []
    for place, draft in enumerate(drafts):
        rank = device_rank(draft.label)
        identifies_reading = total >= 20 and draft.distinct > READING_ID_SHARE * total
        if rank is None or identifies_reading or not _can_be_key(draft):
            continue
        if draft.type in ("text", "bigint", "integer", "smallint"):
            candidates.append((rank, place, draft))
    return min(candidates, key=lambda found: found[:2])[2] if candidates else None


def _time(drafts: Sequence[ColumnDraft]) -> ColumnDraft | None:
    """The likeliest time of measurement, if possible a member of the reading itself."""
    times = [
        (draft.places[0].scope == "message", time_rank(draft.label), place, draft)
        for place, draft in enumerate(drafts)
        if draft.type == "timestamp" and draft.presence >= ALWAYS
    ]
    return min(times, key=lambda found: found[:3])[3] if times else None


def _can_be_key(draft: ColumnDraft) -> bool:
    short = draft.max_length is None or draft.max_length <= LONGEST
    return draft.presence >= ALWAYS and short


def _may_distinguish(draft: ColumnDraft, total: int) -> bool:
    plain = draft.type in ("text", "smallint", "integer", "bigint")
    return plain and _can_be_key(draft) and 1 < draft.distinct <= max(2, FEW_VALUES * total)


def _count_repeats(parts: Sequence[ColumnDraft], members: Members) -> tuple[int, int]:
    """Counts of exact repeats, and of readings with another one's key but other values."""
    if not parts:
        return 0, 0
    contents: dict[tuple[str, ...], set[int]] = {}
    keyed = repeated = 0
    for reading in members.readings:
        values = tuple(_text(reading, draft.places) for draft in parts)
        if "" in values:
            continue
        seen = contents.setdefault(values, set())
        content = hash(frozenset(reading.items()))
        keyed += 1
        repeated += content in seen
        seen.add(content)
    return repeated, keyed - repeated - len(contents)


def _text(reading: Reading, places: Sequence[Place]) -> str:
    found = (reading[place].text for place in places if place in reading)
    return next((text for text in found if text), "")
