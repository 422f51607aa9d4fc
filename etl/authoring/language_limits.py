"""Parts of messages that a contract can't express: said plainly, never lost in silence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from etl.authoring.draft import ColumnDraft, ContractDraft
from etl.authoring.members import Members
from etl.authoring.message_shape import READINGS
from etl.authoring.names import counts_or_codes, identifies, is_gateway, is_time, words
from etl.authoring.time_patterns import is_epoch
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
        where = _readings_inside(draft, members) if nested else ""
        if where:
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
        f"{draft.name}: it has readings of its own ({where}), at a place that was not unnested; "
        "each row keeps them whole, as JSON"
    )


def _readings_inside(draft: ColumnDraft, members: Members) -> str:
    """The evidence that the arrays of a member are readings; empty where there is none."""
    texts = [v.text for place in draft.places for v in members.values[place] if v.kind == "array"]
    for text in texts[:EXAMPLES]:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        plain = len(value) > 1 and not any(isinstance(v, dict | list) for v in value)
        if plain and is_time(draft.label) and looks_like_time(map(str, value)):
            return f"times in {draft.label[-1]}"
        numbers = plain and all(type(v) in (int, float) for v in value)
        if numbers and READINGS & set(words(draft.label[-1])):
            return f"several numbers in {draft.label[-1]}"
        inside = list(_members(value, ()))
        measured = any(_measures(path, v) for path, v in inside)
        for path, found in inside:
            if measured and is_time(path) and looks_like_time([str(found)]):
                return f"times in {'.'.join((draft.label[-1], *path))}"
    return ""


def _measures(path: tuple[str, ...], value: Any) -> bool:
    if type(value) not in (int, float) or counts_or_codes(path) or identifies(path):
        return False
    return not (is_time(path) and is_epoch(value))


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


def _dates_in_parts(found: ContractDraft) -> list[str]:
    parts = {word for draft in found.columns for word in words(draft.label[-1])}
    if {"year", "month", "day"} <= parts:
        return [
            "year, month, day: a time in several members is not put together by itself; write "
            "from = '{year}-{month}-{day}' and formats = ['%Y-%m-%d']"
        ]
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
                f"{draft.name}: the value named {min(named)!r} is probably the time of the others; "
                '`shape = "pairs"` with `pairs` makes columns of such names'
            ]
    return []
