"""Parts of messages that a contract can't express: said plainly, never lost in silence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from etl.authoring.draft import ColumnDraft, ContractDraft
from etl.authoring.members import Members
from etl.authoring.names import is_gateway, is_time, words
from etl.authoring.times import looks_like_time

__all__ = ["problems_of"]

NAMES = {"name", "n", "key", "metric", "id", "label"}
EXAMPLES = 20
"""Values of a member that are looked at."""


def problems_of(found: ContractDraft, members: Members) -> list[str]:
    """Sentences on times that the messages have and the key does not, and on nested readings."""
    problems = []
    key = [draft for draft in found.columns if draft.name in found.key]
    timed = any(draft.type == "timestamp" and draft.places for draft in key)
    for draft in found.columns:
        nested = draft.type == "jsonb" and draft.places and not is_gateway(draft.label)
        where = _time_inside(draft, members) if nested else ""
        if where and (not timed or _are_side_by_side(found, members)):
            problems.append(_nested(draft, where))
    if timed:
        return problems
    problems += [
        f"{draft.name}: {draft.problem}; the key has the time of arrival instead"
        for draft in found.columns
        if draft.problem
    ]
    problems += _dates_in_parts(found)
    if not problems:
        problems += _times_among_values(found, members)
    return problems


def _nested(draft: ColumnDraft, where: str) -> str:
    return (
        f"{draft.name}: it has readings of its own ({where}), at a place that a contract can't "
        "unnest yet; each row keeps them whole, as JSON"
    )


def _time_inside(draft: ColumnDraft, members: Members) -> str:
    """Where in the arrays of a member there are times; empty where there are none."""
    texts = [v.text for place in draft.places for v in members.values[place] if v.kind == "array"]
    for text in texts[:EXAMPLES]:
        try:
            value = json.loads(text, parse_int=str, parse_float=str)
        except (ValueError, RecursionError):
            continue
        if is_time(draft.label) and _plain(value) and looks_like_time(map(str, value)):
            return f"times in {draft.label[-1]}"
        for path, found in _members(value, ()):
            if is_time(path) and isinstance(found, str) and looks_like_time([found]):
                return f"times in {'.'.join(path)}"
    return ""


def _plain(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _members(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The members of objects in arrays, at any depth."""
    if isinstance(value, list):
        for item in value[:EXAMPLES]:
            yield from _members(item, path)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, dict | list):
                yield from _members(inner, (*path, name))
            else:
                yield (*path, name), inner


def _are_side_by_side(found: ContractDraft, members: Members) -> bool:
    """True for arrays of plain values of which one has times: each position is a reading."""
    arrays: Iterable[ColumnDraft] = (d for d in found.columns if d.type == "jsonb" and d.places)
    return any(
        is_time(draft.label) and _time_inside(draft, members).startswith("times in")
        for draft in arrays
    )


def _dates_in_parts(found: ContractDraft) -> list[str]:
    parts = {word for draft in found.columns for word in words(draft.label[-1])}
    if {"year", "month", "day"} <= parts:
        return ["year, month, day: a time in several members can't be put together yet"]
    return []


def _times_among_values(found: ContractDraft, members: Members) -> list[str]:
    """Times that are values of pairs of name and value."""
    for draft in found.columns:
        if draft.type != "text" or not draft.places or len(draft.label) > 2:
            continue
        names = {v.text for place in draft.places for v in members.values[place]}
        named = [name for name in names if len(name) < 40 and name and is_time((name,))]
        if named and set(words(draft.label[-1])[-1:]) & NAMES:
            return [
                f"{draft.name}: the value named {min(named)!r} is probably the time of the others, "
                "which a contract can't use yet"
            ]
    return []
