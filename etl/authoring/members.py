"""What is in sample messages: the readings, flattened, and every value of every member.

A place is where a value is found: ``("reading", path)``, ``("message", path)`` or, in an object
keyed by time, ``("place", ("key",))``, as in the contract's sources. A message without the array
of readings is a reading itself, as Transform has it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from etl.authoring.message_shape import MAX_DEPTH, Layout, find_layout
from etl.authoring.samples import RUN, Message
from functions.transform.shapes import Number, Part

__all__ = ["Kind", "Members", "Place", "Value", "gather"]

MAX_READINGS = 100_000
"""Readings looked at; of longer samples every n-th run of messages counts."""
MAX_PLACES = 2_000
ARRIVED = 1_772_366_400_000
"""Epoch milliseconds at which a message arrived whose time of arrival is not known."""

Kind = Literal["number", "text", "boolean", "null", "object", "array"]
Scope = Literal["reading", "message", "place"]


class Place(NamedTuple):
    """Where a value is found."""

    scope: Scope
    path: tuple[str, ...]


class Value(NamedTuple):
    """One value: its kind in JSON, and its text as Transform gets it."""

    kind: Kind
    text: str


Reading = dict[Place, Value]


@dataclass
class Members:
    """The sample, taken apart."""

    layout: Layout = field(default_factory=Layout)
    """Where the readings are."""
    readings: list[Reading] = field(default_factory=list)
    messages: int = 0
    broken: int = 0
    """Messages that aren't JSON objects, and elements of the array that aren't objects."""
    too_many: int = 0
    """Values at places beyond the :data:`MAX_PLACES` that are followed."""
    values: dict[Place, Counter[Value]] = field(default_factory=dict)
    """Place to how often each value occurs there, in the order of first sight."""


def gather(messages: Sequence[Message], layout: Layout | None = None) -> Members:
    """Takes messages apart. Broken ones are counted, whatever is wrong with them.

    Without a ``layout``, the likeliest is found.
    """
    members = Members(messages=len(messages))
    documents: list[tuple[Any, int]] = []
    for message in messages:
        document = _parsed(message.payload)
        if isinstance(document, dict | list):
            documents.append((document, message.received_at or ARRIVED))
        else:
            members.broken += 1
    members.layout = layout or find_layout([document for document, _ in documents])
    total = sum(members.layout.size(document) for document, _ in documents)
    step = max(1, -(-total // MAX_READINGS))
    unpacker = members.layout.unpacker()
    for number, (document, arrived) in enumerate(documents):
        if number // RUN % step == 0:
            _add(members, document, members.layout.parts(unpacker, document, arrived))
    return members


def _parsed(payload: bytes) -> Any:
    """The JSON in a payload, with :class:`Number` for numbers; ``None`` where it is none."""
    try:
        return _decoder.decode(payload.decode())
    except (ValueError, RecursionError):
        return None


def _refuse(token: str) -> Any:
    raise ValueError(token)


_decoder = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_refuse)


def _add(members: Members, document: Any, parts: list[Part]) -> None:
    around: Reading | None = None
    for part in parts:
        if part.fault is not None:
            members.broken += 1
        elif part.index is None and part.holder is document:
            _add_reading(members, dict(_leaves(document, "reading", ())))
        else:
            if around is None:
                around = _around(members.layout, document)
            named = {
                Place("place", (name,)): _value(value)
                for name, value in part.places.items()
                if members.layout.shape == "keyed"
            }
            _add_reading(members, around | named | dict(_leaves(part.holder, "reading", ())))


def _around(layout: Layout, document: Any) -> Reading:
    """What lies beside the readings, and is of all of them."""
    path = layout.path or ()
    own = {(*path, name) for name in layout.apart}
    return {
        place: value
        for place, value in (_leaves(document, "message", ()) if isinstance(document, dict) else ())
        if place.path != layout.header and (place.path in own or place.path[: len(path)] != path)
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
    return Value("object" if isinstance(value, dict) else "array", "")
