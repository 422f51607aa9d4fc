"""Filters the messages that hold readings, by the conditions of ``only``."""

from __future__ import annotations

import polars as pl

from functions.transform.values import BLANK, is_one_of
from telemetry.contract import Condition

__all__ = ["matches"]


def matches(texts: pl.Series, condition: Condition) -> pl.Series:
    """Mask of the raw texts that match a condition, without nulls."""
    if condition.present is not None:
        return texts.is_not_null() if condition.present else texts.is_null()
    words = [_word(value) for value in condition.values if isinstance(value, str | bool)]
    numbers = [value for value in condition.values if not isinstance(value, str | bool)]
    found = texts.is_in(words)
    if numbers:
        found |= is_one_of(texts.str.strip_chars(BLANK), numbers)
    return found.fill_null(value=False)


def _word(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()
