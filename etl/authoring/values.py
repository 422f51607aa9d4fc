"""What the values of one member have in common: type, markers of "no value", limits.

Whether a text is a number, a time or a boolean is asked of Transform's own readers, so that a
guess can't differ from what loading will do.
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
    "numbers_of",
    "round_out",
    "unwrapped",
]

BLANK = " \t\r\n"
"""What Transform ignores around everything but a text."""
MISSING_WORDS = {"", "nan", "null", "none", "nil", "n/a", "na", "-", "--", "undefined", "nodata"}
"""Texts that mean "no value", in lower case."""
KNOWN = {-99.9, -127, -128, -200, -273.15, -300, -999, -999.9, -9999, -99999, -32768, -2147483648}
KNOWN |= {999, 999.9, 1999.9, 3276.7, 6553.5, 9999, 9999.9, 99999, 32767, 65535, 2147483647}
KNOWN |= {4294967295}
"""What sensors and gateways are known to answer when they have nothing to say."""
_DISGUISED = re.compile(
    r"([+-]?(?:[0-9]+(?:[.,][0-9]+)?|[.,][0-9]+))[ \t]*((?:[^\W\d_]|[°%µ/²³])*)"
)
MOST_UNITS = 1
"""Different units behind the numbers of one member; more, and they may be rooms 12A and 12B."""
EXTREMES = 3
"""Markers looked for at either end."""


@dataclass(frozen=True)
class Marker:
    """A value that probably stands for "no value"."""

    value: float
    count: int
    why: str


@dataclass(frozen=True)
class Numbers:
    """The numbers among the values of a member."""

    counts: Counter[float]
    whole: bool
    """All are spelled without fraction and exponent."""
    others: Counter[str]
    """Texts that are no numbers."""

    @property
    def total(self) -> int:
        """Values that are numbers."""
        return self.counts.total()


def numbers_of(values: Iterable[tuple[Value, int]]) -> Numbers:
    """Splits scalar values (and their counts) into numbers and the rest."""
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


def unwrapped(values: Mapping[Value, int]) -> tuple[dict[Value, int], list[str], bool]:
    """The values without the units attached to them and with points for decimal commas.

    Also the units, and whether there were commas. Where nearly no text is a number in disguise,
    the values come back as they are.
    """
    plain: Counter[Value] = Counter()
    units: Counter[str] = Counter()
    commas = disguised = 0
    for value, count in values.items():
        match = _DISGUISED.fullmatch(value.text.strip(BLANK)) if value.kind == "text" else None
        if match is None:
            plain[value] += count
            continue
        number, unit = match[1], match[2]
        disguised += count
        commas += count * ("," in number)
        units[unit] += count * bool(unit)
        plain[Value("text", number.replace(",", "."))] += count
    attached = sorted(unit for unit, count in units.items() if count)
    if disguised < 0.5 * sum(values.values()) or len(attached) > MOST_UNITS:
        return dict(values), [], False
    return dict(plain), attached, commas > 0


def iso_share(values: Counter[str]) -> float:
    """Share of the texts that are times in ISO 8601 (0..1)."""
    if not values:
        return 0.0
    texts = pl.Series([_printable(text).strip(BLANK) for text in values], dtype=pl.String)
    read = read_timestamps(texts, ["iso8601"], "UTC")
    good = sum(count for count, at in zip(values.values(), read, strict=True) if at is not None)
    return good / values.total()


def epoch_format(counts: Counter[float]) -> TimestampFormat | None:
    """The epoch in which nearly all numbers lie between 2000 and 2100."""
    total = counts.total()
    for name, per_second in EPOCHS.items():
        low, high = YEAR_2000 * per_second, YEAR_2100 * per_second
        good = sum(count for number, count in counts.items() if low <= number <= high)
        if total and good >= 0.95 * total:
            return name
    return None


def extreme_markers(counts: Counter[float]) -> list[Marker]:
    """Values at the ends that stand far from all others, known or repeated: sentinels."""
    left = Counter(counts)
    found: list[Marker] = []
    # Both ends in turn: one far out at this end makes one at the other look near.
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
    if value in KNOWN and gap > 0.25 * span:
        return Marker(value, count, f"a common marker, {far}")
    if count >= 3 and gap > 2 * span:
        return Marker(value, count, f"always the same, {far}")
    return None


def round_out(value: float, up: bool) -> float:
    """The next number with one significant digit: of 37.3 upwards, 40."""
    if value == 0 or not math.isfinite(value):
        return value
    step = 10.0 ** math.floor(math.log10(abs(value)))
    rounded = (math.ceil if up else math.floor)(value / step) * step
    return float(f"{rounded:.6g}")


def _printable(text: str) -> str:
    """The text as polars can hold it: half a surrogate pair stands for no character."""
    return text.encode("utf-8", "replace").decode()
