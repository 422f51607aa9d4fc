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
from itertools import islice
from typing import Any

from functions.transform.extraction_plan import NOT_A_VALUE, ExtractionPlan
from functions.transform.jsontext import json_text, named_members, rest
from functions.transform.pairs import groups_of_pairs
from functions.transform.parts import Number, Part, member
from functions.transform.shapes import Unpacker, parallel_arrays, readings_in
from functions.transform.values import EXACT_BELOW
from telemetry.contract import Condition, Contract
from telemetry.contract.model import MemberPath

__all__ = [
    "SET_ASIDE",
    "CarefulReader",
    "Reading",
    "element_spans",
    "element_texts",
    "holds",
    "parse",
    "reading_texts",
    "value_span",
]

Taker = Callable[[Any], str | None]

MAX_DEPTH = 1024
"""Objects and arrays within each other; a text nested deeper is not accepted as JSON."""
OBJECTS = ("keyed", "parallel")
"""Shapes whose readings are in an object, not in an array."""
SET_ASIDE = "set_aside"
"""Result in place of a reason: the message is of another kind than those with readings."""

_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|([\[{])|([\]}])', re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,38}")
"""Whole numbers of up to as many digits as the bulk decoder compares one by one."""
_BLANK = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a message, as raw texts."""

    index: int | None
    """Its place in the message's array; ``None`` where the message itself is the reading."""
    values: tuple[str | None, ...]
    """Raw texts in the order of the reader's ``names``; none where there is a fault."""
    fault: str | None = None
    """Reason why it isn't a reading."""


class CarefulReader:
    """Reads messages for one plan."""

    def __init__(self, plan: ExtractionPlan) -> None:
        contract = plan.contract
        self._array_alone = contract.parents == () or (
            contract.parents is None and contract.readings == () and contract.shape not in OBJECTS
        )
        self._unpacker = Unpacker(plan.contract)
        self._of_message = _takers(plan, "message")
        self._of_parent = _takers(plan, "parent")
        self._of_reading = (*_takers(plan, "reading"), *_takers(plan, "rest"))
        self._of_place = tuple(str(name) for (name,) in plan.of_scope("place").values())
        self._conditions = plan.conditions("message")
        self.names = plan.names

    def read(self, text: str, arrived: int | None = None) -> str | list[Reading]:
        """The readings of a message, or the reason why it has none, or :data:`SET_ASIDE`.

        ``arrived`` is when the message came, in epoch milliseconds.
        """
        try:
            message = parse(text)
        except ValueError:
            return "not_json"
        if not isinstance(message, (dict, list) if self._array_alone else dict):
            return "not_an_object"
        if not all(holds(condition, message) for condition in self._conditions):
            return SET_ASIDE
        found = self._unpacker.parts(message, arrived)
        if isinstance(found, str):
            return found
        outer = self._values(message, self._of_message)
        return [self._reading(part, outer) for part in found]

    def _reading(self, part: Part, outer: tuple[str | None, ...]) -> Reading:
        if part.fault is not None:
            return Reading(part.index, (), part.fault)
        parent = self._values(part.parent, self._of_parent)
        inner = self._values(part.holder, self._of_reading)
        places = tuple(_raw_text(part.places.get(name)) for name in self._of_place)
        return Reading(part.index, (*outer, *parent, *inner, *places))

    def _values(self, holder: Any, takers: Sequence[Taker]) -> tuple[str | None, ...]:
        return tuple(take(holder) for take in takers)


def _takers(plan: ExtractionPlan, scope: str) -> tuple[Taker, ...]:
    """Functions that take the raw texts of a scope's sources out of a reading or message."""
    as_json = plan.as_json
    named = named_members(plan.contract)

    def taker(place: str, path: MemberPath) -> Taker:
        if scope == "rest":
            return lambda holder: json_text(rest(holder, named) or None)
        text = json_text if place in as_json else _raw_text
        return lambda holder: text(member(holder, path))

    return tuple(taker(place, path) for place, path in plan.of_scope(scope).items())


def holds(condition: Condition, message: Any) -> bool:
    """True if a message matches a condition on one of its members."""
    value = member(message, condition.source.path)
    if condition.present is not None:
        return (value is not None) == condition.present
    text = _raw_text(value)
    return text is not None and any(_is_same(text, wanted) for wanted in condition.values)


def _is_same(text: str, wanted: str | float | bool) -> bool:
    if isinstance(wanted, bool):
        return text == ("true" if wanted else "false")
    if isinstance(wanted, str):
        return text == wanted
    number = text.strip(" \t\r\n")
    if _NUMBER.fullmatch(number) is None:
        return False
    if type(wanted) is int and abs(wanted) >= EXACT_BELOW and _WHOLE.fullmatch(number):
        return int(number) == wanted  # as is_one_of compares them in bulk
    return float(number) == float(wanted)


def parse(text: str) -> Any:
    """A JSON text exactly by RFC 8259; numbers stay texts, the first of equal names counts.

    Raises ``ValueError`` where it isn't JSON, or is nested deeper than :data:`MAX_DEPTH`.
    """
    if text.count("{") + text.count("[") <= 100:  # can't be deep, and the default limits do
        return _decoder.decode(text)
    if _depth(text) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    with _deep_recursion():
        return _decoder.decode(text)


def reading_texts(text: str, contract: Contract, most: int | None = None) -> list[str]:
    """The readings of a message in its arrays, or the first ones, as they are spelled."""
    if contract.parents is None:
        return _element_texts(text, contract, most)
    found: list[str] = []
    for parent in element_texts(text, contract.parents):
        alone = readings_in(contract, parse(parent)) is None
        found += [parent] if alone else _element_texts(parent, contract, None)
        if most is not None and len(found) >= most:
            break
    return found[:most]


def _element_texts(text: str, contract: Contract, most: int | None) -> list[str]:
    path = contract.readings or ()
    if contract.pairs is not None:
        groups = groups_of_pairs(contract.pairs, member(parse(text), path))
        elements = element_texts(text, path)
        return [f"[{','.join(elements[at] for at in group)}]" for group in groups[:most]]
    if contract.shape != "parallel":
        return element_texts(text, path, most)
    arrays = parallel_arrays(contract, member(parse(text), path)) or {}
    size = min(max(map(len, arrays.values()), default=0), most or sys.maxsize)
    readings = ({n: a[i] for n, a in arrays.items() if i < len(a)} for i in range(size))
    return [json_text(reading) or "" for reading in readings]


def element_texts(text: str, path: MemberPath, most: int | None = None) -> list[str]:
    """The elements of the array or object at ``path``, or the first ones, as they are spelled."""
    return [text[start:end] for start, end in element_spans(text, path, most)]


def element_spans(text: str, path: MemberPath, most: int | None = None) -> list[tuple[int, int]]:
    """Start and end of the elements of the array or object at ``path``, or of the first ones."""
    with _deep_recursion():
        at = _start(text, path)
        return list(islice(_elements(text, at) if text[at] == "[" else _members(text, at), most))


def value_span(text: str, path: MemberPath) -> tuple[int, int]:
    """Start and end of the value at a path, in a text that has one there."""
    with _deep_recursion():
        at = _start(text, path)
        return at, _end(text, at)


def _start(text: str, path: MemberPath) -> int:
    at = _after_blank(text, 0)
    for step in path:
        if isinstance(step, int):
            at = list(_elements(text, at))[step][0]
        else:
            at = _member_start(text, at, step)
    return at


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

_skipper = json.JSONDecoder()
_long_skipper = json.JSONDecoder(parse_int=str)
"""Find where values end, of texts that have been read before; the second one whatever there is."""


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
    """Levels of a text, or just more than are accepted."""
    depth = deepest = 0
    for match in _BRACKETS.finditer(text):
        depth += (match[1] is not None) - (match[2] is not None)
        deepest = max(deepest, depth)
        if deepest > MAX_DEPTH:
            break
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


def _end(text: str, at: int) -> int:
    """End of the value that begins at ``at``."""
    try:
        return _skipper.raw_decode(text, at)[1]
    except ValueError:  # more digits than Python makes an integer of
        return _long_skipper.raw_decode(text, at)[1]


def _after_blank(text: str, at: int) -> int:
    if text[at : at + 1] > " ":
        return at
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _elements(text: str, at: int) -> Iterator[tuple[int, int]]:
    """Start and end of each element of the array that opens at ``at``."""
    at = _after_blank(text, at + 1)
    while text[at] != "]":
        end = _end(text, at)
        yield at, end
        at = _after_blank(text, end)
        at = _after_blank(text, at + 1) if text[at] == "," else at


def _members(text: str, at: int) -> list[tuple[int, int]]:
    """Start and end of the values of the object that opens at ``at``, the first of each name."""
    found: dict[str, tuple[int, int]] = {}
    at = _after_blank(text, at + 1)
    while text[at] != "}":
        name, at = _skipper.raw_decode(text, at)
        start = _after_blank(text, _after_blank(text, at) + 1)
        end = _end(text, start)
        found.setdefault(name, (start, end))
        at = _after_blank(text, end)
        at = _after_blank(text, at + 1) if text[at] == "," else at
    return list(found.values())


def _member_start(text: str, at: int, name: str) -> int:
    """Start of the value of the first member of that name, in the object that opens at ``at``."""
    at = _after_blank(text, at + 1)
    while True:
        found, at = _skipper.raw_decode(text, at)
        at = _after_blank(text, _after_blank(text, at) + 1)
        if found == name:
            return at
        at = _after_blank(text, _after_blank(text, _end(text, at)) + 1)
