"""Members of sample messages that no column reads: what a contract leaves behind in S3."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from etl.authoring.decoding import decoded_messages
from etl.authoring.members import ARRIVED, parsed_messages
from etl.authoring.message_shape import MAX_DEPTH
from etl.authoring.paths import source_text
from etl.authoring.samples import Message
from functions.transform.careful import holds
from functions.transform.formats.payload_decoder import is_decoded
from functions.transform.inflation import InflationError, inflate
from functions.transform.jsontext import json_text
from functions.transform.member_patterns import MEMBERS
from functions.transform.parts import Number, member
from functions.transform.shapes import Unpacker
from telemetry.contract import Condition, Contract, Source
from telemetry.contract.composed import all_sources
from telemetry.contract.model import MemberPath

__all__ = ["UnreadMember", "unread_members"]

EXAMPLE_CHARACTERS = 60
"""Length to which an example is cut."""
Path = MemberPath


@dataclass(frozen=True)
class UnreadMember:
    """A member with values that no column, key, time, constant or condition reads."""

    name: str
    """The member in the syntax of ``from``."""
    messages: int
    """Messages that have a value there."""
    example: str
    """The first value as JSON, on one line, cut to :data:`EXAMPLE_CHARACTERS`."""


def unread_members(contract: Contract, messages: Sequence[Message]) -> list[UnreadMember]:
    """Members of the messages with readings that nothing reads, most frequent first."""
    reads = _Reads(contract)
    counts: dict[Source, int] = {}
    examples: dict[Source, Any] = {}
    if contract.compression is not None:
        messages = [replace(message, payload=_inflated(message.payload)) for message in messages]
    if is_decoded(contract):
        messages = decoded_messages(messages, contract)
    for message, document in zip(messages, parsed_messages(messages), strict=True):
        if document is None or _set_aside(contract, message, document):
            continue
        found: dict[Source, Any] = {}
        for place, value in reads.unread(document, message.received_at or ARRIVED):
            found.setdefault(place, value)
        for place, value in found.items():
            counts[place] = counts.get(place, 0) + 1
            examples.setdefault(place, value)
    return [
        UnreadMember(source_text(source), count, _example(examples[source]))
        for source, count in sorted(counts.items(), key=lambda item: -item[1])
    ]


def _inflated(payload: bytes) -> bytes:
    try:
        return inflate(payload)
    except InflationError:
        return payload  # which is a reject


def _set_aside(contract: Contract, message: Message, document: Any) -> bool:
    """True for a message without readings by the contract's ``only``."""
    return not all(_holds(condition, message, document) for condition in contract.only)


def _holds(condition: Condition, message: Message, document: Any) -> bool:
    if condition.source.scope == "message":
        return holds(condition, document)
    name, *level = condition.source.path
    text = {"topic": message.topic, "client_id": message.client_id}.get(str(name))
    if text is None:
        return True  # made up for the check, so that nothing is known about it
    if level:
        levels, at = text.split("/"), int(level[0])
        text = levels[at] if -len(levels) <= at < len(levels) else None
    alone = replace(condition, source=Source("message", ("value",)))
    return holds(alone, {"value": text})


class _Reads:
    """The paths that a contract reads, compared with the members of messages."""

    def __init__(self, contract: Contract) -> None:
        # Melted, a reading would be looked at once for each of its metrics.
        self._unpacker = Unpacker(replace(contract, melt=None))
        self._contract = contract
        self._readings, self._parents = contract.readings, contract.parents
        sources = all_sources(contract)
        self._rest = any(source.scope == "rest" for source in sources)
        self._numbers = contract.melt == "numbers"
        sources += [condition.source for condition in contract.only]
        self._paths = {s.path for s in sources if s.scope in MEMBERS}
        if isinstance(contract.melt, tuple):
            self._paths |= {metric.path for metric in contract.melt}
        self._taken = {
            path[: at + 1]
            for path in self._paths
            for at in range(len(path))
            if type(path[at]) is int
        }
        """Elements of arrays that are taken, or of which members are."""
        self._arrays = {path[:-1] for path in self._taken}
        self._known: dict[Path, bool] = {}

    def unread(self, document: Any, arrived: int) -> Iterator[tuple[Source, Any]]:
        """Sources of the values in one message that are not read, and the values."""
        parts = self._unpacker.parts(document, arrived)
        if isinstance(parts, str) or isinstance(parts[0].holder if parts else None, list):
            return  # a reject, all of it
        alone = len(parts) == 1 and parts[0].holder is document
        array = self._readings if self._parents is None else self._parents
        if isinstance(document, dict) and not alone:
            yield from self._beside("message", document, array)
        yield from self._within_lists(document)
        parents = {id(part.parent): part for part in parts if isinstance(part.parent, dict)}
        for part in parents.values():
            if part.holder is not part.parent:
                yield from self._beside("parent", part.parent, self._readings)
        if self._rest:
            return
        for part in parts:
            for path, value in self._leaves(part.holder, ()):
                melted = self._numbers and len(path) == 1 and isinstance(value, Number)
                if not melted and not self._is_read(path, value):
                    yield Source("reading", path), value

    def _within_lists(self, document: Any) -> Iterator[tuple[Source, Any]]:
        """Values at the readings that are in none of them: see the two shapes."""
        array = self._contract.readings or ()
        holders: list[tuple[Literal["message", "parent"], Any]] = [("message", document)]
        if self._contract.parents is not None:
            parents = member(document, self._contract.parents)
            holders = [("parent", one) for one in parents] if isinstance(parents, list) else []
        for scope, holder in holders:
            found = member(holder, array)
            if self._contract.shape == "parallel" and isinstance(found, dict):
                yield from self._other_arrays(scope, found, array)
            if self._contract.pairs is not None and isinstance(found, list):
                yield from self._beside_pairs(scope, found, array)

    def _other_arrays(
        self, scope: Literal["message", "parent"], found: dict[str, Any], array: Path
    ) -> Iterator[tuple[Source, Any]]:
        """Arrays beside those that columns read, and other values there."""
        for path, value in self._leaves(found, ()):
            if isinstance(value, list) and len(path) == 1:
                if not self._is_read(path, value):
                    yield Source("reading", path), value
            elif not self._is_read((*array, *path), value):
                yield Source(scope, (*array, *path)), value

    def _beside_pairs(
        self, scope: Literal["message", "parent"], found: list[Any], array: Path
    ) -> Iterator[tuple[Source, Any]]:
        """Members of a pair beside its name and its value."""
        pairs = self._contract.pairs
        if pairs is None or pairs.value is None:
            return  # whose value has them all
        known = [pairs.name, pairs.value, *((name,) for name in pairs.by)]
        seen = set()
        for at, item in enumerate(found):
            for path, value in self._leaves(item, ()) if isinstance(item, dict) else ():
                if path not in seen and not any(path[: len(one)] == one for one in known):
                    seen.add(path)
                    yield Source(scope, (*array, at, *path)), value

    def _beside(
        self, scope: Literal["message", "parent"], holder: dict[str, Any], array: Path | None
    ) -> Iterator[tuple[Source, Any]]:
        """Sources of values beside the array of the readings that are not read."""
        for path, value in self._leaves(holder, ()):
            beside = array is None or path[: len(array)] != array
            if beside and not self._is_read(path, value):
                yield Source(scope, path), value

    def _is_read(self, path: Path, value: Any) -> bool:
        """True where the member or one around it is read, or one inside an object."""
        known = self._known.get(path)
        if known is None:
            known = any(path[: len(read)] == read for read in self._paths)
            self._known[path] = known
        if known or not isinstance(value, dict):
            return known
        return any(read[: len(path)] == path for read in self._paths)

    def _leaves(self, holder: dict[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
        """Members with values, at any depth up to :data:`MAX_DEPTH`."""
        for name, value in holder.items():
            here = (*path, name)
            if isinstance(value, dict) and len(here) < MAX_DEPTH:
                yield from self._leaves(value, here)
            elif isinstance(value, list) and here in self._arrays:
                yield from self._elements(value, here)
            elif value not in (None, ""):
                yield here, value

    def _elements(self, array: list[Any], path: Path) -> Iterator[tuple[Path, Any]]:
        """Elements that are taken, or members of them, and the first one that isn't."""
        others = []
        for index, value in enumerate(array):
            places = {(*path, index), (*path, index - len(array))} & self._taken
            for here in places:
                if isinstance(value, dict):
                    yield from self._leaves(value, here)
                elif value not in (None, ""):
                    yield here, value
            if not places and value not in (None, ""):
                others.append(((*path, index), value))
        yield from others[:1]


def _example(value: Any) -> str:
    if isinstance(value, str) and not isinstance(value, Number):
        text: Any = json.dumps(value, ensure_ascii=False)
    else:
        text = json_text(value)
    text = text if isinstance(text, str) else repr(value)
    return text if len(text) <= EXAMPLE_CHARACTERS else f"{text[:EXAMPLE_CHARACTERS]}..."
