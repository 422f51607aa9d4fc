"""JSON text of a member, as PostgreSQL's ``jsonb`` takes it, and what is left of a reading.

What it can't hold is invalid: U+0000, half a surrogate pair, numbers with more than
:data:`MAX_DIGITS` digits before or after the point once they are written out. Everything else keeps
its spelling, but blanks between the parts go and of members of one name the first stays.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring
from typing import Any

from functions.transform.extraction_plan import NOT_A_VALUE
from functions.transform.member_patterns import metrics_of
from functions.transform.parts import Number
from telemetry.contract import Contract
from telemetry.contract.composed import sources_of

__all__ = ["json_text", "named_members", "rest"]

MAX_DIGITS = 1000
"""A few letters such as 1e100000 would be written out to 100,000 digits in the table."""

Named = dict[str, "Named | None"]
"""Members that are taken; of those with members of their own, which."""


def json_text(value: Any) -> str | None:
    """JSON text of a parsed value; ``None`` for null, ``NOT_A_VALUE`` where PostgreSQL has no way.

    Takes what ``careful.parse`` gives, where numbers are of the class :class:`Number`.
    """
    if value is None:
        return None
    parts: list[str] = []
    try:
        _write(value, parts)
        text = "".join(parts)
        text.encode()
    except (ValueError, InvalidOperation):  # a lone surrogate, an exponent beyond any number
        return NOT_A_VALUE
    return text


def _write(root: Any, parts: list[str]) -> None:
    """Writes a value without recursion: it may be as deep as the parser allows."""
    stack: list[Any] = [root]
    while stack:
        value = stack.pop()
        if isinstance(value, _Mark):
            parts.append(value)
        elif isinstance(value, dict):
            _push(stack, "{", "}", [(_Mark(_quoted(k) + ":"), v) for k, v in value.items()])
        elif isinstance(value, list):
            _push(stack, "[", "]", [(_Mark(""), item) for item in value])
        elif isinstance(value, Number):
            parts.append(_checked(value))
        elif isinstance(value, str):
            parts.append(_quoted(value))
        else:
            parts.append({None: "null", True: "true", False: "false"}[value])


class _Mark(str):
    """Text between values."""

    __slots__ = ()


def _push(stack: list[Any], opening: str, closing: str, items: list[tuple[_Mark, Any]]) -> None:
    stack.append(_Mark(closing))
    for at in range(len(items) - 1, -1, -1):
        name, value = items[at]
        stack.append(value)
        stack.append(_Mark(("," if at else "") + name))
    stack.append(_Mark(opening))


def _quoted(text: str) -> str:
    if "\0" in text:
        raise ValueError("U+0000")
    return encode_basestring(text)


def _checked(number: Number) -> str:
    if len(number) > 20 or "e" in number or "E" in number:
        value = Decimal(number)
        _, digits, exponent = value.as_tuple()
        assert isinstance(exponent, int)  # noqa: S101 - JSON has no infinities
        if len(digits) + exponent > MAX_DIGITS or -exponent > MAX_DIGITS:
            raise ValueError("too many digits")
    return str(number)


def named_members(contract: Contract) -> Named:
    """The members of a reading that columns take, and those that hold its own readings."""
    named: Named = {}
    alone = not contract.readings
    arrays = [path for path in (contract.readings, contract.parents) if path]
    paths = [
        source.path
        for column in contract.columns
        for source in sources_of(column)
        if source.scope == "reading" or (alone and source.scope == "message")
    ]
    paths += [*(metric.path for metric in metrics_of(contract)), *arrays]
    for path in paths:
        names = tuple(step for step in path if isinstance(step, str))
        if len(names) == len(path):  # an array of which an element is taken is left whole
            _name(named, names)
    return named


def _name(named: Named, path: tuple[str, ...]) -> None:
    for name in path[:-1]:
        below = named.setdefault(name, {})
        if below is None:  # taken as a whole already
            return
        named = below
    named[path[-1]] = None


def rest(holder: dict[str, Any], named: Named) -> dict[str, Any]:
    """The members that are not named; of one that is named in parts, what is left, if anything."""
    left: dict[str, Any] = {}
    for name, value in holder.items():
        if name not in named:
            left[name] = value
            continue
        below = named[name]
        if below is None or value is None:
            continue
        if not isinstance(value, dict):
            left[name] = value
        elif inner := rest(value, below):
            left[name] = inner
    return left
