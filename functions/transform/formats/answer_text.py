"""JSON of what a decoder of one's own returns: a list of readings, each an object.

Only values that JSON has are taken. NaN and the infinities are texts, as in binary formats.
"""

from __future__ import annotations

from collections.abc import Iterator
from json.encoder import encode_basestring
from typing import Any

from functions.transform.formats.binary import MAX_LEVELS, float_text
from functions.transform.formats.document import Document, array_of
from functions.transform.inflation import PAYLOAD_BYTES, TOO_LARGE

__all__ = ["AnswerError", "answer_document"]

NOT_A_LIST, NOT_JSON = "not_a_list", "not_json"


class AnswerError(Exception):
    """Raised where an answer can't be used; the argument is the reason of the reject."""


def answer_document(answer: Any) -> Document:
    """The array of the readings; one that isn't JSON stands in it as a text, with its reason.

    Raises :class:`AnswerError`: ``not_a_list``, or ``too_large`` beyond
    :data:`~functions.transform.inflation.PAYLOAD_BYTES`.
    """
    if not isinstance(answer, list | tuple):
        raise AnswerError(NOT_A_LIST)
    writer = _Writer()
    elements: list[str] = []
    faults: dict[int, str] = {}
    for element in answer:
        try:
            elements.append("".join(writer.parts(element, 0)))
        except (ValueError, TypeError):  # of a lone half of a character or 5,000 digits as well
            faults[len(elements)] = f"decoder:{NOT_JSON}"
            elements.append('"not JSON"')
    return array_of(elements, faults)


class _Writer:
    """Writes values as JSON, up to a limit that a value which holds itself can't pass."""

    def __init__(self) -> None:
        self._left = PAYLOAD_BYTES

    def parts(self, value: Any, level: int) -> Iterator[str]:
        """The pieces of a value's text, in order. Raises ``ValueError`` where JSON has none."""
        if isinstance(value, dict):
            yield from self._nested("{}", self._members(value, level), level)
        elif isinstance(value, list | tuple):
            elements = (self.parts(element, level + 1) for element in value)
            yield from self._nested("[]", elements, level)
        else:
            text = _scalar(value)
            self._left -= len(text) + 1
            if self._left < 0:
                raise AnswerError(TOO_LARGE)
            yield text

    def _nested(self, brackets: str, items: Iterator[Iterator[str]], level: int) -> Iterator[str]:
        if level >= MAX_LEVELS:
            raise ValueError("nested too deeply")
        self._left -= 2
        yield brackets[0]
        for number, item in enumerate(items):
            if number:
                yield ","
            yield from item
        yield brackets[1]
        if self._left < 0:
            raise AnswerError(TOO_LARGE)

    def _members(self, value: dict[Any, Any], level: int) -> Iterator[Iterator[str]]:
        for name, member in value.items():
            if not isinstance(name, str):
                raise TypeError("a key that is not a text")
            yield self._member(name, member, level)

    def _member(self, name: str, member: Any, level: int) -> Iterator[str]:
        text = _scalar(name)
        self._left -= len(text) + 1
        yield f"{text}:"
        yield from self.parts(member, level + 1)


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = encode_basestring(value)
        text.encode()
        return text
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float_text(float(value))
    raise TypeError(type(value).__name__)
