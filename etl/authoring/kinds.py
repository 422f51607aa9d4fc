"""Messages of other kinds among those with readings: joins, states, logs."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from etl.authoring.members import Members, Place, Reading
from etl.authoring.names import counts_or_codes, identifies, is_kind, is_time, time_rank, words
from etl.authoring.paths import written_path
from etl.authoring.time_patterns import is_epoch
from functions.transform.parts import member

__all__ = ["Kinds", "find_kinds"]

MOST_KINDS = 30
NEARLY_ALWAYS = 0.98
NO_READINGS = {
    "join", "joined", "joinrequest", "accept", "ack", "txack", "nack", "log", "logs", "error",
    "notification", "location", "birth", "death", "will", "lwt", "online", "offline",
    "announce", "connect", "connected", "disconnect", "disconnected", "config", "configuration",
    "boot", "startup", "hello", "register", "registration", "ping", "pong", "integration",
    "downlink", "sent", "queued",
}  # fmt: skip
"""Words in the names of kinds that have no readings, whatever numbers they carry."""


@dataclass(frozen=True)
class Kinds:
    """The condition that messages with readings meet, and the others."""

    path: tuple[str, ...]
    values: tuple[str, ...] | None
    """Values of the member at ``path``; ``None``: it must be present."""
    source: str
    """The member in the syntax of ``only``."""
    others: Counter[str]
    """The kinds that are set aside, with the number of their messages."""

    def meets(self, document: Any) -> bool:
        """True for a message with readings."""
        value = member(document, self.path) if isinstance(document, dict) else None
        if self.values is None:
            return value is not None
        return isinstance(value, str) and str(value) in self.values


def find_kinds(members: Members) -> Kinds | None:
    """The kinds to set aside: those that never have a time, nor a number that measures."""
    if members.message_shape.path == ():
        return None
    time = _time_place(members)
    if time is None or all(_has(reading, time) for reading in members.readings):
        return None
    for place, values in members.values.items():
        texts = all(value.kind == "text" for value in values)
        if (
            texts
            and is_kind(place.path)
            and 2 <= len(values) <= MOST_KINDS
            and _at_top(members, place)
        ):
            found = _by_kind(members, place, time)
            if found is not None:
                return found
    return _by_presence(members, time)


def _time_place(members: Members) -> Place | None:
    places = [p for p in members.values if is_time(p.path)]
    counts = {p: sum(n for v, n in members.values[p].items() if v.text) for p in places}
    enough = [p for p in places if counts[p] >= 0.3 * len(members.readings)]
    return min(enough, key=lambda p: (time_rank(p.path)[0], -counts[p]), default=None)


def _has(reading: Reading, place: Place) -> bool:
    return place in reading and bool(reading[place].text)


def _at_top(members: Members, place: Place) -> bool:
    """True for a member of the message, which a condition can be on."""
    return place.scope == "message" or members.message_shape.path is None


def _by_kind(members: Members, kind: Place, time: Place) -> Kinds | None:
    timed: Counter[str] = Counter()
    measured: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for reading in members.readings:
        name = reading[kind].text if kind in reading else ""
        total[name] += 1
        timed[name] += _has(reading, time)
        measured[name] += _measures(reading)
    kept = [name for name in total if timed[name] >= NEARLY_ALWAYS * total[name]]
    others = Counter({name: total[name] for name in total if name not in kept})
    if not kept or not others or "" in kept:
        return None
    for name in others:
        plain = not measured[name] or bool(set(words(name)) & NO_READINGS)
        if timed[name] or not plain:
            return None
    source = written_path(kind.path)
    if source is None:
        return None
    return Kinds(kind.path, tuple(sorted(kept)), source, others)


def _by_presence(members: Members, time: Place) -> Kinds | None:
    """A condition on the time itself, where messages without one measure nothing."""
    source = written_path(time.path)
    if not _at_top(members, time) or source is None:
        return None
    others = [reading for reading in members.readings if not _has(reading, time)]
    if any(_measures(reading) or time in reading for reading in others):
        return None
    shapes: dict[str, int] = defaultdict(int)
    for reading in others:
        shapes[", ".join(sorted({place.path[0] for place in reading}))[:60]] += 1
    return Kinds(time.path, None, source, Counter(shapes))


def _measures(reading: Reading) -> bool:
    """True where a reading has a number that measures something."""
    return any(
        value.kind == "number" and not counts_or_codes(place.path) and not identifies(place.path)
        and not (is_time(place.path) and is_epoch(float(value.text)))
        for place, value in reading.items()
    )  # fmt: skip
