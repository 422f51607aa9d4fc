"""Which columns identify a reading: what names the device, the time, and what else it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etl.authoring.draft import Draft, share
from etl.authoring.members import Members, Place, Reading
from etl.authoring.names import device_rank, time_rank

__all__ = ["Key", "choose_key"]

ALWAYS = 0.98
"""Share of the readings that must have a value in a column for it to be in the key."""
NAMES_ONE = 0.5
"""Distinct values per reading above which an id names the reading and not the device."""
TOO_MANY_CONFLICTS = 0.01
"""Share of the readings that differ from one with their key: above, the key lacks a part."""
LONGEST = 128
FEW_VALUES = 0.2
"""Distinct values per reading up to which a column can tell channels or metrics apart."""


@dataclass(frozen=True)
class Key:
    """The key proposed, and what it does to the sample."""

    device: Draft | None
    """``None``: no member names the device; the topic has to."""
    time: Draft | None
    """``None``: no member is the time of the measurement; the time of arrival has to be."""
    more: tuple[Draft, ...]
    readings: int
    repeated: int
    """Readings that equal an earlier one to the letter."""
    conflicting: int
    """Readings with the key of an earlier one and another content."""

    def sentences(self) -> list[str]:
        """What was found, for a person."""
        if not self.repeated and not self.conflicting:
            return ["no two readings of the sample have the same key"]
        told = [f"{share(self.repeated, self.readings)} of the readings repeat one to the letter"]
        if self.conflicting:
            told.append(
                f"{share(self.conflicting, self.readings)} have the key of another reading and "
                "other content"
            )
        return told


def choose_key(drafts: Sequence[Draft], members: Members) -> Key:
    """The smallest key that leaves few readings in conflict."""
    device, time = _device(drafts, len(members.readings)), _time(drafts)
    parts = [draft for draft in (device, time) if draft is not None]
    repeated, conflicting = _measure(parts, members)
    more: list[Draft] = []
    total = len(members.readings)
    while parts and conflicting > TOO_MANY_CONFLICTS * total and len(more) < 2:
        tried = [
            (_measure([*parts, *more, draft], members)[1], place, draft)
            for place, draft in enumerate(drafts)
            if draft not in parts and draft not in more and _tells_apart(draft, total)
        ]
        best = min(tried, key=lambda found: found[:2], default=None)
        if best is None or best[0] > conflicting / 2:
            break
        conflicting = best[0]
        more.append(best[2])
    return Key(device, time, tuple(more), total, repeated, conflicting)


def _device(drafts: Sequence[Draft], total: int) -> Draft | None:
    candidates = []
    for place, draft in enumerate(drafts):
        rank = device_rank(draft.label)
        names_the_reading = total >= 20 and draft.distinct > NAMES_ONE * total
        if rank is None or names_the_reading or not _can_be_key(draft):
            continue
        if draft.type in ("text", "bigint", "integer", "smallint"):
            candidates.append((rank, place, draft))
    return min(candidates, key=lambda found: found[:2])[2] if candidates else None


def _time(drafts: Sequence[Draft]) -> Draft | None:
    """The likeliest time of measurement: of the reading rather than of its message."""
    times = [
        (draft.places[0].scope == "message", time_rank(draft.label), place, draft)
        for place, draft in enumerate(drafts)
        if draft.type == "timestamp" and draft.presence >= ALWAYS
    ]
    return min(times, key=lambda found: found[:3])[3] if times else None


def _can_be_key(draft: Draft) -> bool:
    short = draft.max_length is None or draft.max_length <= LONGEST
    return draft.presence >= ALWAYS and short


def _tells_apart(draft: Draft, total: int) -> bool:
    plain = draft.type in ("text", "smallint", "integer", "bigint")
    return plain and _can_be_key(draft) and 1 < draft.distinct <= max(2, FEW_VALUES * total)


def _measure(parts: Sequence[Draft], members: Members) -> tuple[int, int]:
    """Readings that repeat one to the letter, and those of another one's key and other content."""
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
