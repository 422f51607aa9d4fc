"""Pairs of name and value: arrays of two, or objects, of which several are a reading together."""

from __future__ import annotations

from typing import Any

from functions.transform.parts import is_text, member
from telemetry.contract.model import PairMembers

__all__ = ["groups_of_pairs", "is_pair", "named_value"]


def is_pair(item: Any) -> bool:
    """True for an array of a name and a value."""
    return isinstance(item, list) and len(item) == 2 and is_text(item[0])


def groups_of_pairs(pairs: PairMembers, found: list[Any]) -> list[list[int]]:
    """Places of the objects that make a reading together, by the order of their first ones.

    One that isn't an object, or has none to compare, is alone.
    """
    if not pairs.by:
        return [list(range(len(found)))] if found else []
    groups: dict[Any, list[int]] = {}
    for at, item in enumerate(found):
        key = _key_of_pair(pairs, item)
        groups.setdefault(at if key is None else key, []).append(at)
    return list(groups.values())


def _key_of_pair(pairs: PairMembers, item: Any) -> tuple[str | None, ...] | None:
    """The values by which a pair is put to others, as they are spelled; ``None`` for none."""
    if not isinstance(item, dict):
        return None
    values = [item.get(name) for name in pairs.by]
    if any(isinstance(value, dict | list) for value in values):
        return None
    return tuple(None if value is None else _spelled(value) for value in values)


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def named_value(pairs: PairMembers, item: Any) -> tuple[str, Any] | None:
    """Name and value of an object; ``None`` where it is not a pair."""
    if not isinstance(item, dict) or _key_of_pair(pairs, item) is None:
        return None
    name = member(item, pairs.name)
    if not is_text(name):
        return None
    if pairs.value is not None:
        return name, member(item, pairs.value)
    apart = {pairs.name[0], *pairs.by}
    return name, {key: value for key, value in item.items() if key not in apart}
