"""Numbers among the values of a member, as Transform's own readers take them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import polars as pl

from etl.authoring.members import Value
from functions.transform.values import read_numbers

__all__ = ["BLANK", "Numbers", "are_names", "digits_needed", "split_numbers", "strip_units"]

BLANK = " \t\r\n"
"""Characters that Transform ignores around all values except texts."""
_NUMBER_AND_UNIT = re.compile(
    r"([+-]?(?:[0-9]+(?:[.,][0-9]+)?|[.,][0-9]+))[ \t]*((?:[^\W\d_]|[°%µ/²³])*)"
)
MOST_UNITS = 1
"""Most different units attached to one member's numbers; more may be names such as 12A and 12B."""
LONG_NAME = 10
"""Digits from which whole numbers of equal length, sent as text, are taken for names."""
_HEX = re.compile(r"[0-9]+[eE][0-9]+")


@dataclass(frozen=True)
class Numbers:
    """The numbers among the values of a member."""

    counts: Counter[float]
    whole: bool
    """True where all are written without fraction and exponent."""
    others: Counter[str]
    """Texts that are not numbers."""
    spellings: tuple[str, ...]
    """All numbers as they are written."""

    @property
    def total(self) -> int:
        """Count of the values that are numbers."""
        return self.counts.total()


def split_numbers(values: Iterable[tuple[Value, int]]) -> Numbers:
    """Splits scalar values with their counts into numbers and other texts."""
    pairs = list(values)
    texts = pl.Series([_printable(value.text) for value, _ in pairs], dtype=pl.String)
    read = read_numbers(texts.str.strip_chars(BLANK))
    counts: Counter[float] = Counter()
    others: Counter[str] = Counter()
    spellings: list[str] = []
    whole = True
    for (value, count), number in zip(pairs, read, strict=True):
        if number is None or value.kind == "boolean":
            others[value.text] += count
        else:
            text = value.text.strip(BLANK)
            counts[number] += count
            spellings.append(text)
            whole = whole and text.lstrip("+-").isdecimal()
    return Numbers(counts, whole, others, tuple(spellings))


def are_names(numbers: Numbers) -> bool:
    """True where digits that were sent as texts are names: 007, 12E4, an ICCID."""
    texts = numbers.spellings
    digits = [text for text in texts if text.isdecimal()]
    if any(len(text) > 1 and text[0] == "0" for text in digits):
        return True
    if any(_HEX.fullmatch(text) or text[:1] == "+" for text in texts):
        return True
    long = [text for text in digits if len(text) >= LONG_NAME]
    return len(long) == len(texts) and len({len(text) for text in long}) == 1


def digits_needed(numbers: Numbers, *, as_texts: bool) -> tuple[int, int] | None:
    """Digits before and after the point that a double can't hold; ``None`` where it holds all.

    A double that was printed in full, such as 0.30000000000000004, is read as itself again.
    """
    before = after = 0
    inexact = False
    for text in numbers.spellings:
        try:
            value = Decimal(text)
            _, digits, exponent = value.as_tuple()
        except InvalidOperation:
            continue
        assert isinstance(exponent, int)  # noqa: S101 - what is a number is finite
        before = max(before, len(digits) + exponent)
        after = max(after, -exponent)
        plain = text.replace(".", "").lstrip("+-0")
        spelled = as_texts and len(plain) > 15 and "e" not in text.lower()
        inexact = inexact or spelled or Decimal(repr(float(text))) != value
    return (before, after) if inexact else None


def strip_units(values: Mapping[Value, int]) -> tuple[dict[Value, int], list[str], bool]:
    """The values without attached units and with decimal points instead of commas.

    Also returns the units, and whether there were commas. The values are returned unchanged where
    few of them are numbers with a unit or a comma, or where the units are many.
    """
    plain: Counter[Value] = Counter()
    units: Counter[str] = Counter()
    matched, commas = 0, []
    for value, count in values.items():
        match = (
            _NUMBER_AND_UNIT.fullmatch(value.text.strip(BLANK)) if value.kind == "text" else None
        )
        if match is None:
            plain[value] += count
            continue
        number, unit = match[1], match[2]
        matched += count
        commas += [number] if "," in number else []
        units[unit] += count * bool(unit)
        plain[Value("text", number.replace(",", "."))] += count
    attached = sorted(unit for unit, count in units.items() if count)
    if matched < 0.5 * sum(values.values()) or len(attached) > MOST_UNITS:
        return dict(values), [], False
    if commas and all(len(number.rpartition(",")[2]) == 3 for number in commas):
        return dict(values), [], False  # 1,234 may be a thousand
    return dict(plain), attached, bool(commas)


def _printable(text: str) -> str:
    """The text in valid UTF-8, as polars needs it: lone surrogates are replaced."""
    return text.encode("utf-8", "replace").decode()
