"""Round numbers and round times for axes. Pure."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

__all__ = ["Scale", "number_text", "scale_of", "time_ticks"]

YEAR = 31_556_952
"""Seconds of a year of the calendar, on average."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_SECOND = int((datetime.max.replace(tzinfo=UTC, microsecond=0) - EPOCH).total_seconds())
LEAST_STEP = 1e-300
"""Steps below this have too few digits to divide by."""
SECOND_STEPS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600,
    12 * 3600, 86400, 2 * 86400, 7 * 86400, 14 * 86400, 30 * 86400, 91 * 86400,
    *(years * YEAR for years in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)),
)  # fmt: skip
_PREFIXES = ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))
"""Least value, divisor and letter of each prefix."""


@dataclass(frozen=True)
class Scale:
    """An axis from ``low`` to ``high``, both round, with equal steps."""

    low: float
    high: float
    step: float

    @property
    def ticks(self) -> list[float]:
        """Values of all ticks, both ends included."""
        # An end that is the greatest double may be less than a step from the other one.
        number = max(1, round(self.high / self.step - self.low / self.step))
        between = (self.low + self.step * n for n in range(1, number))
        return [self.low, *(tick for tick in between if abs(tick) < sys.float_info.max), self.high]

    def place(self, value: float) -> float:
        """Position of a value: 0 at the low end, 1 at the high end."""
        # By halves: the whole may be twice the greatest double.
        return (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)


def scale_of(least: float, most: float, *, ticks: int = 4, zero: bool = False) -> Scale:
    """A round scale that covers both values, and 0 where ``zero`` is set."""
    if zero:
        least, most = min(0.0, least), max(0.0, most)
    largest = max(abs(least), abs(most))
    if least == most:
        spread = max(largest * 0.1, LEAST_STEP) if largest else 1.0
        least, most = (0.0, spread) if zero else (_finite(least - spread), _finite(most + spread))
    # At least so much of the value that a step away from it is another double.
    step = _round_step(max(most / ticks - least / ticks, largest * 1e-12, LEAST_STEP))
    low = _finite(math.floor(least / step + 1e-9) * step)
    high = _finite(math.ceil(most / step - 1e-9) * step)
    return Scale(low, high, step) if high > low else Scale(low, low + step, step)


def _finite(value: float) -> float:
    return min(max(value, -sys.float_info.max), sys.float_info.max)


def _round_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    for factor in (1, 2, 2.5, 5, 10):
        if raw <= factor * power * (1 + 1e-9):
            return factor * power
    return 10 * power


def number_text(value: float, step: float | None = None) -> str:
    """A number as text: ``12.5``, ``3,400``, ``1.2 M``, with the digits that the step needs."""
    if value == 0:
        return "0"
    if abs(value) >= 1e15 or (abs(value) < 1e-9 and (step is None or step < 1e-6)):
        return f"{value:.3g}"
    for least, size, prefix in _PREFIXES:
        if abs(value) >= least:
            shown = f"{value / size:,.2f}".rstrip("0").rstrip(".")
            return f"{shown} {prefix}"
    if step is None:  # three digits
        step = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step < 1 else 0
    if step < 1 and abs(step * 10**digits - round(step * 10**digits)) > 0.1:
        digits += 1  # a step of 0.25: 0.75 is not 0.8
    if digits > 6:
        return f"{value:.3g}"
    return f"{value:,.{1 if step > 1 and step % 1 else digits}f}"


def time_ticks(start: datetime, end: datetime, most: int = 5) -> list[tuple[float, str]]:
    """Round times between two times, each with its position (0..1) and its text in UTC."""
    whole = max((end - start).total_seconds(), 1e-3)
    step = next((s for s in SECOND_STEPS if whole / s <= most), SECOND_STEPS[-1])
    first = math.ceil(start.timestamp() / step) * step
    found: list[tuple[float, str]] = []
    at = float(first)
    while at <= min(end.timestamp(), LAST_SECOND) and len(found) <= most + 1:
        time = EPOCH + timedelta(seconds=at)
        found.append(((at - start.timestamp()) / whole, _time_text(time, step)))
        at += step
    return found


def _time_text(time: datetime, step: int) -> str:
    if step >= YEAR:
        return f"{time:%b} {time.year}"
    if step >= timedelta(days=1).total_seconds():
        return f"{time:%b} {time.day}"
    if time.hour == time.minute == time.second == 0:
        return f"{time:%b} {time.day}"
    return f"{time:%H:%M:%S}" if step < 60 else f"{time:%H:%M}"
