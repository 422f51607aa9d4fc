"""YAML of plain data, for readers that speak YAML alone; nothing of ours needs a library for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["yaml_text"]

BARE_KEY = re.compile(r"[a-z_]{3,}\Z")
TAKEN = ("true", "false", "yes", "off", "null")
"""Words that YAML reads as something else than a text; the shorter ones are quoted as well."""


def yaml_text(value: dict[str, Any]) -> str:
    """The document; texts are quoted, so that none is taken for a number, a time or a no.

    Raises ``TypeError`` for a value that is neither text, number, boolean, list, nor mapping.
    """
    return "".join(f"{line}\n" for line in _mapping(value))


def _mapping(value: dict[str, Any]) -> Iterator[str]:
    for key, item in value.items():
        name = key if BARE_KEY.match(key) and key not in TAKEN else _scalar(key)
        if isinstance(item, dict) and item:
            yield f"{name}:"
            yield from (f"  {line}" for line in _mapping(item))
        elif isinstance(item, list) and item:
            yield f"{name}:"
            yield from (f"  {line}" for line in _items(item))
        else:
            yield f"{name}: {_scalar(item)}"


def _items(values: list[Any]) -> Iterator[str]:
    for value in values:
        lines = list(_mapping(value)) if isinstance(value, dict) and value else [_scalar(value)]
        yield f"- {lines[0]}"
        yield from (f"  {line}" for line in lines[1:])


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return "".join(
            character if character.isprintable() else _code(character) for character in text
        )
    if isinstance(value, float):
        # YAML takes 1e-05 for a text, and 1.0e-05 for a number.
        return re.sub(r"\A(-?\d+)e", r"\1.0e", repr(value))
    if isinstance(value, dict | list) and value:
        raise TypeError(f"{value!r} is not a single value")
    return json.dumps(value)


def _code(character: str) -> str:
    """An escape of eight digits: YAML does not join the pairs that JSON writes."""
    return f"\\U{ord(character):08x}"
