"""The plan of a contract's extraction, made once: which members to take out of a message.

A message is taken apart into one *raw text* per source of the contract: the text as it is, a
number as its JSON text, ``true`` or ``false``, null where there is nothing. An object or array
where a value should be becomes :data:`NOT_A_VALUE`, which no column type can read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import polars as pl

from functions.transform.member_patterns import (
    ARRAYS,
    Type,
    array_names,
    is_in_nested_arrays,
    member_names,
    metrics_of,
    untyped_texts,
    unusual_texts,
)
from functions.transform.shapes import BASE, SENML_VALUES
from telemetry.contract import Column, Condition, Contract, Source
from telemetry.contract.composed import all_sources, text_sources
from telemetry.contract.model import MemberPath

__all__ = [
    "ARRIVAL",
    "NOT_A_VALUE",
    "RECEIVED",
    "DecodePlan",
    "ExtractionPlan",
    "make_plan",
]

NOT_A_VALUE = "\x00"
"""Stands for a value of the wrong kind: U+0000 is invalid in a text and no part of a number."""

RECEIVED_AT = Source("envelope", ("received_at",))
ARRIVAL = "arrival"
"""Frame column of the time of arrival in ISO 8601; its own place has it in epoch milliseconds."""

RECEIVED = "received"
"""Frame column of the time of arrival as a time, for columns that take or are judged by it."""

SENML_LABELS = (*BASE, *SENML_VALUES, "n", "t", "u")
"""Members of a SenML record that have a meaning to the others."""

TRUTH = ("true", "false")
TYPED: dict[str, Type] = {
    "float": pl.Float64,
    "real": pl.Float64,
    "smallint": pl.Int64,
    "integer": pl.Int64,
    "bigint": pl.Int64,
    "boolean": pl.Boolean,
}
"""Types that the bulk decoder may read the values of columns as, if all of them are."""


class DecodePlan(NamedTuple):
    """One way to decode messages in bulk: the type to read, and the texts to leave out."""

    document: pl.Struct | pl.List
    """Type of a message."""
    unusual: str
    """Regular expression of the texts that would be read differently, as are all with a ``\\``."""
    types: Mapping[str, Type]
    """Types of the members that are not read as texts, by name."""


@dataclass(frozen=True)
class ExtractionPlan:
    """A contract, ready to be applied to messages."""

    contract: Contract
    sources: tuple[Source, ...]
    """Distinct sources of all columns and conditions. ``s<n>`` names the n-th in a frame."""
    decode_plans: tuple[DecodePlan, ...]
    """Plans of the bulk decoder, the fastest first; each gets what those before it left. Empty
    where it can't decode the messages."""

    def place(self, source: Source, column: Column | None = None) -> str:
        """Name of the frame column that holds the source's raw text for a column of the table."""
        if column is not None and column.type == "timestamp" and source == RECEIVED_AT:
            return RECEIVED if _takes_just_arrival(column) else ARRIVAL
        return f"s{self.sources.index(source)}"

    @property
    def document(self) -> pl.Struct | pl.List | None:
        """Type of a message whose values are texts; ``None`` where the bulk decoder takes none."""
        return self.decode_plans[-1].document if self.decode_plans else None

    @property
    def takes_arrival(self) -> bool:
        """True if a timestamp column reads the time of arrival as text."""
        return any(
            c.type == "timestamp" and RECEIVED_AT in c.sources and not _takes_just_arrival(c)
            for c in self.contract.columns
        )

    @property
    def takes_received(self) -> bool:
        """True if a column takes the time of arrival unchanged, or is judged by it."""
        return any(
            _takes_just_arrival(c) or _is_judged_by_arrival(c) for c in self.contract.columns
        )

    @property
    def as_json(self) -> frozenset[str]:
        """Frame columns that hold JSON texts, whatever stands there."""
        return frozenset(self.place(s) for s in self.sources if s.form == "json")

    def of_scope(self, scope: str) -> dict[str, MemberPath]:
        """Frame column to path, of the sources of one scope."""
        return {self.place(s): s.path for s in self.sources if s.scope == scope}

    @property
    def names(self) -> tuple[str, ...]:
        """Frame columns of the raw texts that come out of a message."""
        scopes = ("message", "parent", "reading", "rest", "place")
        return tuple(name for scope in scopes for name in self.of_scope(scope))

    def conditions(self, scope: str) -> tuple[Condition, ...]:
        """Conditions on messages, of one scope: on their envelope or on themselves."""
        return tuple(c for c in self.contract.only if c.source.scope == scope)


def _takes_just_arrival(column: Column) -> bool:
    """True if the column's value is the time of arrival itself, so that no text is needed."""
    iso = column.formats[:1] == ("iso8601",) and column.missing == ("",)
    return column.type == "timestamp" and column.sources == (RECEIVED_AT,) and iso


def _is_judged_by_arrival(column: Column) -> bool:
    """True if a time's distance from the arrival matters, or tells apart the two that it may be."""
    local = column.type == "timestamp" and column.timezone != "UTC"
    tolerance = column.max_age is not None or column.max_future is not None
    return tolerance or (local and column.ambiguous == "by_arrival")


def make_plan(contract: Contract) -> ExtractionPlan:
    """The plan of a contract. Pure, and cheap enough to make once per invocation."""
    asked = all_sources(contract)
    sources = tuple(dict.fromkeys([*asked, *(c.source for c in contract.only)]))
    plain = _document(contract, sources, {})
    decode_plans = [] if plain is None else [DecodePlan(plain, unusual_texts(contract), {})]
    types = _member_types(contract)
    typed = _document(contract, sources, types) if types else None
    if typed is not None:
        decode_plans.insert(0, DecodePlan(typed, untyped_texts(contract, types), types))
    return ExtractionPlan(contract, sources, tuple(decode_plans))


def _member_types(contract: Contract) -> dict[str, Type]:
    """Names of the members that are numbers or booleans wherever they are taken.

    All sources of a column are of one type, and so are all members of one name: texts, if not
    every one of them may be something else.
    """
    if contract.shape != "objects" or contract.melt is not None:
        return {}
    together = [(_type_of(column), member_names(column.sources)) for column in contract.columns]
    together += [(pl.String, member_names([condition.source])) for condition in contract.only]
    together += [(pl.String, list(array_names(contract)))]
    spelled = [source for column in contract.columns for source in text_sources(column)]
    together += [(pl.String, member_names(spelled))]
    types: dict[str, Type] = {}
    while True:
        before = dict(types)
        for kind, names in together:
            if any(types.get(name, kind) is not kind for name in names):
                types |= dict.fromkeys(names, pl.String)
            for name in names:
                types.setdefault(name, kind)
        if types == before:
            return {name: kind for name, kind in types.items() if kind is not pl.String}


def _type_of(column: Column) -> Type:
    own = column.attached or column.decimal_comma or column.true_values or column.false_values
    if own or len(member_names(column.sources)) < len(column.sources):
        return pl.String
    if column.type == "boolean" and any(str(m).strip().lower() in TRUTH for m in column.missing):
        return pl.String
    return TYPED.get(column.type, pl.String)


Tree = dict[str | int, "Tree | None"]
"""Members of an object, or what the elements of an array have in common, under :data:`ELEMENT`;
``None`` is a value."""
ELEMENT = 0


def _is_pattern(step: str | int) -> bool:
    """True if polars takes a field's name for one that stands for several, or for another."""
    if isinstance(step, int):
        return False
    return step == "*" or (step.startswith("^") and step.endswith("$"))


def _document(
    contract: Contract, asked: tuple[Source, ...], types: Mapping[str, Type]
) -> pl.Struct | pl.List | None:
    """Type of a message for the bulk decoder; ``None`` where it can't take them."""
    sources = (*asked, *(Source("reading", metric.path) for metric in metrics_of(contract)))
    if _is_for_careful(contract) or not _has_plain_paths(contract, sources):
        return None
    if contract.shape == "parallel":
        return _side_by_side(contract, sources)
    return _with_elements(contract, sources, types)


def _with_elements(
    contract: Contract, sources: tuple[Source, ...], types: Mapping[str, Type]
) -> pl.Struct | pl.List | None:
    """The same of every shape that has one element for each reading."""
    reading, message = _tree(sources, ("reading",)), _tree(sources, ("reading", "message"))
    if reading is None or message is None:
        return None
    if contract.readings is None:
        return pl.Struct(_fields(message, types))
    elements = _elements(contract, reading, types)
    if contract.parents is None:
        return _around(message, contract.readings, elements, types)
    parent = _tree(sources, ("reading", "parent"))
    if contract.shape != "objects" or parent is None:
        return None
    inner = _around(parent, contract.readings, elements, types)
    parents = None if inner is None else pl.List(inner)
    return _around(message, contract.parents, parents, types)


def _side_by_side(contract: Contract, sources: tuple[Source, ...]) -> pl.Struct | None:
    """Type of a message with arrays side by side; ``None`` where it is in an outer array."""
    if contract.parents is not None:
        return None
    at = contract.readings or ()
    arrays = [
        replace(source, scope="message", path=(*at, source.path[0], 0, *source.path[1:]))
        for source in sources
        if source.scope == "reading"
    ]
    tree = _tree((*sources, *arrays), ("message",)) if arrays else None
    return None if tree is None else pl.Struct(_fields(tree, {}))


def _around(
    tree: Tree, path: MemberPath, elements: pl.List | None, types: Mapping[str, Type]
) -> pl.Struct | pl.List | None:
    """Type of an object with these members and this array, or of the array where it is alone."""
    if elements is None or not path:
        return elements
    placed = _with_readings(tree, path, elements, types)
    return None if placed is None else pl.Struct(placed)


def _has_plain_paths(contract: Contract, sources: tuple[Source, ...]) -> bool:
    """True if the bulk decoder can follow every path."""
    paths = [source.path for source in sources]
    arrays = (*(contract.readings or ()), *(contract.parents or ()))
    patterns = any(_is_pattern(step) for path in (*paths, arrays) for step in path)
    nested = any(map(is_in_nested_arrays, paths)) or any(isinstance(step, int) for step in arrays)
    return not (patterns or nested)


def _is_for_careful(contract: Contract) -> bool:
    """True if its shape or types keep what the bulk decoder drops: kinds of values, members,
    digits."""
    if contract.shape not in ARRAYS or contract.melt == "numbers" or contract.pairs is not None:
        return True
    types = {column.type for column in contract.columns}
    rest = any(s.scope == "rest" for column in contract.columns for s in column.sources)
    in_arrays = "jsonb" in types and contract.shape != "objects"
    return rest or in_arrays or ("decimal" in types and contract.shape == "senml")


def _elements(contract: Contract, reading: Tree, types: Mapping[str, Type]) -> pl.List | None:
    if contract.shape == "senml":
        if any(reading.get(label) for label in SENML_LABELS):
            return None  # a source within a value that is resolved as a whole
        reading = {**dict.fromkeys(SENML_LABELS), **reading}
    if contract.shape in ("objects", "senml"):
        return pl.List(pl.Struct(_fields(reading, types)))
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
        *parents, leaf = (ELEMENT if isinstance(step, int) else step for step in source.path)
        node = root
        for step in parents:
            below = node.setdefault(step, {})
            if below is None or _is_both(node):
                return None
            node = below
        if node.setdefault(leaf, None) is not None or _is_both(node):
            return None
    return root


def _is_both(tree: Tree) -> bool:
    """True where sources take an object and an array at one place."""
    return ELEMENT in tree and len(tree) > 1


def _fields(tree: Tree, types: Mapping[str, Type]) -> dict[str, pl.DataType | Type]:
    return {str(name): _type(str(name), below, types) for name, below in tree.items()}


def _type(name: str, tree: Tree | None, types: Mapping[str, Type]) -> pl.DataType | Type:
    """Type of the values of a member."""
    if tree is None:
        return types.get(name, pl.String)
    if tree.keys() == {ELEMENT}:
        return pl.List(_type(name, tree[ELEMENT], types))
    return pl.Struct(_fields(tree, types))


def _with_readings(
    tree: Tree, path: MemberPath, elements: pl.List, types: Mapping[str, Type]
) -> dict[str, pl.DataType | Type] | None:
    """Fields of ``tree`` with the array at ``path``; ``None`` where something else is there."""
    step, *rest = path
    name = str(step)
    fields = _fields(tree, types)
    below = tree.get(name, {})
    if not rest:
        if name in tree:
            return None
        return {**fields, name: elements}
    inner = None if below is None else _with_readings(below, tuple(rest), elements, types)
    return None if inner is None else {**fields, name: pl.Struct(inner)}
