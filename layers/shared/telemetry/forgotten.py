"""Lines of a raw object from which an erasure (``etl devices forget``) has removed readings. Pure.

A raw object keeps its name, and a line for each message that was staged::

    {"forgotten":3}                                            a message of 3 readings, removed
    {"message_id":..., ..., "payload":..., "forgotten":2}      a message without 2 of its readings

Extract writes other members, so neither a device nor a writer to the queue can make such a line.
The number is counted as readings that were read and forgotten, whenever the batch is transformed
again: what is erased never looks like a loss.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["Forgotten", "is_removed", "removed_line", "shortened_line", "without_forgotten"]

MEMBER = "forgotten"
_ENVELOPE = frozenset({"message_id", "topic", "client_id", "received_at", "payload"})
"""Members of a line as Extract writes it."""
_MARK = b'"forgotten":'


@dataclass(frozen=True)
class Forgotten:
    """Counts of what was removed from a raw object."""

    messages: int = 0
    """Messages that were removed as a whole."""
    readings: int = 0
    """Readings removed, those of whole messages included."""


def removed_line(readings: int) -> bytes:
    """The line in the place of a message that held so many readings."""
    return json.dumps({MEMBER: readings}, separators=(",", ":")).encode() + b"\n"


def shortened_line(envelope: dict[str, Any], readings: int) -> bytes:
    """The line of a message without so many of its readings; ``envelope`` has its new payload."""
    line = json.dumps({**envelope, MEMBER: readings}, separators=(",", ":"))
    return line.encode("ascii") + b"\n"


def is_removed(line: object) -> bool:
    """True for the parsed line of a message that was removed as a whole."""
    return isinstance(line, dict) and line.keys() == {MEMBER} and _count(line) >= 0


def without_forgotten(raw: bytes) -> tuple[bytes, Forgotten]:
    """The lines as Extract writes them, and what was removed; any other line is left as it is."""
    if _MARK not in raw:
        return raw, Forgotten()
    kept, messages, readings = [], 0, 0
    for line in raw.split(b"\n"):
        found = _parsed(line) if _MARK in line else None
        if found is None or _count(found) < 0:
            kept.append(line)
            continue
        readings += found.pop(MEMBER)
        if found:
            kept.append(json.dumps(found, separators=(",", ":")).encode("ascii"))
        else:
            messages += 1
    return b"\n".join(kept), Forgotten(messages, readings)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _count(line: dict[str, Any]) -> int:
    """The number in the line; -1 for a line of another kind."""
    number = line.get(MEMBER)
    others = line.keys() - {MEMBER}
    if type(number) is int and number >= 0 and (not others or others == _ENVELOPE):
        return number
    return -1
