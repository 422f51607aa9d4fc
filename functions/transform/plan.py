"""What a contract asks of the transform, worked out once: which members to take out of a message.

A message is taken apart into one *raw text* per source of the contract: the text as it is, a
number as its JSON text, ``true`` or ``false``, null where there is nothing. An object or array
where a value should be becomes :data:`NOT_A_VALUE`, which no column type can read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from functions.transform.shapes import BASE, SENML_VALUES
from telemetry.contract import Column, Condition, Contract, Source
from telemetry.contract.model import Metric, Shape

__all__ = ["ARRIVAL", "NOT_A_VALUE", "RECEIVED", "Plan", "make_plan", "metrics_of"]

NOT_A_VALUE = "\x00"
"""Stands for a value of the wrong kind: U+0000 is invalid in a text and no part of a number."""

RECEIVED_AT = Source("envelope", ("received_at",))
ARRIVAL = "arrival"
"""Frame column of the time of arrival in ISO 8601; its own place has it in epoch milliseconds."""

RECEIVED = "received"
"""Frame column of the time of arrival as a time, for columns that take or are judged by it."""

BACKSLASH = r"\\"
SPELLED_NUMBER = r"[ \t\r\n]*-?(?:[0-9]{16,}\.|[0-9]+(?:\.[0-9]+)?[eE])"
"""A number with an exponent, or too long to survive being read as a double and written again."""
LONG_NUMBER = r"[ \t\r\n]*-?[0-9.]{16,}"
"""A number that may have more digits than a double keeps."""
NOT_SHORTEST = r"[\[,][ \t\r\n]*-?(?:0\.0|[0-9]+\.[0-9]*0[ \t\r\n]*[\],]|0[ \t\r\n]*[\],])"
"""A number in an array that a double may be written otherwise than: 21.40, 0.001, -0."""
_SENML = r'"(?:%s)"[ \t\r\n]*:[ \t\r\n]*%s'
UNUSUAL_SENML = (
    _SENML % ("b[ntuvs]|v|v[sbd]|s", "null"),  # which is not the same there as nothing
    _SENML % ("b?n|b?u", "[-0-9tf]"),
    _SENML % ("b?t", '["tf]'),
)
"""What is of another kind than it should be."""
ARRAYS: dict[Shape, int] = {"objects": 0, "rows": 1, "pairs": 2, "senml": 0}
"""Shapes that the bulk decoder takes, and how many arrays an element is of."""


@dataclass(frozen=True)
class Plan:
    """A contract, ready to be applied to messages."""

    contract: Contract
    sources: tuple[Source, ...]
    """Distinct sources of all columns and conditions. ``s<n>`` names the n-th in a frame."""
    document: pl.Struct | pl.List | None
    """Type of a message for the bulk decoder; ``None`` where it can't take them."""
    unusual: str
    """Regular expression of the texts that the bulk decoder would read differently."""

    def place(self, source: Source, column: Column | None = None) -> str:
        """Name of the frame column that holds the source's raw text for a column of the table."""
        if column is not None and column.type == "timestamp" and source == RECEIVED_AT:
            return RECEIVED if _takes_just_arrival(column) else ARRIVAL
        return f"s{self.sources.index(source)}"

    @property
    def takes_arrival(self) -> bool:
        """Whether the time of arrival is wanted as a timestamp's text."""
        return any(
            c.type == "timestamp" and RECEIVED_AT in c.sources and not _takes_just_arrival(c)
            for c in self.contract.columns
        )

    @property
    def takes_received(self) -> bool:
        """Whether the time of arrival is a column's value as it is, or a column is judged by it."""
        return any(
            c.max_age is not None or c.max_future is not None or _takes_just_arrival(c)
            for c in self.contract.columns
        )

    @property
    def as_json(self) -> frozenset[str]:
        """Frame columns that hold JSON texts, whatever stands there."""
        return frozenset(self.place(s) for s in self.sources if s.form == "json")

    def of_scope(self, scope: str) -> dict[str, tuple[str, ...]]:
        """Frame column to path, of the sources of one scope."""
        return {self.place(s): s.path for s in self.sources if s.scope == scope}

    @property
    def names(self) -> tuple[str, ...]:
        """Frame columns of the raw texts that come out of a message."""
        scopes = ("message", "reading", "rest", "place")
        return tuple(name for scope in scopes for name in self.of_scope(scope))

    def conditions(self, scope: str) -> tuple[Condition, ...]:
        """What messages must have, of one scope: of their envelope or of themselves."""
        return tuple(c for c in self.contract.only if c.source.scope == scope)


def _takes_just_arrival(column: Column) -> bool:
    """Whether it would only read the time again from the text that it is written to."""
    iso = column.formats[:1] == ("iso8601",) and column.missing == ("",)
    return column.type == "timestamp" and column.sources == (RECEIVED_AT,) and iso


def make_plan(contract: Contract) -> Plan:
    """The plan of a contract. Pure, and cheap enough to make once per invocation."""
    asked = (s for column in contract.columns for s in column.sources)
    sources = tuple(dict.fromkeys([*asked, *(c.source for c in contract.only)]))
    return Plan(contract, sources, _document(contract, sources), _unusual(contract))


Tree = dict[str, "Tree | None"]
"""Members of an object; ``None`` is a value."""


def metrics_of(contract: Contract) -> tuple[Metric, ...]:
    """Metrics that are known by name."""
    return contract.melt if isinstance(contract.melt, tuple) else ()


def _is_pattern(name: str) -> bool:
    """Whether polars takes a field's name for one that stands for several, or for another."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))


def _document(contract: Contract, asked: tuple[Source, ...]) -> pl.Struct | pl.List | None:
    if contract.shape not in ARRAYS or contract.melt == "numbers" or _is_for_careful(contract):
        return None
    paths = [source.path for source in asked] + [metric.path for metric in metrics_of(contract)]
    if any(_is_pattern(name) for path in (*paths, contract.readings or ()) for name in path):
        return None
    sources = (*asked, *(Source("reading", metric.path) for metric in metrics_of(contract)))
    reading, message = _tree(sources, ("reading",)), _tree(sources, ("reading", "message"))
    if reading is None or message is None:
        return None
    if contract.readings is None:
        return pl.Struct(_fields(message))
    elements = _elements(contract, reading)
    if elements is None or not contract.readings:
        return elements
    placed = _with_readings(message, contract.readings, elements)
    return None if placed is None else pl.Struct(placed)


def _is_for_careful(contract: Contract) -> bool:
    """Whether its types keep what the bulk decoder drops: kinds of values, members, digits."""
    types = {column.type for column in contract.columns}
    rest = any(s.scope == "rest" for column in contract.columns for s in column.sources)
    in_arrays = "jsonb" in types and contract.shape != "objects"
    return rest or in_arrays or ("decimal" in types and contract.shape == "senml")


def _elements(contract: Contract, reading: Tree) -> pl.List | None:
    if contract.shape == "senml":
        reading = dict.fromkeys((*BASE, *SENML_VALUES, "n", "t", "u")) | reading
    if contract.shape in ("objects", "senml"):
        return pl.List(pl.Struct(_fields(reading)))
    if any(reading.values()) or len(contract.fields) == 1:
        return None  # a value alone would pass for an array of one
    return pl.List(_nested(ARRAYS[contract.shape]))


def _nested(arrays: int) -> pl.DataType | type[pl.DataType]:
    return pl.List(_nested(arrays - 1)) if arrays else pl.String


def _tree(sources: tuple[Source, ...], scopes: tuple[str, ...]) -> Tree | None:
    """The members that the sources name, nested; ``None`` where they contradict each other."""
    root: Tree = {}
    for source in sources:
        if source.scope not in scopes:
            continue
        *parents, leaf = source.path
        node = root
        for name in parents:
            below = node.setdefault(name, {})
            if below is None:
                return None
            node = below
        if node.setdefault(leaf, None) is not None:
            return None
    return root


def _fields(tree: Tree) -> dict[str, pl.DataType | type[pl.DataType]]:
    return {
        name: pl.String if below is None else pl.Struct(_fields(below))
        for name, below in tree.items()
    }


def _with_readings(
    tree: Tree, path: tuple[str, ...], elements: pl.List
) -> dict[str, pl.DataType | type[pl.DataType]] | None:
    """Fields of ``tree`` with the array at ``path``; ``None`` where something else is there."""
    name, *rest = path
    fields = _fields(tree)
    below = tree.get(name, {})
    if not rest:
        if name in tree:
            return None
        return {**fields, name: elements}
    inner = None if below is None else _with_readings(below, tuple(rest), elements)
    return None if inner is None else {**fields, name: pl.Struct(inner)}


def _unusual(contract: Contract) -> str:
    """Texts that only the careful reader reads to the letter.

    The bulk decoder reads numbers as doubles and writes them again (``21.40`` becomes ``21.4``),
    which changes nothing for a number and something for a text; it mistakes escaped surrogates;
    and a member's name may hide behind an escape.
    """
    arrays = r"\[," if ARRAYS.get(contract.shape) else ""
    kinds = [BACKSLASH, f"[:{arrays}]{SPELLED_NUMBER}"]
    if contract.shape == "senml":
        kinds += UNUSUAL_SENML
    asked = [c.source for c in contract.only if any(isinstance(v, str) for v in c.values)]
    if names := _leaves(contract, "text", asked):
        kinds.append(rf'"(?:{names})"[ \t\r\n]*:[ \t\r\n]*[-0-9]')
        kinds += [NOT_SHORTEST] if arrays else []
    if names := _leaves(contract, "decimal"):
        # More digits than a double holds would come back as others.
        kinds.append(rf'"(?:{names})"[ \t\r\n]*:{LONG_NUMBER}')
        kinds += [rf"[\[,]{LONG_NUMBER}"] if arrays else []
    if names := _leaves(contract, "jsonb"):
        # The bulk decoder tells no text from a number, and takes no object for a text.
        kinds.append(rf'"(?:{names})"[ \t\r\n]*:[ \t\r\n]*[^n \t\r\n]')
    return "|".join(kinds)


def _leaves(contract: Contract, kind: str, also: Sequence[Source] = ()) -> str:
    """As alternatives of a regular expression, the members that columns of a type read."""
    asked = [s for c in contract.columns if c.type == kind for s in c.sources]
    names = {s.path[-1] for s in (*asked, *also) if s.scope in ("reading", "message")}
    if any(s.scope == "place" and s.path == ("value",) for s in asked):
        names |= {metric.path[-1] for metric in metrics_of(contract)}
    return "|".join(re.escape(name) for name in sorted(names))
