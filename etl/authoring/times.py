"""Times in the values of a member: the formats that read them, found by trying.

Texts are read by Transform's own readers, so that inference and loading can't differ.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from etl.authoring.members import Value
from etl.authoring.time_patterns import (
    EPOCHS,
    YEAR_2000,
    YEAR_2100,
    candidates,
    companions,
    has_time_of_day,
    is_day_first,
    is_month_first,
    zone_of,
)
from functions.transform.timestamps import read_timestamps
from telemetry.contract.model import TimestampFormat

__all__ = ["Times", "find_times", "looks_like_time", "micros"]

SET_FROM, SET_UNTIL = 1_230_768_000, 2_085_900_000
"""Epoch seconds of 2009 and 2036-02-06: a clock outside was not set, or has overflowed."""
FIRST_YEAR = -50_000_000
"""Epoch seconds before 1970, where clocks begin that were not set; earlier is not a time."""
SET_SHARE = 0.3
"""Share of the numbers that must be times of a set clock."""
MOST_PATTERNS = 21
"""Most patterns of one column: three, each with seven names of weekdays."""
MOST_FAILURES = 30
"""Forms of text without a pattern after which no others are tried."""
BLANK = " \t\r\n"
_DIGIT = re.compile(r"\d")


@dataclass
class Times:
    """The reading of a member's values as times."""

    formats: list[str] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)
    """Values that no format reads."""
    total: int = 0
    unset: int = 0
    """Values of a clock that was not set: before 2009, or after an overflow in 2036."""
    naive: int = 0
    """Values without an offset from UTC."""
    zone: str = "UTC"
    guessed_order: bool = False
    """True where the values fit day first and month first alike."""
    mixed: str = ""
    """The reason why the values can't be read as one kind of time; empty where they can."""

    @property
    def share(self) -> float:
        """Share of the values that are read (0..1)."""
        return 1 - self.unread.total() / self.total if self.total else 0.0

    @property
    def only_days(self) -> bool:
        """True where the formats have no time of day."""
        return all("%" in name and not has_time_of_day(name) for name in self.formats)


def find_times(values: Mapping[Value, int], *, numbers: bool) -> Times:
    """The formats that read the values. ``numbers``: numbers may be epochs, by their name."""
    counts: Counter[str] = Counter()
    for value, count in values.items():
        if value.kind in ("text", "number"):
            counts[value.text.strip(BLANK)] += count
    found = Times(total=sum(values.values()), unread=counts)
    if not counts:
        return found
    iso = _read(counts, ["iso8601"])
    if iso:
        found.formats.append("iso8601")
        found.naive += sum(n for text, n in iso.items() if len(text) in (19, 23, 26))
    left = Counter({text: n for text, n in counts.items() if text not in iso})
    digits = {text: n for text, n in left.items() if _is_number(text)}
    if numbers and digits:
        _find_epoch(found, digits, counts.total())
    if not any(name.startswith("epoch") for name in found.formats):
        _find_patterns(found, left)
    if found.mixed:
        found.formats = []
    if not found.formats:
        return found
    read = _read(counts, found.formats, found.zone)
    found.unread = Counter({text: n for text, n in counts.items() if text not in read})
    seconds = {text: (moment or 0) / 1e6 for text, moment in read.items()}
    unset = (t for t, at in seconds.items() if not SET_FROM <= at <= SET_UNTIL)
    found.unset = sum(counts[text] for text in unset)
    return found


def looks_like_time(values: Iterable[str]) -> bool:
    """True where all of a few texts are surely times: ISO 8601, or an epoch of this century."""
    texts = list(values)
    if not texts:
        return False
    if all(_is_number(text) for text in texts):
        return _unit_of([float(text) for text in texts]) is not None
    return len(_read(Counter(texts), ["iso8601"])) == len(set(texts)) or all(
        any(len(_read(Counter([text]), [p])) for p in candidates(text)) for text in texts
    )


def micros(texts: pl.Series, formats: list[str], zone: str) -> pl.Series:
    """Microseconds in UTC of texts; null for those that can't be read."""
    plain = texts.str.strip_chars(BLANK)
    return read_timestamps(plain, formats, zone).first


def _read(counts: Counter[str], formats: Sequence[str], zone: str = "UTC") -> dict[str, int]:
    """Texts that the formats read, with their microseconds."""
    texts = [text.encode("utf-8", "replace").decode() for text in counts]
    read = read_timestamps(pl.Series(texts, dtype=pl.String), formats, zone).first
    return {text: at for text, at in zip(counts, read, strict=True) if at is not None}


def _is_number(text: str) -> bool:
    try:
        return bool(text) and text[-1].isdigit() and abs(float(text)) < 1e20
    except ValueError:
        return False


def _find_epoch(found: Times, digits: Mapping[str, int], total: int) -> None:
    """Adds the epoch's unit, or the format that tells several apart."""
    units: Counter[TimestampFormat] = Counter()
    for text, number in digits.items():
        unit = _unit_of([float(text)])
        if unit is not None:
            units[unit] += number
    count = units.total()
    if count and count >= SET_SHARE * max(sum(digits.values()), total * 0.5):
        found.formats.append("epoch_auto" if len(units) > 1 else next(iter(units)))


def _unit_of(numbers: list[float]) -> TimestampFormat | None:
    for name, scale in EPOCHS.items():
        if all(YEAR_2000 <= number / scale <= YEAR_2100 for number in numbers):
            return name
    return None


class _Reading(NamedTuple):
    """A pattern tried on texts, with what makes it likelier than others."""

    number: int
    same_order: bool
    spread: int
    """Minus the span of the times: right guesses are closer together."""
    place: int
    pattern: str
    read: dict[str, int]

    @property
    def order(self) -> str:
        if is_day_first(self.pattern):
            return "day"
        return "month" if is_month_first(self.pattern) else ""


def _find_patterns(found: Times, left: Counter[str]) -> None:
    """Adds the patterns that read most of the texts, one after the other."""
    left, order, failed = Counter(left), "", 0
    while left and len(found.formats) < MOST_PATTERNS and failed < MOST_FAILURES:
        text = max(left, key=lambda text: (left[text], text))
        tried = _tried(text, left, order)
        if not tried:
            failed += 1
            form = _form(text)
            left = Counter({other: n for other, n in left.items() if _form(other) != form})
            continue
        best = max(tried, key=lambda one: one[:4])
        equal = {one.order: one for one in tried if one.number == best.number}
        if not order and {"day", "month"} <= equal.keys():
            found.guessed_order = True
            best = equal["month"] if "%p" in best.pattern else best
        if order and best.order not in ("", order):
            found.mixed = "some of its dates are day first, others month first"
            found.formats = []
            return
        order = order or best.order
        found.formats += [n for n in companions(best.pattern) if n not in found.formats]
        read = _read(left, found.formats)
        _note_zone(found, best.pattern, sum(left[text] for text in read))
        left = Counter({text: n for text, n in left.items() if text not in read})


def _tried(text: str, left: Counter[str], order: str) -> list[_Reading]:
    """The patterns that may be those of a text, with all that they read."""
    tried = []
    for place, pattern in enumerate(candidates(text)):
        read = _read(left, [pattern])
        if text in read and all(FIRST_YEAR <= at / 1e6 <= YEAR_2100 for at in read.values()):
            spread = max(read.values()) - min(read.values())
            one = _Reading(len(read), False, -spread, -place, pattern, read)
            tried.append(one._replace(same_order=one.order == order != ""))
    return tried


def _note_zone(found: Times, pattern: str, count: int) -> None:
    """Notes the zone of times without an offset."""
    zone = zone_of(pattern)
    if zone is not None:
        found.zone = zone
    if "%z" not in pattern.lower() and not pattern.upper().endswith("Z"):
        found.naive += count


def _form(text: str) -> str:
    """The text with the same digit everywhere: texts of one form have the same patterns."""
    return _DIGIT.sub("9", text)
