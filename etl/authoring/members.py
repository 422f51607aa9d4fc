"""The content of sample messages: flattened readings, and every value of every member.

A place says where a value is found: ``("reading", path)``, ``("message", path)`` or, in an object
keyed by time, ``("place", ("key",))``, as in the contract's sources. A message without an array of
readings is itself one reading, as in Transform.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from etl.authoring.message_shape import MAX_DEPTH, MessageShape, find_shape
from etl.authoring.samples import RUN, Message
from functions.transform.jsontext import json_text
from functions.transform.parts import Number, Part

__all__ = ["Kind", "Members", "Place", "Value", "gather", "parsed_messages"]

MAX_READINGS = 100_000
"""Most readings examined; of a longer sample every n-th run of messages is used."""
MAX_PLACES = 2_000
"""Most places whose values are counted."""
ARRIVED = 1_772_366_400_000
"""Time of arrival in epoch milliseconds, for messages whose own is not known."""

Kind = Literal["number", "text", "boolean", "null", "object", "array"]
Scope = Literal["reading", "parent", "message", "place", "envelope", "index"]


class Place(NamedTuple):
    """The location of a value in a message."""

    scope: Scope
    path: tuple[str, ...]


class Value(NamedTuple):
    """One value: its JSON type, and its text as Transform reads it; of arrays their JSON."""

    kind: Kind
    text: str


Reading = dict[Place, Value]


@dataclass
class Members:
    """The readings and values of a sample."""

    message_shape: MessageShape = field(default_factory=MessageShape)
    """Location and shape of the readings in a message."""
    readings: list[Reading] = field(default_factory=list)
    messages: int = 0
    broken: int = 0
    """Messages that are not JSON objects, and array elements that are not objects."""
    too_many: int = 0
    """Values that are not counted, at places beyond :data:`MAX_PLACES`."""
    origins: list[tuple[int, int]] = field(default_factory=list)
    """The number of each reading's message, and its index in that message."""
    values: dict[Place, Counter[Value]] = field(default_factory=dict)
    """Place to the counts of its values, in the order of their first occurrence."""


def gather(messages: Sequence[Message], shape: MessageShape | None = None) -> Members:
    """Extracts the readings of messages; broken messages are only counted.

    ``shape`` is inferred where it is ``None``.
    """
    members = Members(messages=len(messages))
    documents: list[tuple[Any, int]] = []
    for message in messages:
        document = _parsed(message.payload)
        if isinstance(document, dict | list):
            documents.append((document, message.received_at or ARRIVED))
        else:
            members.broken += 1
    members.message_shape = shape or find_shape([document for document, _ in documents])
    total = sum(members.message_shape.size(document) for document, _ in documents)
    step = max(1, -(-total // MAX_READINGS))
    unpacker = members.message_shape.unpacker()
    for number, (document, arrived) in enumerate(documents):
        if number // RUN % step == 0:
            parts = members.message_shape.parts(unpacker, document, arrived)
            _add(members, number, document, parts)
    return members


def parsed_messages(messages: Sequence[Message]) -> list[Any]:
    """The JSON of messages, ``None`` for those that are not objects or arrays."""
    found = (_parsed(message.payload) for message in messages)
    return [document if isinstance(document, dict | list) else None for document in found]


def _parsed(payload: bytes) -> Any:
    """The JSON in a payload, with :class:`Number` for numbers; ``None`` where it is not JSON."""
    try:
        return _decoder.decode(payload.decode())
    except (ValueError, RecursionError):
        return None


def _refuse(token: str) -> Any:
    raise ValueError(token)


_decoder = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_refuse)


def _add(members: Members, number: int, document: Any, parts: list[Part]) -> None:
    shared: Reading | None = None
    for part in parts:
        if part.fault is not None:
            members.broken += 1
            continue
        members.origins.append((number, part.index or 0))
        if part.index is None and part.holder is document:
            _add_reading(members, dict(_leaves(document, "reading", ())))
        else:
            if shared is None:
                shared = _shared_values(members.message_shape, document)
            named = {
                Place("place", (name,)): _value(value)
                for name, value in part.places.items()
                if members.message_shape.shape == "keyed"
            }
            around = _parent_values(members.message_shape, part)
            _add_reading(
                members, shared | around | named | dict(_leaves(part.holder, "reading", ()))
            )


def _shared_values(shape: MessageShape, document: Any) -> Reading:
    """The values beside the readings, which apply to all of them."""
    if shape.parents is not None:
        return _values_beside(document, "message", shape.parents, ())
    return _values_beside(document, "message", shape.path or (), shape.shared, shape.header)


def _parent_values(shape: MessageShape, part: Part) -> Reading:
    """The values beside the readings in an element of the outer array."""
    if part.parent is None or part.holder is part.parent:
        return {}
    return _values_beside(part.parent, "parent", shape.path or (), shape.shared, shape.header)


def _values_beside(
    holder: Any,
    scope: Scope,
    path: tuple[str, ...],
    shared: tuple[str, ...],
    header: tuple[str, ...] | None = None,
) -> Reading:
    own = {(*path, name) for name in shared}
    return {
        place: value
        for place, value in (_leaves(holder, scope, ()) if isinstance(holder, dict) else ())
        if place.path != header
        and (place.path[: len(path) + 1] in own or place.path[: len(path)] != path)
    }


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
    if isinstance(value, Number):
        return Value("number", str(value))
    if isinstance(value, str):
        return Value("text", value)
    text = json_text(value)
    kind: Kind = "object" if isinstance(value, dict) else "array"
    return Value(kind, text if isinstance(text, str) else repr(value))
