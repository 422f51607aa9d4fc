"""JSON within another document: one JSON text, which stands for itself."""

from __future__ import annotations

import polars as pl

from functions.transform.careful import parse
from functions.transform.formats.document import Document, FormatError
from functions.transform.formats.ndjson import inside_of

__all__ = ["decode", "decode_in_bulk"]

LEVELS = 3
"""Objects and arrays within each other that a text may have to be read in bulk."""
_INSIDE = inside_of(LEVELS)
PLAIN = rf"^[ \t\r\n]*(?:\{{{_INSIDE}\}}|\[{_INSIDE}\])[ \t\r\n]*$"
"""One object or array, without backslashes and of a few levels: it closes all that it opens, so
that it can't reach into what is around it."""


def decode(text: str) -> Document:
    """The text itself. Raises :class:`FormatError` where it isn't one JSON text."""
    try:
        parse(text)
    except ValueError:
        raise FormatError("not_json") from None
    return Document(text)


def decode_in_bulk(texts: pl.Series) -> pl.Series:
    """The texts that are plain, null for the others.

    Whether they are JSON is for their reader to find: see :data:`PLAIN`.
    """
    return texts.zip_with(texts.str.contains(PLAIN), texts.clear(texts.len()))
