"""A bare value: the whole payload is one text, the member ``value`` of a reading."""

from __future__ import annotations

import polars as pl

from functions.transform.formats.document import BLANK, Document, json_string

__all__ = ["decode", "decode_in_bulk"]

ESCAPED = r'["\\\x00-\x1f]'
"""Characters that a JSON string has behind a backslash."""


def decode(text: str) -> Document:
    """An object of one member; blanks and line ends around the value go."""
    return Document(f'{{"value":{json_string(text.strip(BLANK))}}}')


def decode_in_bulk(texts: pl.Series) -> pl.Series:
    """The same of many texts, null for those with characters that need a backslash."""
    values = texts.str.strip_chars(BLANK)
    plain = ~values.str.contains(ESCAPED)
    return ('{"value":"' + values + '"}').zip_with(plain, values.clear(values.len()))
