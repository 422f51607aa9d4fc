"""Members that a simulated device sends for a column whose value is made of several members."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from telemetry.contract.model import Column, Source

__all__ = ["composed_members", "is_composed"]

MEMBERS = ("message", "reading")


def is_composed(column: Column) -> bool:
    """True if members beside one of its own make a column's value."""
    made = any(source.scope == "template" for source in column.sources)
    return made or column.plus is not None or column.unit_member is not None


def composed_members(column: Column, value: Any) -> Iterator[tuple[Source, Any]]:
    """Members beside that of the value itself, or in place of it, and what they hold.

    A text made of several is taken apart again; a time is not counted on, and the first unit is
    the one that is sent.
    """
    template = next((s for s in column.sources if s.scope == "template"), None)
    if template is not None and not any(s.scope in MEMBERS for s in column.sources):
        shape = "".join(re.escape(p) if isinstance(p, str) else "(.+?)" for p in template.pieces)
        found = re.fullmatch(shape, str(value), re.DOTALL)
        pieces = [piece for piece in template.pieces if isinstance(piece, Source)]
        for piece, text in zip(pieces, found.groups() if found else (), strict=False):
            if piece.scope in MEMBERS:
                yield piece, text
    if column.plus is not None:
        yield from _first(column.plus.sources, 0)
        if isinstance(column.plus.every, tuple):
            yield from _first(column.plus.every, 1)
    if column.unit_member is not None:
        yield from _first(column.unit_member.sources, column.unit_member.units[0][1][-1])


def _first(sources: tuple[Source, ...], value: Any) -> Iterator[tuple[Source, Any]]:
    yield from ((source, value) for source in sources[:1] if source.scope in MEMBERS)
