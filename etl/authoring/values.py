"""Properties that the values of one member share: numbers, times, units, markers of "no value".

Texts are read by Transform's own readers, so that inference and loading can't differ.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from etl.authoring.members import Value
from etl.authoring.names import EPOCHS, YEAR_2000, YEAR_2100
from functions.transform.timestamps import read_timestamps
from functions.transform.values import read_numbers
from telemetry.contract.model import TimestampFormat

__all__ = [
    "BLANK",
    "MISSING_WORDS",
    "Marker",
    "Numbers",
    "epoch_format",
    "extreme_markers",
    "iso_share",
    "round_outward",
    "split_numbers",
    "strip_units",
]

BLANK = " \t\r\n"
"""Characters that Transform ignores around all values except texts."""
MISSING_WORDS = {"", "nan", "null", "none", "nil", "n/a", "na", "-", "--", "undefined", "nodata"}
"""Texts that mean "no value", in lower case."""
KNOWN_MARKERS = {
    -99.9,
    -127,
    -128,
    -200,
    -273.15,
    -300,
    -999,
    -999.9,
    -9999,
    -99999,
    -32768,
    -2147483648,
}
KNOWN_MARKERS |= {999, 999.9, 1999.9, 3276.7, 6553.5, 9999, 9999.9, 99999, 32767, 65535, 2147483647}
KNOWN_MARKERS |= {4294967295}
"""Numbers that sensors and gateways commonly send instead of a missing value."""
_NUMBER_AND_UNIT = re.compile(
    r"([+-]?(?:[0-9]+(?:[.,][0-9]+)?|[.,][0-9]+))[ \t]*((?:[^\W\d_]|[°%µ/²³])*)"
)
MOST_UNITS = 1
"""Most different units attached to one member's numbers; more may be names such as 12A and 12B."""
EXTREMES = 3
"""Most markers at each end of the values."""


@dataclass(frozen=True)
class Marker:
    """A number that probably means "no value"."""

    value: float
    count: int
    reason: str


@dataclass(frozen=True)
class Numbers:
    """The numbers among the values of a member."""

    counts: Counter[float]
    whole: bool
    """True where all are written without fraction and exponent."""
    others: Counter[str]
    """Texts that are not numbers."""

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
    whole = True
    for (value, count), number in zip(pairs, read, strict=True):
        if number is None or value.kind == "boolean":
            others[value.text] += count
        else:
            counts[number] += count
            whole = whole and value.text.strip(BLANK).lstrip("+-").isdecimal()
    return Numbers(counts, whole, others)


def strip_units(values: Mapping[Value, int]) -> tuple[dict[Value, int], list[str], bool]:
    """The values without attached units and with decimal points instead of commas.

    Also returns the units, and whether there were commas. The values are returned unchanged where
    few of them are numbers with a unit or a comma, or where the units are many.
    """
    plain: Counter[Value] = Counter()
    units: Counter[str] = Counter()
    commas = matched = 0
    for value, count in values.items():
        match = (
            _NUMBER_AND_UNIT.fullmatch(value.text.strip(BLANK)) if value.kind == "text" else None
        )
        if match is None:
            plain[value] += count
            continue
        number, unit = match[1], match[2]
        matched += count
        commas += count * ("," in number)
        units[unit] += count * bool(unit)
        plain[Value("text", number.replace(",", "."))] += count
    attached = sorted(unit for unit, count in units.items() if count)
    if matched < 0.5 * sum(values.values()) or len(attached) > MOST_UNITS:
        return dict(values), [], False
    return dict(plain), attached, commas > 0


def iso_share(values: Counter[str]) -> float:
    """Share of the texts that are ISO 8601 times (0..1)."""
    if not values:
        return 0.0
    texts = pl.Series([_printable(text).strip(BLANK) for text in values], dtype=pl.String)
    read = read_timestamps(texts, ["iso8601"], "UTC").first
    good = sum(count for count, at in zip(values.values(), read, strict=True) if at is not None)
    return good / values.total()


def epoch_format(counts: Counter[float]) -> TimestampFormat | None:
    """The epoch unit in which nearly all numbers lie between the years 2000 and 2100."""
    total = counts.total()
    for name, per_second in EPOCHS.items():
        low, high = YEAR_2000 * per_second, YEAR_2100 * per_second
        good = sum(count for number, count in counts.items() if low <= number <= high)
        if total and good >= 0.95 * total:
            return name
    return None


def extreme_markers(counts: Counter[float]) -> list[Marker]:
    """Extreme values far from all others that are known markers or repeated."""
    left = Counter(counts)
    found: list[Marker] = []
    # Both ends in turn: an outlier at one end widens the span and hides one at the other end.
    while len(left) >= 3 and len(found) < 2 * EXTREMES:
        marker = _extreme(left, max(left)) or _extreme(left, min(left))
        if marker is None:
            break
        found.append(marker)
        del left[marker.value]
    return found


def _extreme(counts: Counter[float], value: float) -> Marker | None:
    count = counts[value]
    rest = [number for number in counts if number != value]
    low, high = min(rest), max(rest)
    gap = low - value if value < low else value - high
    span = max(high - low, 1e-9)
    where = "below" if value < low else "above"
    far = f"{gap:g} {where} all other values, which span {high - low:g}"
    if value in KNOWN_MARKERS and gap > 0.25 * span:
        return Marker(value, count, f"a common marker, {far}")
    if count >= 3 and gap > 2 * span:
        return Marker(value, count, f"repeated, {far}")
    return None


def round_outward(value: float, up: bool) -> float:
    """The next number with one significant digit: 37.3 upwards gives 40."""
    if value == 0 or not math.isfinite(value):
        return value
    step = 10.0 ** math.floor(math.log10(abs(value)))
    rounded = (math.ceil if up else math.floor)(value / step) * step
    return float(f"{rounded:.6g}")


def _printable(text: str) -> str:
    """The text in valid UTF-8, as polars needs it: lone surrogates are replaced."""
    return text.encode("utf-8", "replace").decode()
