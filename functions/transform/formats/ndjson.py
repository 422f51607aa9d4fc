"""NDJSON: a payload of several JSON texts, one a line."""

from __future__ import annotations

import polars as pl

from functions.transform.careful import parse
from functions.transform.formats.document import (
    BLANK,
    Document,
    FormatError,
    array_of,
    json_string,
)

__all__ = ["decode", "decode_in_bulk", "inside_of"]

NOT_JSON = "not_json"
LEVELS = 3
"""Objects and arrays within each other that a line may have to be read in bulk."""


def inside_of(levels: int) -> str:
    """Pattern of what an object or array of so many levels holds."""
    deeper = rf"|[\[{{]{inside_of(levels - 1)}[\]}}]" if levels > 1 else ""
    return rf'(?:[^"{{}}\[\]\\\n]|"[^"\\\n]*"{deeper})*'


_OBJECT = rf"\{{{inside_of(LEVELS)}\}}"
PLAIN_LINES = rf"^(?:{_OBJECT}\r?\n)*{_OBJECT}[ \t\r\n]*$"
"""Lines of one object each, without backslashes and of a few levels.

Each line ends outside of a string and with as many brackets closed as opened. So if the array of
all lines is JSON, then its elements are the lines: none can reach into another.
"""


def decode(text: str) -> Document:
    """The array of the lines that aren't blank. Raises :class:`FormatError` where there is none.

    A line that isn't one JSON text stands in the array as a string.
    """
    elements: list[str] = []
    faults: dict[int, str] = {}
    for line in text.split("\n"):
        line = line.strip(BLANK)  # noqa: PLW2901 - it has no other use
        if not line:
            continue
        if not _is_json(line):
            faults[len(elements)] = NOT_JSON
            line = json_string(line)  # noqa: PLW2901
        elements.append(line)
    if not elements:
        raise FormatError("format:ndjson")
    return array_of(elements, faults)


def decode_in_bulk(texts: pl.Series) -> pl.Series:
    """Arrays of the texts whose lines are plain, null for the others.

    Whether they are JSON is for their reader to find: see :data:`PLAIN_LINES`.
    """
    plain = texts.str.contains(PLAIN_LINES)
    arrays = texts.str.strip_chars_end(BLANK).str.replace_all("\n", ",", literal=True)
    return ("[" + arrays + "]").zip_with(plain, texts.clear(texts.len()))


def _is_json(line: str) -> bool:
    """True if the line is one JSON text, as an element of an array."""
    try:
        return len(parse(f"[{line}]")) == 1
    except ValueError:
        return False
