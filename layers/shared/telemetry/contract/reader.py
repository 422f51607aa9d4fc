"""Takes typed values out of TOML tables, and notes what is wrong with them instead of raising."""

from __future__ import annotations

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, cast, get_args

from telemetry.contract.problems import Problem

__all__ = ["Reader", "finite"]

T = TypeVar("T")

_WORDS: dict[type, str] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


def finite(value: Any) -> bool:
    """True if it is neither NaN nor infinite, nor a whole number beyond all doubles."""
    if type(value) is int:
        return abs(value) < 2**1023
    return not isinstance(value, float) or math.isfinite(value)


class Reader:
    """Takes typed values out of TOML tables and notes what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.broken: set[str] = set()
        self.topic_places: Mapping[str, int] = {}
        """Places of the topic's named levels, which sources may name."""

    def note(self, key: str, sentence: str) -> None:
        """Keeps a problem for later."""
        self.problems.append(Problem(key, sentence))

    def take(self, table: dict[str, Any], where: str, key: str, kind: type[T], default: T) -> T:
        """The value of ``key`` if it is of ``kind``, else the default, with a note."""
        if key not in table:
            return default
        value = table[key]
        if kind is float and type(value) is int and finite(value):
            value = float(value)
        if type(value) is kind:
            return value
        self.note(f"{where}{key}", f"{value!r} is not valid here; write {_WORDS[kind]}")
        return default

    def require(self, table: dict[str, Any], where: str, key: str) -> str:
        """The text of ``key``; its absence is noted."""
        if key not in table:
            self.note(f"{where}{key}", "is missing; add it")
        return self.take(table, where, key, str, "")

    def choose(self, table: dict[str, Any], where: str, key: str, of: Any, default: T) -> T:
        """The value of ``key`` if it is one of the words of the ``Literal`` type ``of``."""
        choices = get_args(of)
        value = self.take(table, where, key, str, choices[0])
        if key not in table:
            return default
        if value not in choices:
            wanted = ", ".join(choices)
            self.note(f"{where}{key}", f"{value!r} is not a {key}; use one of {wanted}")
            return default
        return cast("T", value)

    def texts(self, table: dict[str, Any], where: str, key: str) -> list[str]:
        """A list of texts; a single text is a list of one."""
        value = table.get(key, [])
        values = [value] if isinstance(value, str) else value
        if isinstance(values, list) and all(isinstance(item, str) for item in values):
            if key in table and not values:
                self.note(f"{where}{key}", "is empty; name at least one or leave it out")
            return values
        self.note(f"{where}{key}", f"{value!r} is not valid here; write a list of texts")
        return []

    def only(self, table: dict[str, Any], where: str, known: tuple[str, ...]) -> None:
        """Notes the keys that are not among the known ones."""
        for key in table:
            if key not in known:
                close = get_close_matches(key, known, n=1)
                meant = f"did you mean {close[0]}?" if close else f"use one of {', '.join(known)}"
                self.note(f"{where}{key}", f"is not known here; {meant}")
