"""Numbers and words that stand for "no value".

A number is one only if the field knows it as such, and if it also stands apart from all other
values: a sensor at rest repeats its value, and a plateau is not a gap.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from etl.authoring.names import counts_or_codes, identifies
from etl.authoring.quantities import is_temperature

__all__ = ["MISSING_WORDS", "Marker", "number_markers"]

MISSING_WORDS = {
    "", "nan", "null", "none", "nil", "n/a", "na", "n.a.", "#n/a", "-", "--", "---",
    "undefined", "nodata", "no data", "no_data", "unavailable",
}  # fmt: skip
"""Texts that mean "no value" among numbers, in lower case."""
KNOWN_MARKERS = {
    -99.9, -127, -128, -200, -273.15, -300, -999, -999.9, -9999, -99999, -32768, -2147483648,
    999, 999.9, 1999.9, 3276.7, 6553.5, 9999, 9999.9, 99999, 32767, 65535, 2147483647,
    4294967295,
}  # fmt: skip
"""Numbers that sensors and gateways commonly send instead of a missing value."""
POWER_ON = 85.0
"""Degrees that a DS18B20 sends before its first conversion."""
LEAST_OTHERS = 4
"""Distinct other values needed before one can stand apart."""


@dataclass(frozen=True)
class Marker:
    """A number that probably means "no value"."""

    value: float
    count: int
    reason: str


def number_markers(path: tuple[str, ...], counts: Counter[float]) -> list[Marker]:
    """The markers among the numbers of a member; none where they count or identify."""
    if counts_or_codes(path) or identifies(path):
        return []
    known = KNOWN_MARKERS | ({POWER_ON} if is_temperature(path) else set())
    rest = {number: n for number, n in counts.items() if number not in known}
    if len(rest) < LEAST_OTHERS or sum(rest.values()) < 0.5 * counts.total():
        return []
    low, high = min(rest), max(rest)
    span = high - low
    found = []
    for value in sorted(known & counts.keys()):
        gap = low - value if value < low else value - high
        if gap > span and gap > 0.2 * abs(value):
            where = "below" if value < low else "above"
            reason = f"a common marker, {gap:g} {where} all other values, which span {span:g}"
            found.append(Marker(value, counts[value], reason))
    return found
