"""Parts of texts, for columns: ``[parts.<name>]`` of a contract, and the sources made of them.

::

    [parts.position]                               [parts.frame]
    from = "latlng"                                from = "d"
    pattern = '(?P<lat>[^,]+),(?P<lng>[^,]+)'      split = ";"

    $parts.position.lat                            $parts.frame[1]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from telemetry.contract.model import Source, TextParts
from telemetry.contract.reader import Reader
from telemetry.contract.regular_expressions import group_names, pattern_fault
from telemetry.contract.sources import SourceSyntaxError, parse_source

__all__ = ["PARTS_KEYS", "WITHIN", "read_parts", "read_sources", "with_parts"]

PARTS_KEYS = ("from", "pattern", "split", "missing")
WITHIN = ("reading", "parent", "message", "envelope", "place", "index")
"""Scopes of sources that a text may be made of, or have parts of."""


def read_parts(reader: Reader, tables: dict[str, Any]) -> dict[str, TextParts]:
    """The parts of texts by name; what is wrong with one is noted, and it is left out."""
    found = {}
    for name, table in reader.take(tables, "", "parts", dict, {}).items():
        where = f"parts.{name}."
        if not isinstance(table, dict):
            reader.note(f"parts.{name}", f"{table!r} is not valid here; write [parts.{name}]")
            continue
        before = len(reader.problems)
        parts = _parts(reader, where, name, table)
        if len(reader.problems) == before:
            found[name] = parts
    return found


def _parts(reader: Reader, where: str, name: str, table: dict[str, Any]) -> TextParts:
    reader.only(table, where, PARTS_KEYS)
    pattern = reader.take(table, where, "pattern", str, "") if "pattern" in table else None
    split = reader.take(table, where, "split", str, "")
    if ("pattern" in table) == ("split" in table):
        reader.note(f"{where}pattern", "needs either pattern or split; write one of them")
    elif pattern is None and (not split or "\0" in split):
        reader.note(f"{where}split", "needs a text between the parts, such as ';'")
    elif pattern is not None:
        if fault := pattern_fault(pattern):
            reader.note(f"{where}pattern", fault)
        elif not group_names(pattern):
            reader.note(f"{where}pattern", "has no named group; write one such as '(?P<lat>.+)'")
    missing = reader.texts(table, where, "missing") if table.get("missing") else []
    return TextParts(
        name=name,
        sources=tuple(
            _sources(reader, f"{where}from", reader.texts(table, where, "from") or [name])
        ),
        pattern=pattern,
        split=split or None,
        missing=tuple(missing) if "missing" in table else ("",),
    )


def _sources(reader: Reader, key: str, texts: list[str]) -> list[Source]:
    sources = []
    for text, source in read_sources(reader, key, texts):
        if source.scope not in WITHIN or source.path == ("received_at",):
            reader.note(key, f"{text!r} can't have parts; use a member or a part of the envelope")
        sources.append(source)
    return sources


def read_sources(
    reader: Reader, key: str, texts: Iterable[str], parts: Mapping[str, TextParts] | None = None
) -> Iterator[tuple[str, Source]]:
    """Each text that is a source, and the source; one that isn't is noted.

    Sources are given their ``parts``, where there may be some.
    """
    for text in texts:
        try:
            source = parse_source(text, reader.topic_places)
            yield text, source if parts is None else with_parts(source, parts)
        except SourceSyntaxError as error:
            reader.note(key, str(error))


def with_parts(source: Source, parts: Mapping[str, TextParts]) -> Source:
    """The source, with the text that it is a part of.

    Raises :class:`SourceSyntaxError` where there is no such part.
    """
    if source.pieces:
        pieces = (p if isinstance(p, str) else with_parts(p, parts) for p in source.pieces)
        return replace(source, pieces=tuple(pieces))
    if source.scope != "part":
        return source
    name, *steps = source.path
    of = parts.get(str(name))
    if of is None:
        raise SourceSyntaxError(f"$parts.{name} is not known; add [parts.{name}]")
    groups = () if of.pattern is None else group_names(of.pattern)
    if len(steps) != 1 or (isinstance(steps[0], str) and steps[0] not in groups):
        names = ", ".join(f"$parts.{name}.{group}" for group in groups) or f"$parts.{name}[0]"
        raise SourceSyntaxError(f"$parts.{name} has no such part; use {names}")
    if of.pattern is not None and isinstance(steps[0], int):
        raise SourceSyntaxError(f"$parts.{name} has named parts; use $parts.{name}.{groups[0]}")
    return replace(source, parts=of)
