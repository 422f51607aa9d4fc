"""What is in sample messages: the readings, flattened, and every value of every member.

A place is where a value is found: ``("reading", path)`` or ``("message", path)``, as in the
contract's sources. A message without the array of readings is a reading itself, as Transform has
it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from workflow.contracts.paths import written_path
from workflow.contracts.samples import RUN, Message

__all__ = ["Kind", "Members", "Place", "Value", "gather"]

MAX_READINGS = 100_000
"""Readings looked at; of longer samples every n-th run of messages counts."""
MAX_DEPTH = 6
"""Objects within each other that are flattened."""
MAX_PLACES = 2_000
ARRAY_SHARE = 0.3
"""Share of the messages that must have an array of objects for it to be the readings."""

Kind = Literal["number", "text", "boolean", "null", "object", "array"]
Scope = Literal["reading", "message"]


class Place(NamedTuple):
    """Where a value is found."""

    scope: Scope
    path: tuple[str, ...]


class Value(NamedTuple):
    """One value: its kind in JSON, and its text as Transform gets it."""

    kind: Kind
    text: str


class _Number(str):
    """A number as the message spells it."""

    __slots__ = ()


Reading = dict[Place, Value]


@dataclass
class Members:
    """The sample, taken apart."""

    array: tuple[str, ...] | None = None
    """Path of the array of readings."""
    readings: list[Reading] = field(default_factory=list)
    messages: int = 0
    broken: int = 0
    """Messages that aren't JSON objects, and elements of the array that aren't objects."""
    too_many: int = 0
    """Values at places beyond the :data:`MAX_PLACES` that are followed."""
    values: dict[Place, Counter[Value]] = field(default_factory=dict)
    """Place to how often each value occurs there, in the order of first sight."""


def gather(
    messages: Sequence[Message],
    array: tuple[str, ...] | None = None,
    *,
    look_for_array: bool = True,
) -> Members:
    """Takes messages apart. Broken ones are counted, whatever is wrong with them.

    ``array`` is the path of the readings; without it, an array of objects is looked for.
    """
    members = Members(messages=len(messages))
    documents = []
    for message in messages:
        document = _parsed(message.payload)
        if isinstance(document, dict):
            documents.append(document)
        else:
            members.broken += 1
    members.array = array
    if array is None and look_for_array:
        members.array = _array_of_readings(documents)
    total = sum(_size(document, members.array) for document in documents)
    step = max(1, -(-total // MAX_READINGS))
    for number, document in enumerate(documents):
        if number // RUN % step == 0:
            _add(members, document)
    return members


def _parsed(payload: bytes) -> Any:
    """The JSON in a payload, with :class:`_Number` for numbers; ``None`` where it is none."""
    try:
        return _decoder.decode(payload.decode())
    except (ValueError, RecursionError):
        return None


def _refuse(token: str) -> Any:
    raise ValueError(token)


_decoder = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_refuse)


def _array_of_readings(documents: Sequence[dict[str, Any]]) -> tuple[str, ...] | None:
    """The path at which enough messages have an array of objects; the largest of them."""
    having: Counter[tuple[str, ...]] = Counter()
    elements: Counter[tuple[str, ...]] = Counter()
    for document in documents:
        for path, array in _arrays(document, ()):
            having[path] += 1
            elements[path] += len(array)
    enough = [path for path, count in having.items() if count >= ARRAY_SHARE * len(documents)]
    return max(enough, key=lambda path: (elements[path], -len(path)), default=None)


def _arrays(
    holder: dict[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    for name, value in holder.items():
        here = (*path, name)
        if written_path(here) is None:
            continue
        if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
            yield here, value
        elif isinstance(value, dict) and len(here) < MAX_DEPTH:
            yield from _arrays(value, here)


def _at(holder: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        holder = holder.get(name) if isinstance(holder, dict) else None
    return holder


def _size(document: dict[str, Any], array: tuple[str, ...] | None) -> int:
    elements = None if array is None else _at(document, array)
    return len(elements) if isinstance(elements, list) else 1


def _add(members: Members, document: dict[str, Any]) -> None:
    elements = None if members.array is None else _at(document, members.array)
    if elements is None:
        _add_reading(members, dict(_leaves(document, "reading", ())))
        return
    if not isinstance(elements, list):
        members.broken += 1
        return
    around = {
        place: value
        for place, value in _leaves(document, "message", ())
        if place.path != members.array
    }
    for element in elements:
        if isinstance(element, dict):
            _add_reading(members, around | dict(_leaves(element, "reading", ())))
        else:
            members.broken += 1


def _add_reading(members: Members, reading: Reading) -> None:
    for place in list(reading):
        counts = members.values.get(place)
        if counts is None:
            if len(members.values) >= MAX_PLACES:
                members.too_many += 1
                del reading[place]
                continue
            counts = members.values[place] = Counter()
        counts[reading[place]] += 1
    members.readings.append(reading)


def _leaves(
    holder: dict[str, Any], scope: Scope, path: tuple[str, ...]
) -> Iterator[tuple[Place, Value]]:
    for name, value in holder.items():
        here = (*path, name)
        if isinstance(value, dict) and len(here) < MAX_DEPTH:
            yield from _leaves(value, scope, here)
        else:
            yield Place(scope, here), _value(value)


def _value(value: Any) -> Value:
    if value is None:
        return Value("null", "")
    if isinstance(value, bool):
        return Value("boolean", "true" if value else "false")
    if isinstance(value, _Number):
        return Value("number", str(value))
    if isinstance(value, str):
        return Value("text", value)
    return Value("object" if isinstance(value, dict) else "array", "")
