"""The careful reader: one message at a time, in plain Python, for what the bulk decoder can't take.

It is the definition of how a message is read; :mod:`bulk` is a faster way to the same result.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from functions.transform.jsontext import Number, json_text, named_members, rest
from functions.transform.plan import NOT_A_VALUE, Plan

__all__ = ["CarefulReader", "Reading", "element_texts"]

Taker = Callable[[dict[str, Any]], str | None]

MAX_DEPTH = 1024
"""Objects and arrays within each other; a text nested deeper is not accepted as JSON."""

_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|([\[{])|([\]}])', re.DOTALL)
_BLANK = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True)
class Reading:
    """One reading of a message, taken apart but not yet cleaned."""

    index: int | None
    """Its place in the message's array; ``None`` where the message itself is the reading."""
    values: tuple[str | None, ...] | None
    """Raw texts in the order of the reader's ``names``; ``None`` where it is not an object."""


class CarefulReader:
    """Reads messages for one plan."""

    def __init__(self, plan: Plan) -> None:
        self._array = plan.contract.readings
        self._of_message = _takers(plan, "message")
        self._of_reading = (*_takers(plan, "reading"), *_takers(plan, "rest"))
        self.names = (*plan.of_scope("message"), *plan.of_scope("reading"), *plan.of_scope("rest"))

    def read(self, text: str) -> str | list[Reading]:
        """The readings of a message, or the reason why it has none."""
        try:
            message = parse(text)
        except ValueError:
            return "not_json"
        if not isinstance(message, dict):
            return "not_an_object"
        elements = None if self._array is None else member(message, self._array)
        outer = self._values(message, self._of_message)
        if elements is None:
            return [Reading(None, (*outer, *self._values(message, self._of_reading)))]
        if not isinstance(elements, list):
            return "not_an_array"
        return [
            Reading(
                index,
                (*outer, *self._values(element, self._of_reading))
                if isinstance(element, dict)
                else None,
            )
            for index, element in enumerate(elements)
        ]

    def _values(self, holder: dict[str, Any], takers: Sequence[Taker]) -> tuple[str | None, ...]:
        return tuple(take(holder) for take in takers)


def _takers(plan: Plan, scope: str) -> tuple[Taker, ...]:
    """What takes the raw text of each of a scope's sources out of a reading or message."""
    as_json = plan.as_json
    named = named_members(plan.contract)

    def taker(place: str, path: tuple[str, ...]) -> Taker:
        if scope == "rest":
            return lambda holder: json_text(rest(holder, named) or None)
        text = json_text if place in as_json else _raw_text
        return lambda holder: text(member(holder, path))

    return tuple(taker(place, path) for place, path in plan.of_scope(scope).items())


def parse(text: str) -> Any:
    """A JSON text by RFC 8259, to the letter; numbers stay texts, the first of equal names counts.

    Raises ``ValueError`` where it isn't JSON, or is nested deeper than :data:`MAX_DEPTH`.
    """
    if text.count("{") + text.count("[") <= 100:  # can't be deep, and the default limits do
        return _decoder.decode(text)
    if _depth(text) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    with _deep_recursion():
        return _decoder.decode(text)


def member(holder: Any, path: tuple[str, ...]) -> Any:
    """The value at a path; ``None`` where a step is absent, null or not an object."""
    for name in path:
        if not isinstance(holder, dict):
            return None
        holder = holder.get(name)
    return holder


def element_texts(text: str, path: tuple[str, ...]) -> list[str]:
    """The elements of the array at ``path``, each as it is spelled in the message's JSON text."""
    with _deep_recursion():
        at = _after_blank(text, 0)
        for name in path:
            at = _member_start(text, at, name)
        return [text[start:end] for start, end in _elements(text, at)]


def _first_counts(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        members = {}
        for name, value in pairs:
            members.setdefault(name, value)
    return members


def _refuse(token: str) -> Any:
    raise ValueError(f"{token} is not JSON")


_decoder = json.JSONDecoder(
    object_pairs_hook=_first_counts, parse_int=Number, parse_float=Number, parse_constant=_refuse
)


def _raw_text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return NOT_A_VALUE
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair stands for no character
        return NOT_A_VALUE
    return value


def _depth(text: str) -> int:
    depth = deepest = 0
    for match in _BRACKETS.finditer(text):
        depth += (match[1] is not None) - (match[2] is not None)
        deepest = max(deepest, depth)
    return deepest


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Room for :data:`MAX_DEPTH` levels on top of however deep the caller is."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + 4 * MAX_DEPTH)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _after_blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _elements(text: str, at: int) -> Iterator[tuple[int, int]]:
    """Start and end of each element of the array that opens at ``at``."""
    at = _after_blank(text, at + 1)
    while text[at] != "]":
        _, end = _decoder.raw_decode(text, at)
        yield at, end
        at = _after_blank(text, end)
        at = _after_blank(text, at + 1) if text[at] == "," else at


def _member_start(text: str, at: int, name: str) -> int:
    """Start of the value of the first member of that name, in the object that opens at ``at``."""
    at = _after_blank(text, at + 1)
    while True:
        found, at = _decoder.raw_decode(text, at)
        at = _after_blank(text, _after_blank(text, at) + 1)
        if found == name:
            return at
        _, at = _decoder.raw_decode(text, at)
        at = _after_blank(text, _after_blank(text, at) + 1)
