"""From raw text to typed value, a column at a time: one reader per column type.

A reader takes texts (null where there is none) and gives typed values, null where it can't read
the text; and which of the values are numbers that the type can't hold. What each accepts is
described in ``docs/contract.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from functions.transform.timestamps import read_timestamps
from telemetry.contract import Column

__all__ = ["READERS", "Read", "read_numbers"]

BLANK = " \t\r\n"
TRUE = ("true", "t", "yes", "y", "on")
FALSE = ("false", "f", "no", "n", "off")
BITS = {"smallint": 15, "integer": 31, "bigint": 63}


class Read(NamedTuple):
    """A column's texts, read."""

    value: pl.Series
    """Typed; null where there is no text, and where it can't be read or held."""
    beyond: pl.Series | None = None
    """Which texts are whole numbers that the type can't hold; ``None``: none are."""


def read_text(texts: pl.Series, column: Column) -> Read:
    """Any text that PostgreSQL can hold: all but those with U+0000."""
    del column
    return Read(_blank_out(texts, texts.str.contains("\x00", literal=True)))


def read_float(texts: pl.Series, column: Column) -> Read:
    """Finite doubles. There is one zero: ``-0`` is read as 0, however it is spelled."""
    del column
    value = read_numbers(texts.str.strip_chars(BLANK))
    zero = (value == 0).fill_null(value=False)
    return Read(value.zip_with(~zero, value.abs()) if zero.any() else value)


def read_whole(texts: pl.Series, column: Column) -> Read:
    """Integers of the column's size; a fraction or exponent is fine where the value is whole."""
    texts = texts.str.strip_chars(BLANK)
    value = texts.cast(pl.Int64, strict=False)
    beyond = None
    if value.null_count() > texts.null_count():
        number = _blank_out(read_numbers(texts), value.is_not_null())
        whole = (number == number.floor()).fill_null(value=False)
        held = whole & (number >= -(2.0**63)) & (number < 2.0**63)
        value = value.zip_with(
            value.is_not_null(), number.zip_with(held, _none(number)).cast(pl.Int64)
        )
        beyond = whole & ~held
    limit = 2 ** BITS[column.type]
    if column.type != "bigint":
        large = ((value < -limit) | (value >= limit)).fill_null(value=False)
        value = _blank_out(value, large)
        beyond = large if beyond is None else beyond | large
    return Read(value, beyond)


def read_boolean(texts: pl.Series, column: Column) -> Read:
    """true/false, t/f, yes/no, y/n, on/off in any case, and the numbers 1 and 0."""
    del column
    words = texts.str.strip_chars(BLANK).str.to_lowercase()
    number = read_numbers(words)
    true = words.is_in(TRUE) | (number == 1).fill_null(value=False)
    false = words.is_in(FALSE) | (number == 0).fill_null(value=False)
    return Read(_blank_out(true, ~(true | false).fill_null(value=False)))


def read_timestamp(texts: pl.Series, column: Column) -> Read:
    """Instants in UTC, to the microsecond."""
    return Read(read_timestamps(texts.str.strip_chars(BLANK), column.formats, column.timezone))


READERS: dict[str, Callable[[pl.Series, Column], Read]] = {
    "text": read_text,
    "smallint": read_whole,
    "integer": read_whole,
    "bigint": read_whole,
    "float": read_float,
    "boolean": read_boolean,
    "timestamp": read_timestamp,
}


def read_numbers(texts: pl.Series) -> pl.Series:
    """Finite doubles, null for every other text."""
    number = texts.cast(pl.Float64, strict=False)
    return _blank_out(number, ~number.is_finite())


def _blank_out(values: pl.Series, where: pl.Series) -> pl.Series:
    """``values`` with nulls where the mask is true; a null in the mask leaves the value."""
    where = where.fill_null(value=False)
    return values.zip_with(~where, _none(values)) if where.any() else values


def _none(like: pl.Series) -> pl.Series:
    return pl.Series([None], dtype=like.dtype).new_from_index(0, like.len())
