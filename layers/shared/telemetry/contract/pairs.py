"""Pairs of name and value that are objects: ``[message] pairs``."""

from __future__ import annotations

from typing import Any

from telemetry.contract.model import MemberPath, PairMembers, Shape
from telemetry.contract.reader import Reader
from telemetry.contract.sources import SourceSyntaxError, parse_path

__all__ = ["read_pairs"]

KEYS = ("name", "value", "by")
WHERE = "message.pairs."


def read_pairs(reader: Reader, table: dict[str, Any], shape: Shape) -> PairMembers | None:
    """The members of a pair that ``[message]`` gives; ``None`` where pairs are arrays of two."""
    if "pairs" not in table:
        return None
    if shape != "pairs":
        reader.note("message.pairs", "is for shape = 'pairs'")
    pairs = reader.take(table, "message.", "pairs", dict, {})
    reader.only(pairs, WHERE, KEYS)
    name = _path(reader, "name", reader.require(pairs, WHERE, "name"))
    value = None
    if "value" in pairs:
        value = _path(reader, "value", reader.take(pairs, WHERE, "value", str, ""))
    by = [_path(reader, "by", text) for text in reader.texts(pairs, WHERE, "by")]
    for path in by:
        if path is not None and len(path) > 1:
            reader.note(f"{WHERE}by", f"{'.'.join(map(str, path))!r} is a path; name a member")
    names = [path[0] for path in by if path]
    if len(set(names)) < len(names):
        reader.note(f"{WHERE}by", "names a member twice; name each once")
    return PairMembers(name or (), value, tuple(str(name) for name in names))


def _path(reader: Reader, key: str, text: str) -> MemberPath | None:
    try:
        return parse_path(text) if text else None
    except SourceSyntaxError as error:
        reader.note(f"{WHERE}{key}", str(error))
        return None
