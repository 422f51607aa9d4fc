"""Patterns of texts that the bulk decoder wouldn't read as the careful reader does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import polars as pl

from telemetry.contract import Contract, Source
from telemetry.contract.composed import all_sources, spelled_sources
from telemetry.contract.model import MemberPath, Metric, Shape

__all__ = [
    "ARRAYS",
    "MEMBERS",
    "Type",
    "array_names",
    "is_in_nested_arrays",
    "member_name",
    "member_names",
    "metrics_of",
    "untyped_texts",
    "unusual_texts",
]

Type = type[pl.DataType]

MEMBERS = ("reading", "parent", "message")
"""Scopes of the sources within a message."""

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
"""Patterns of values of another kind than SenML's."""
ARRAYS: dict[Shape, int] = {"objects": 0, "rows": 1, "pairs": 2, "senml": 0, "parallel": 1}
"""Shapes that the bulk decoder takes, and how many arrays an element is of."""

NOT_PLAIN_DIGITS = r"(?:-|[0-9]+\.|[0-9]{16})"
"""A number that isn't a whole one without a sign, whose digits a double may not bring back."""
LONG_OR_SPELLED = r"-?(?:[0-9]{16}|[0-9]+(?:\.[0-9]+)?[eE])"
NOT_OF_TYPE: dict[Type, str] = {
    pl.Float64: rf"(?:[^-0-9n \t\r\n]|{LONG_OR_SPELLED})",
    pl.Int64: r"(?:[^-0-9n \t\r\n]|-?[0-9]+[.eE]|-?[0-9]{19})",
    pl.Boolean: r"[^tfn \t\r\n]",
}
"""Pattern of the begin of a value that is neither null nor surely of the type."""


def member_name(path: MemberPath) -> str:
    """Name of the member at a path, or of the array whose element it is."""
    return next(step for step in reversed(path) if isinstance(step, str))


def member_names(sources: Sequence[Source]) -> list[str]:
    """Names of the members themselves, of sources within the message."""
    return [member_name(s.path) for s in sources if s.scope in MEMBERS]


def is_in_nested_arrays(path: MemberPath) -> bool:
    """True for an element of an array in an array."""
    return any(isinstance(a, int) and isinstance(b, int) for a, b in pairwise(path))


def array_names(contract: Contract) -> set[str]:
    """Names of the arrays of which columns or conditions take elements that are values, and of
    arrays side by side."""
    asked = all_sources(contract)
    asked += [condition.source for condition in contract.only]
    paths = [source.path for source in asked if source.scope in MEMBERS]
    paths += [metric.path for metric in metrics_of(contract)]
    found = {member_name(path) for path in paths if isinstance(path[-1], int)}
    if contract.shape == "parallel":
        readings = {s.path for s in asked if s.scope == "reading"}
        found |= {str(path[0]) for path in readings}
        found |= {str(metric.path[0]) for metric in metrics_of(contract)}
    return found


def metrics_of(contract: Contract) -> tuple[Metric, ...]:
    """Metrics that are known by name."""
    return contract.melt if isinstance(contract.melt, tuple) else ()


def unusual_texts(contract: Contract) -> str:
    """Texts that only the careful reader reads exactly.

    The bulk decoder reads numbers as doubles and writes them again (``21.40`` becomes ``21.4``),
    which changes nothing for a number and something for a text; it mistakes escaped surrogates;
    and a member's name may hide behind an escape.
    """
    arrays = r"\[," if ARRAYS.get(contract.shape) else ""
    kinds = [f"[:{arrays}]{SPELLED_NUMBER}", *_unusual_members(contract)]
    if contract.shape == "senml":
        kinds += UNUSUAL_SENML
    if arrays:
        texts = _texts(contract) | _composing(contract)
        kinds += _unusual_elements(texts, _leaves(contract, "decimal"))
    return "|".join(kinds)


def _unusual_elements(texts: set[str], decimals: set[str]) -> list[str]:
    """Numbers in arrays whose digits would not come back as they are, where those count."""
    kinds = [NOT_SHORTEST] if texts else []
    if texts or decimals:
        kinds.append(rf"[\[,]{LONG_NUMBER}")
    return kinds


def _unusual_members(contract: Contract) -> list[str]:
    kinds = []
    if names := array_names(contract):
        # The bulk decoder makes an array of a value alone.
        kinds += [_member(names, r"[^\[n \t\r\n]"), rf"[\[,]{SPELLED_NUMBER}"]
        texts = _texts(contract) | _composing(contract)
        kinds += _unusual_elements(texts & names, _leaves(contract, "decimal") & names)
    if names := _texts(contract):
        kinds.append(_member(names, "[-0-9]"))
    if names := _composing(contract):
        kinds.append(_member(names, NOT_PLAIN_DIGITS))
    if names := _leaves(contract, "decimal"):
        # More digits than a double holds would come back as others.
        kinds.append(_member(names, LONG_NUMBER))
    if names := _leaves(contract, "jsonb"):
        # The bulk decoder doesn't distinguish texts from numbers, and can't read an object as text.
        kinds.append(_member(names, r"[^n \t\r\n]"))
    return kinds


def _texts(contract: Contract) -> set[str]:
    """The members whose exact text counts."""
    asked = [c.source for c in contract.only if any(isinstance(v, str) for v in c.values)]
    return _leaves(contract, "text", asked)


def _composing(contract: Contract) -> set[str]:
    """The members that texts are made of, or have parts of, or that name a unit."""
    asked = [s for column in contract.columns for s in spelled_sources(column)]
    names = set(member_names(asked))
    if any(s.scope == "place" and s.path == ("value",) for s in asked):
        names |= {member_name(metric.path) for metric in metrics_of(contract)}
    return names


def untyped_texts(contract: Contract, types: Mapping[str, Type]) -> str:
    """Texts in which a member isn't of its type, or is unusual for a text."""
    kinds = []
    for kind, value in NOT_OF_TYPE.items():
        names = {name for name, found in types.items() if found is kind}
        kinds += [_member(names, value)] if names else []
    sources = all_sources(contract)
    texts = set(member_names([*sources, *(c.source for c in contract.only)])) - types.keys()
    if texts:
        kinds.append(_member(texts, LONG_OR_SPELLED))
    return "|".join([*kinds, *_unusual_members(contract)])


def _member(names: Iterable[str], value: str) -> str:
    """Regular expression of a member of one of these names with such a value."""
    alternatives = "|".join(re.escape(name) for name in sorted(names))
    return rf'"(?:{alternatives})"[ \t\r\n]*:[ \t\r\n]*{value}'


def _leaves(contract: Contract, kind: str, also: Sequence[Source] = ()) -> set[str]:
    """The members that columns of a type read."""
    asked = [s for c in contract.columns if c.type == kind for s in c.sources]
    names = set(member_names([*asked, *also]))
    if any(s.scope == "place" and s.path == ("value",) for s in asked):
        names |= {member_name(metric.path) for metric in metrics_of(contract)}
    return names
