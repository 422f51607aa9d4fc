"""Parts of a message: its values, and what becomes a reading before its values are taken out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from telemetry.contract.model import MemberPath

__all__ = ["Number", "Part", "is_text", "member"]


class Number(str):
    """A number, as JSON spells it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A reading of a message, or what stands where one should be."""

    index: int | None
    """Its place in the array or keyed object, or among those of the message's parents; ``None``
    where it is the message itself."""
    holder: dict[str, Any] = field(default_factory=dict)
    """Its members."""
    fault: str | None = None
    """Reason why it isn't a reading."""
    places: dict[str, Any] = field(default_factory=dict)
    """Values of ``$key``, ``$metric`` and ``$value``."""
    parent: Any = None
    """The object around its array, where there are two levels."""


def member(holder: Any, path: MemberPath) -> Any:
    """The value at a path; ``None`` where a step is absent, null or of another kind."""
    for step in path:
        if isinstance(step, int):
            holder = _element(holder, step)
        elif isinstance(holder, dict):
            holder = holder.get(step)
        else:
            return None
    return holder


def _element(holder: Any, place: int) -> Any:
    if not isinstance(holder, list) or not -len(holder) <= place < len(holder):
        return None
    return holder[place]


def is_text(value: Any) -> bool:
    """True for a text that isn't the spelling of a number."""
    return isinstance(value, str) and not isinstance(value, Number)
