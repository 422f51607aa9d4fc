"""Spans of time that are added to timestamps: offsets of readings, places times an interval."""

from __future__ import annotations

import polars as pl

from functions.transform.composed_texts import SourceTexts, where
from functions.transform.timestamps import FIRST, LAST
from functions.transform.values import Read, read_numbers
from telemetry.contract import Column
from telemetry.contract.model import Plus

__all__ = ["later", "span_texts"]

MICROSECONDS = {
    "us": 1, "ms": 10**3, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86_400 * 10**6,
}  # fmt: skip
EXACT = 9e18
"""Numbers below it are whole numbers of 64 bits, if they are whole."""
LONGEST = float(LAST - FIRST)
"""Microseconds of the longest span that there can be between two times."""


def span_texts(plus: Plus, texts: SourceTexts, column: Column) -> list[pl.Series]:
    """Texts of the numbers that are multiplied to a span, null where one is absent."""
    found = [texts.first(plus.sources, column)]
    if isinstance(plus.every, tuple):
        found.append(texts.first(plus.every, column))
    return found


def later(read: Read, plus: Plus, numbers: list[pl.Series]) -> Read:
    """The times with the spans added; null where a span isn't a number, or the sum isn't a time."""
    found = read.value.cast(pl.Int64) + _micros(plus, numbers)
    found = where(found, found.is_between(FIRST, LAST))
    return read._replace(value=found.cast(pl.Datetime("us", "UTC")))


def _micros(plus: Plus, texts: list[pl.Series]) -> pl.Series:
    """Microseconds of the spans: of whole numbers exactly, of others rounded, nanoseconds cut."""
    numbers = [read_numbers(text) for text in texts]
    whole = [text.cast(pl.Int64, strict=False) for text in texts]
    if not isinstance(plus.every, tuple):
        numbers.append(_all(float(plus.every), texts[0].len(), pl.Float64()))
        exact = int(plus.every) if float(plus.every).is_integer() else None
        whole.append(_all(exact, texts[0].len(), pl.Int64()))
    product = numbers[0]
    for factor in numbers[1:]:
        product = product * factor
    micros = product * MICROSECONDS.get(plus.unit, 0.001)
    held = (micros.abs() <= LONGEST) & (product.abs() < EXACT)
    exactly = where(whole[0], held)
    for factor in whole[1:]:
        exactly = exactly * where(factor, held)
    exactly = exactly // 1000 if plus.unit == "ns" else exactly * MICROSECONDS[plus.unit]
    rounded = where(micros, micros.abs() <= LONGEST).round().cast(pl.Int64)
    return exactly.zip_with(exactly.is_not_null(), rounded)


def _all(value: float | None, length: int, kind: pl.DataType) -> pl.Series:
    return pl.Series([value], dtype=kind).new_from_index(0, length)
