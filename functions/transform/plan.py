"""What a contract asks of the transform, worked out once: which members to take out of a message.

A message is taken apart into one *raw text* per source of the contract: the text as it is, a
number as its JSON text, ``true`` or ``false``, null where there is nothing. An object or array
where a value should be becomes :data:`NOT_A_VALUE`, which no column type can read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from telemetry.contract import Column, Contract, Source

__all__ = ["ARRIVAL", "NOT_A_VALUE", "RECEIVED", "Plan", "make_plan"]

NOT_A_VALUE = "\x00"
"""Stands for a value of the wrong kind: U+0000 is invalid in a text and no part of a number."""

RECEIVED_AT = Source("envelope", ("received_at",))
ARRIVAL = "arrival"
"""Frame column of the time of arrival in ISO 8601; its own place has it in epoch milliseconds."""

RECEIVED = "received"
"""Frame column of the time of arrival as a time, for columns that are judged by it."""

BACKSLASH = r"\\"
SPELLED_NUMBER = r":[ \t\r\n]*-?(?:[0-9]{16,}\.|[0-9]+(?:\.[0-9]+)?[eE])"
"""A number with an exponent, or too long to survive being read as a double and written again."""


@dataclass(frozen=True)
class Plan:
    """A contract, ready to be applied to messages."""

    contract: Contract
    sources: tuple[Source, ...]
    """Distinct sources of all columns. ``s<n>`` names the n-th in a frame."""
    document: pl.Struct | None
    """Type of a message for the bulk decoder; ``None`` where a path is both value and object."""
    unusual: str
    """Regular expression of the texts that the bulk decoder would read differently."""

    def place(self, source: Source, column: Column | None = None) -> str:
        """Name of the frame column that holds the source's raw text for a column of the table."""
        if column is not None and column.type == "timestamp" and source == RECEIVED_AT:
            return ARRIVAL
        return f"s{self.sources.index(source)}"

    @property
    def takes_arrival(self) -> bool:
        """Whether the time of arrival is wanted as a timestamp."""
        return any(
            c.type == "timestamp" and RECEIVED_AT in c.sources for c in self.contract.columns
        )

    @property
    def takes_received(self) -> bool:
        """Whether a column is judged by the time of arrival."""
        return any(c.max_age is not None or c.max_future is not None for c in self.contract.columns)

    @property
    def as_json(self) -> frozenset[str]:
        """Frame columns that hold JSON texts, whatever stands there."""
        return frozenset(self.place(s) for s in self.sources if s.form == "json")

    def of_scope(self, scope: str) -> dict[str, tuple[str, ...]]:
        """Frame column to path, of the sources of one scope."""
        return {self.place(s): s.path for s in self.sources if s.scope == scope}


def make_plan(contract: Contract) -> Plan:
    """The plan of a contract. Pure, and cheap enough to make once per invocation."""
    sources = tuple(dict.fromkeys(s for column in contract.columns for s in column.sources))
    return Plan(contract, sources, _document(contract, sources), _unusual(contract))


Tree = dict[str, "Tree | None"]
"""Members of an object; ``None`` is a value."""


def _document(contract: Contract, sources: tuple[Source, ...]) -> pl.Struct | None:
    if any(source.scope == "rest" for source in sources):
        return None
    reading, message = _tree(sources, ("reading",)), _tree(sources, ("reading", "message"))
    if reading is None or message is None:
        return None
    fields = _fields(message)
    if contract.readings is None:
        return pl.Struct(fields)
    elements = pl.List(pl.Struct(_fields(reading)))
    placed = _with_readings(message, contract.readings, elements)
    return None if placed is None else pl.Struct(placed)


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
    texts = _leaves(contract, "text")
    kinds = [BACKSLASH, SPELLED_NUMBER]
    if long := _leaves(contract, "decimal"):
        # More digits than a double holds would come back as others.
        kinds.append(rf'"(?:{long})"[ \t\r\n]*:[ \t\r\n]*-?[0-9.]{{16,}}')
    if whole := _leaves(contract, "jsonb"):
        # The bulk decoder tells no text from a number, and takes no object for a text.
        kinds.append(rf'"(?:{whole})"[ \t\r\n]*:[ \t\r\n]*[^n \t\r\n]')
    if texts:
        kinds.append(rf'"(?:{texts})"[ \t\r\n]*:[ \t\r\n]*[-0-9]')
    return "|".join(kinds)


def _leaves(contract: Contract, kind: str) -> str:
    """As alternatives of a regular expression, the members that columns of a type read."""
    names = {
        s.path[-1]
        for c in contract.columns
        if c.type == kind
        for s in c.sources
        if s.scope in ("reading", "message")
    }
    return "|".join(re.escape(name) for name in sorted(names))
