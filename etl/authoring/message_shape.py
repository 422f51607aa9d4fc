"""How messages hold their readings: which array or object has them, and of which shape.

Taking a message apart is left to Transform's own :class:`Unpacker`, so that a guess can't differ
from what loading will do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from etl.authoring.names import EPOCHS, YEAR_2000, YEAR_2100
from etl.authoring.paths import written_path
from functions.transform.shapes import BASE, SENML_VALUES, Number, Part, Unpacker, member
from telemetry.contract.model import Column, Contract, Shape, Source

__all__ = ["MAX_DEPTH", "Layout", "find_layout", "is_pack"]

MAX_DEPTH = 6
"""Objects within each other that are looked into."""
SHARE = 0.3
"""Share of the messages that must have readings at a place for it to be theirs."""
NEARLY_ALL = 0.95
MOST_FIELDS = 100
"""Positions of a row at most; a longer array is a measurement, such as a spectrum."""
_SENML = {*BASE, *SENML_VALUES, "bver", "n", "u", "t", "ut"}
SENML_NAMES = {
    "n": "name", "u": "unit", "v": "value", "vs": "text_value", "vb": "boolean_value",
    "vd": "data_value", "s": "sum", "t": "ts", "ut": "update_seconds",
}  # fmt: skip
"""Labels of RFC 8428 as columns are called."""

Path = tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """Where the readings are. Without a path, a message is a reading itself."""

    path: Path | None = None
    """The empty path is the payload."""
    shape: Shape = "objects"
    fields: tuple[str, ...] = ()
    """Names of the positions of rows."""
    header: Path | None = None
    """Where the messages themselves have those names."""
    apart: tuple[str, ...] = ()
    """Members of a keyed object that are of all its readings, not one of them."""
    plain: bool = False
    """Members of a keyed object are plain values."""
    based: bool = False
    """SenML packs have base names: RFC 8428, 4.5.1, then makes names those of one sensor."""
    why: dict[str, str] = field(default_factory=dict, compare=False)
    """``readings``, ``shape`` or ``fields`` to the comment beside its line."""

    def unpacker(self) -> Unpacker:
        """What takes messages of this layout apart."""
        around = [Source("message", (*(self.path or ()), name)) for name in self.apart]
        sources = (*around, *([Source("place", ("value",))] if self.plain else []))
        column = Column(name="any", type="text", sources=sources)
        return Unpacker(
            Contract("any", "any/+", "any", "any", (), (column,), readings=self.path,
                     shape=self.shape, fields=self.fields)
        )  # fmt: skip

    def label(self, path: Path) -> Path:
        """The path of a reading's member as columns are named by."""
        if self.shape == "senml" and self.based and path == ("n",):
            return ("sensor_name",)
        if self.shape == "senml" and len(path) == 1:
            return (SENML_NAMES.get(path[0], path[0]),)
        return path

    def size(self, document: Any) -> int:
        """About how many readings the message holds."""
        found = None if self.path is None else member(document, self.path)
        return len(found) if isinstance(found, list | dict) else 1

    def parts(self, unpacker: Unpacker, document: Any, arrived: int | None) -> list[Part]:
        """The readings of a message; one with a fault where Transform would reject it whole."""
        if not isinstance(document, dict) and self.path != ():
            return [Part(None, fault="not_an_object")]
        found = unpacker.parts(document, arrived)
        return [Part(None, fault=found)] if isinstance(found, str) else found


def find_layout(documents: Sequence[Any]) -> Layout:
    """The place and shape that enough messages have; that of the most readings."""
    having: Counter[tuple[Path, Shape]] = Counter()
    elements: Counter[tuple[Path, Shape]] = Counter()
    for document in documents:
        for path, shape, size in _candidates(document, ()):
            having[path, shape] += 1
            elements[path, shape] += size
    enough = [place for place, count in having.items() if count >= SHARE * len(documents)]
    if not enough:
        return Layout()
    path, shape = max(enough, key=lambda place: (elements[place], -len(place[0])))
    found = [member(document, path) for document in documents]
    if shape == "rows" or (shape == "pairs" and _rather_rows(path, found, documents)):
        return _rows(path, [v for v in found if _are_rows(v)], documents)
    if shape == "keyed":
        return _keyed(path, [v for v in found if _is_keyed(v)])
    if shape == "senml":
        packs = [value for value in found if is_pack(value)]
        based = all(any("bn" in record for record in pack) for pack in packs)
        why = {"shape": "RFC 8428: names and times are put together from their bases"}
        return Layout(path, shape, based=based, why=why)
    why = {"shape": "pairs of a name and its value"} if shape == "pairs" else {}
    return Layout(path, shape, why=why)


def is_pack(value: Any) -> bool:
    """Whether it is a SenML pack: records with labels of RFC 8428 alone, and a value in one."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(record, dict) and record.keys() <= _SENML for record in value)
        and all(record.keys() & {"n", "bn"} for record in value[:1])
        and any(record.keys() & set(SENML_VALUES) for record in value)
    )


def _candidates(value: Any, path: Path) -> Iterator[tuple[Path, Shape, int]]:
    """Places at and below a value that may hold readings, and how many."""
    if path and written_path(path) is None:
        return
    shape = _array_shape(value)
    if shape is not None:
        yield path, shape, 1 if _is_one_of_pairs(value) else len(value)
    elif _is_keyed(value):
        yield path, "keyed", sum(_is_moment(name) for name in value)
    elif isinstance(value, dict) and len(path) < MAX_DEPTH:
        for name, inner in value.items():
            yield from _candidates(inner, (*path, name))


def _array_shape(value: Any) -> Shape | None:
    """What an array's elements are, where they may be readings."""
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(element, dict) for element in value):
        return "senml" if is_pack(value) else "objects"
    if not all(isinstance(element, list) and element for element in value):
        return None
    if _is_one_of_pairs(value) or all(_is_one_of_pairs(element) for element in value):
        return "pairs"
    return "rows" if _are_rows(value) else None


def _are_rows(value: Any) -> bool:
    """Arrays of plain values; pairs of a name and a value are such, too."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(row, list) and 2 <= len(row) <= MOST_FIELDS and _is_flat(row)
            for row in value
        )
    )


def _rather_rows(path: Path, found: Sequence[Any], documents: Sequence[Any]) -> bool:
    """Whether what looks like pairs is rows of two: they have a header, or not all are pairs."""
    arrays = [value for value in found if isinstance(value, list) and value]
    pairs = sum(_array_shape(value) == "pairs" for value in arrays)
    rows = [value for value in arrays if _are_rows(value)]
    if len(rows) < NEARLY_ALL * len(arrays):
        return False
    return pairs < NEARLY_ALL * len(arrays) or _header(path, documents, 2) is not None


def _is_one_of_pairs(value: list[Any]) -> bool:
    """Names, each once, with a value; where the names are times, they are rows of two."""
    if not all(isinstance(e, list) and len(e) == 2 and _is_word(e[0]) for e in value):
        return False
    names = [element[0] for element in value]
    return len(set(names)) == len(names) and all(_is_flat(element) for element in value)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Number) and bool(_WORD.search(value))


_WORD = re.compile(r"^[^\W\d]")
_MOMENT = re.compile(r"[0-9]{10}(?:[0-9]{3}){0,3}(?:\.[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ].+")


def _is_flat(element: list[Any]) -> bool:
    return not any(isinstance(value, dict | list) for value in element)


def _is_keyed(value: Any) -> bool:
    """Members named by times; what else is there is of all of them, and plain."""
    if not isinstance(value, dict) or not any(_is_moment(name) for name in value):
        return False
    return all(
        not isinstance(inner, list) and (_is_moment(name) or not isinstance(inner, dict))
        for name, inner in value.items()
    )


def _is_moment(name: str) -> bool:
    """Whether a name is a time in ISO 8601 or in an epoch between 2000 and 2100."""
    if not _MOMENT.fullmatch(name):
        return False
    if name[4] == "-":
        try:
            datetime.fromisoformat(name)
        except ValueError:
            return False
        return True
    return any(YEAR_2000 <= float(name) / scale <= YEAR_2100 for scale in EPOCHS.values())


def _keyed(path: Path, found: Sequence[dict[str, Any]]) -> Layout:
    apart = dict.fromkeys(name for value in found for name in value if not _is_moment(name))
    inner = [v for value in found for name, v in value.items() if name not in apart]
    why = {"shape": "the names of its members are times"}
    return Layout(
        path, "keyed", apart=tuple(apart), why=why,
        plain=any(not isinstance(value, dict) for value in inner),
    )  # fmt: skip


def _rows(path: Path, found: Sequence[list[Any]], documents: Sequence[Any]) -> Layout:
    """Rows need names for their positions: the messages' own, or such as a person can replace."""
    rows = [row for value in found for row in value]
    width = max(len(row) for row in rows)
    named = _header(path, documents, width)
    if named is not None:
        header, fields = named
        why = {"fields": f"as in the messages' own {'.'.join(header)}"}
        return Layout(path, "rows", fields, header, why=why)
    times = [n for n in range(width) if all(_is_time(row[n]) for row in rows if n < len(row))]
    fields = tuple("ts" if n in times[:1] else f"field_{n + 1}" for n in range(width))
    why = {"fields": "the messages do not name them: put in what each position is"}
    return Layout(path, "rows", fields, why=why)


def _header(path: Path, documents: Sequence[Any], width: int) -> tuple[Path, Path] | None:
    """A list of names as long as the rows, beside them and the same in all messages."""
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
    return isinstance(value, str) and _is_moment(value)
