"""The shape of messages: which array or object contains the readings, and in which form.

Readings are extracted by Transform's own :class:`Unpacker`, so that inference and loading can't
differ.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from etl.authoring.names import counts_or_codes, identifies, is_gateway, is_time, words
from etl.authoring.paths import written_path
from etl.authoring.time_patterns import EPOCHS, YEAR_2000, YEAR_2100, is_epoch
from functions.transform.parts import Number, Part, member
from functions.transform.shapes import BASE, SENML_VALUES, Unpacker
from telemetry.contract.model import Column, Contract, Shape, Source

__all__ = ["MAX_DEPTH", "MessageShape", "find_shape", "is_senml_pack"]

MAX_DEPTH = 6
"""Levels of nested objects that are examined."""
SHARE = 0.3
"""Share of the messages that must have readings at a path for it to be chosen."""
NEARLY_ALL = 0.95
MOST_FIELDS = 100
"""Most positions of a row; a longer array is one measurement, such as a spectrum."""
MOST_PARENTS = 5_000
"""Most objects in which it is looked for arrays of readings."""
FIRST = 500
"""Messages in which it is looked for what stands around the readings."""
READINGS = {
    "readings", "reading", "data", "values", "records", "samples", "measurements", "metrics",
    "points", "items", "sensors", "events", "entries", "history", "log", "batch", "rows",
    "series", "observations", "devices", "channels", "payload", "messages", "m", "e",
}  # fmt: skip
"""Words in the names of arrays of readings."""
_SENML = {*BASE, *SENML_VALUES, "bver", "n", "u", "t", "ut"}
SENML_NAMES = {
    "n": "name", "u": "unit", "v": "value", "vs": "text_value", "vb": "boolean_value",
    "vd": "data_value", "s": "sum", "t": "ts", "ut": "update_seconds",
}  # fmt: skip
"""Column names for the labels of RFC 8428."""

Path = tuple[str, ...]


@dataclass(frozen=True)
class MessageShape:
    """Location and form of the readings. Without a path, each message is one reading."""

    path: Path | None = None
    """Path of the readings in a message; the empty path is the payload itself."""
    shape: Shape = "objects"
    fields: tuple[str, ...] = ()
    """Names of the positions in a row."""
    header: Path | None = None
    """Path of those names in the messages, where they have them."""
    shared: tuple[str, ...] = ()
    """Members of a keyed object, or beside arrays side by side, that apply to all readings."""
    arrays: tuple[str, ...] = ()
    """Names of the arrays side by side; that of their times first."""
    plain_values: bool = False
    """True where the members of a keyed object are plain values."""
    base_names: bool = False
    """True where SenML packs have base names: names are then globally unique (RFC 8428, 4.5.1)."""
    parents: Path | None = None
    """Path of the outer array, where there are two levels; the first path is then within it."""
    reasons: dict[str, str] = field(default_factory=dict, compare=False)
    """``shape`` or ``fields`` to the comment beside its line."""

    def unpacker(self) -> Unpacker:
        """Transform's unpacker for messages of this shape."""
        scope: Literal["message", "parent"] = "message" if self.parents is None else "parent"
        around = [Source(scope, (*(self.path or ()), name)) for name in self.shared]
        arrays = [Source("reading", (name,)) for name in self.arrays]
        value = [Source("place", ("value",))] if self.plain_values else []
        sources = (*around, *arrays, *value)
        column = Column(name="any", type="text", sources=sources)
        return Unpacker(
            Contract("any", "any/+", "any", "any", (), (column,), readings=self.path,
                     parents=self.parents, shape=self.shape, fields=self.fields)
        )  # fmt: skip

    def label(self, path: Path) -> Path:
        """The path that names the column of a reading's member."""
        if self.shape == "senml" and self.base_names and path == ("n",):
            return ("sensor_name",)
        if self.shape == "senml" and len(path) == 1:
            return (SENML_NAMES.get(path[0], path[0]),)
        return path

    def size(self, document: Any) -> int:
        """The approximate number of readings in the message."""
        if self.parents is not None:
            parents = member(document, self.parents)
            inner = replace(self, parents=None)
            return sum(map(inner.size, parents)) if isinstance(parents, list) else 1
        found = None if self.path is None else member(document, self.path)
        if self.arrays:
            found = member(found, self.arrays[:1])
        return len(found) if isinstance(found, list | dict) else 1

    def parts(self, unpacker: Unpacker, document: Any, arrived: int | None) -> list[Part]:
        """The readings of a message; one faulty part if Transform would reject the message."""
        if not isinstance(document, dict) and () not in (self.path, self.parents):
            return [Part(None, fault="not_an_object")]
        found = unpacker.parts(document, arrived)
        return [Part(None, fault=found)] if isinstance(found, str) else found


def find_shape(documents: Sequence[Any]) -> MessageShape:
    """The shape that enough messages have: one array of readings, or arrays within one."""
    outer = _shape_of_one_level(documents)
    if outer.path is None or outer.shape != "objects":
        return outer
    arrays = [member(document, outer.path) for document in documents]
    parents = [p for array in arrays if isinstance(array, list) for p in array]
    parents = [parent for parent in parents[:MOST_PARENTS] if isinstance(parent, dict)]
    inner = _shape_of_one_level(parents)
    if not inner.path or not _is_timed_within(inner, parents):
        return outer
    return replace(inner, parents=outer.path)


def _is_timed_within(shape: MessageShape, parents: Sequence[Any]) -> bool:
    """True where the objects of the inner arrays have times of their own, and measure something.

    Others are kept with the object around them, which has the time.
    """
    if shape.shape == "keyed":
        return True
    found = [member(parent, shape.path or ()) for parent in parents]
    elements = [element for array in found if isinstance(array, list) for element in array]
    if shape.shape == "senml":
        return any({"t", "bt"} & record.keys() for record in elements if isinstance(record, dict))
    timed = [
        e for e in elements if isinstance(e, dict) and any(is_time((name,)) for name in e)
    ]  # fmt: skip
    measured = sum(_measures(element, ("",)) for element in timed)
    return bool(elements) and measured >= 0.5 * len(elements)


def _shape_of_one_level(documents: Sequence[Any]) -> MessageShape:
    """The shape that enough messages have; of several, the one with the most readings."""
    having: Counter[tuple[Path, Shape]] = Counter()
    elements: Counter[tuple[Path, Shape]] = Counter()
    for document in documents:
        for path, shape, size in _candidates(document, ()):
            having[path, shape] += 1
            elements[path, shape] += size
    enough = [
        place
        for place, count in having.items()
        if count >= SHARE * len(documents) and _has_readings(place, documents)
    ]
    if not enough:
        return MessageShape()
    path, shape = max(enough, key=lambda place: (elements[place], -len(place[0])))
    found = [member(document, path) for document in documents]
    if shape == "rows" or (shape == "pairs" and _are_rows_not_pairs(path, found, documents)):
        return _rows(path, [v for v in found if _are_rows(v)], documents)
    if shape == "keyed":
        return _keyed(path, [v for v in found if _is_keyed(v)])
    if shape == "parallel":
        return _side_by_side(path, [v for v in found if isinstance(v, dict)])
    if shape == "senml":
        packs = [value for value in found if is_senml_pack(value)]
        base_names = all(any("bn" in record for record in pack) for pack in packs)
        reasons = {"shape": "SenML (RFC 8428): names and times are joined with their base values"}
        return MessageShape(path, shape, base_names=base_names, reasons=reasons)
    reasons = {"shape": "pairs of name and value"} if shape == "pairs" else {}
    return MessageShape(path, shape, reasons=reasons)


def _has_readings(place: tuple[Path, Shape], documents: Sequence[Any]) -> bool:
    """True unless the objects of an array only accompany a reading that stands around them.

    The gateways that received an uplink are not readings, nor are objects without a time beside
    measurements, unless their name says so.
    """
    path, shape = place
    if not path or shape != "objects":
        return True
    found = [(d, member(d, path)) for d in documents[:FIRST] if isinstance(d, dict)]
    lists = [(d, array) for d, array in found if isinstance(array, list) and array]
    around = sum(_measures(document, path) for document, _ in lists) >= 0.5 * len(lists)
    if any(array == [] and _measures(document, path) for document, array in found):
        return False  # a message with an empty array would have no reading
    if is_gateway(path):
        return not around and not any(
            isinstance(member(d, path), list) and _is_timed(d, path) for d, _ in lists
        )
    if not around or READINGS & set(words(path[-1])):
        return True
    timed = sum(any(is_time((n,)) for e in array for n in e) for _, array in lists)
    return timed >= 0.5 * len(lists)


def _measures(document: Any, without: Path, path: Path = ()) -> bool:
    """True where an object has a number, outside of a path, that measures something."""
    if path == without or not isinstance(document, dict):
        return False
    for name, value in document.items():
        here = (*path, name)
        if isinstance(value, dict):
            if _measures(value, without, here):
                return True
        elif isinstance(value, Number):
            named = counts_or_codes(here) or identifies(here)
            if not named and not (is_time(here) and is_epoch(float(value))):
                return True
    return False


def _is_timed(document: dict[str, Any], without: Path) -> bool:
    """True where a message has a time of its own beside an array."""
    return any(is_time((name,)) and name != without[0] for name in document)


def is_senml_pack(value: Any) -> bool:
    """True for a SenML pack: records with labels of RFC 8428 only, at least one with a value."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(record, dict) and record.keys() <= _SENML for record in value)
        and all(record.keys() & {"n", "bn"} for record in value[:1])
        and any(record.keys() & set(SENML_VALUES) for record in value)
    )


def _candidates(value: Any, path: Path) -> Iterator[tuple[Path, Shape, int]]:
    """Paths at and below a value that may contain readings, with shape and number of these."""
    if path and written_path(path) is None:
        return
    shape = _array_shape(value)
    if shape is not None:
        yield path, shape, 1 if _is_pair_list(value) else len(value)
    elif _is_keyed(value):
        yield path, "keyed", sum(_is_time_name(name) for name in value)
    elif isinstance(value, dict) and len(path) < MAX_DEPTH:
        if names := _arrays_with_times(value):
            yield path, "parallel", len(value[names[0]])
        for name, inner in value.items():
            yield from _candidates(inner, (*path, name))


def _array_shape(value: Any) -> Shape | None:
    """The shape of an array whose elements may be readings; else ``None``."""
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(element, dict) for element in value):
        return "senml" if is_senml_pack(value) else "objects"
    if not all(isinstance(element, list) and element for element in value):
        return None
    if _is_pair_list(value) or all(_is_pair_list(element) for element in value):
        return "pairs"
    return "rows" if _are_rows(value) else None


def _are_rows(value: Any) -> bool:
    """True for arrays of plain values; pairs of name and value match as well."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(row, list) and 2 <= len(row) <= MOST_FIELDS and _is_flat(row)
            for row in value
        )
    )


def _are_rows_not_pairs(path: Path, found: Sequence[Any], documents: Sequence[Any]) -> bool:
    """True where apparent pairs are rows of two values: with a header, or not all of them pairs."""
    arrays = [value for value in found if isinstance(value, list) and value]
    pairs = sum(_array_shape(value) == "pairs" for value in arrays)
    rows = [value for value in arrays if _are_rows(value)]
    if len(rows) < NEARLY_ALL * len(arrays):
        return False
    return pairs < NEARLY_ALL * len(arrays) or _header(path, documents, 2) is not None


def _is_pair_list(value: list[Any]) -> bool:
    """True for pairs of a unique name and a value; where the names are times, they are rows."""
    if not all(isinstance(e, list) and len(e) == 2 and _is_word(e[0]) for e in value):
        return False
    names = [element[0] for element in value]
    return len(set(names)) == len(names) and all(_is_flat(element) for element in value)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Number) and bool(_WORD.search(value))


_WORD = re.compile(r"^[^\W\d]")
_TIME_NAME = re.compile(r"[0-9]{10}(?:[0-9]{3}){0,3}(?:\.[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ].+")


def _is_flat(element: list[Any]) -> bool:
    return not any(isinstance(value, dict | list) for value in element)


def _is_keyed(value: Any) -> bool:
    """True for an object with members named by times; all other members are plain values."""
    if not isinstance(value, dict) or not any(_is_time_name(name) for name in value):
        return False
    return all(
        not isinstance(inner, list) and (_is_time_name(name) or not isinstance(inner, dict))
        for name, inner in value.items()
    )


def _is_time_name(name: str) -> bool:
    """True for a name that is a time: ISO 8601, or an epoch between the years 2000 and 2100."""
    if not _TIME_NAME.fullmatch(name):
        return False
    if name[4] == "-":
        try:
            datetime.fromisoformat(name)
        except ValueError:
            return False
        return True
    return any(YEAR_2000 <= float(name) / scale <= YEAR_2100 for scale in EPOCHS.values())


def _keyed(path: Path, found: Sequence[dict[str, Any]]) -> MessageShape:
    shared = dict.fromkeys(name for value in found for name in value if not _is_time_name(name))
    inner = [v for value in found for name, v in value.items() if name not in shared]
    reasons = {"shape": "the names of its members are times"}
    return MessageShape(
        path, "keyed", shared=tuple(shared), reasons=reasons,
        plain_values=any(not isinstance(value, dict) for value in inner),
    )  # fmt: skip


def _arrays_with_times(value: dict[str, Any]) -> tuple[str, ...]:
    """Names of arrays of plain values that have the length of one with times, which is the first;
    none where no other array has."""
    lists = {
        name: array
        for name, array in value.items()
        if isinstance(array, list) and len(array) > 1 and _is_flat(array) and written_path((name,))
    }
    for time, array in lists.items():
        moments = len(set(map(str, array))) == len(array) and all(map(_is_moment, array))
        if moments and is_time((time,)):
            others = [n for n, a in lists.items() if n != time and len(a) == len(array)]
            return (time, *others) if others else ()
    return ()


def _is_moment(value: Any) -> bool:
    return _is_time(value) or (isinstance(value, Number) and is_epoch(float(value)))


def _side_by_side(path: Path, found: Sequence[dict[str, Any]]) -> MessageShape:
    """The arrays that have as many elements as that of the times, in all messages with both.

    Others stay members of the message: as arrays side by side they would cost readings.
    """
    times = Counter(names[0] for names in map(_arrays_with_times, found) if names)
    time = times.most_common(1)[0][0]
    sizes = [(value, len(value[time])) for value in found if isinstance(value.get(time), list)]
    names = dict.fromkeys(name for value, _ in sizes for name in value if name != time)
    arrays = [
        name
        for name in names
        if any(value.get(name) for value, _ in sizes)
        and all(
            isinstance(value[name], list) and len(value[name]) == size and _is_flat(value[name])
            for value, size in sizes
            if value.get(name) is not None
        )
    ]
    if not arrays:
        return MessageShape()
    shared = tuple(name for name in names if name not in arrays)
    reasons = {"shape": "arrays side by side: their first elements are a reading, and so on"}
    return MessageShape(path, "parallel", shared=shared, arrays=(time, *arrays), reasons=reasons)


def _rows(path: Path, found: Sequence[list[Any]], documents: Sequence[Any]) -> MessageShape:
    """Rows with names for their positions: those in the messages, or placeholders."""
    rows = [row for value in found for row in value]
    width = max(len(row) for row in rows)
    named = _header(path, documents, width)
    if named is not None:
        header, fields = named
        reasons = {"fields": f"the names in the messages' member {'.'.join(header)}"}
        return MessageShape(path, "rows", fields, header, reasons=reasons)
    times = [n for n in range(width) if all(_is_time(row[n]) for row in rows if n < len(row))]
    fields = tuple("ts" if n in times[:1] else f"field_{n + 1}" for n in range(width))
    reasons = {"fields": "the messages do not name the positions: replace these names"}
    return MessageShape(path, "rows", fields, reasons=reasons)


def _header(path: Path, documents: Sequence[Any], width: int) -> tuple[Path, Path] | None:
    """Path and content of a list of names beside the rows, equal in all messages."""
    if not path:
        return None
    lists: dict[Path, set[tuple[Any, ...]]] = {}
    for document in documents:
        holder = member(document, path[:-1]) if path[:-1] else document
        for name, value in holder.items() if isinstance(holder, dict) else ():
            if isinstance(value, list) and len(value) == width and all(map(_is_name, value)):
                lists.setdefault((*path[:-1], name), set()).add(tuple(value))
    for place, seen in lists.items():
        names = next(iter(seen))
        if len(seen) == 1 and len(set(names)) == width:
            return place, tuple(names)
    return None


def _is_name(value: Any) -> bool:
    return _is_word(value) and written_path((value,)) is not None


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and _is_time_name(value)
