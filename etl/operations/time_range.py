"""Time ranges of the options ``--from`` (included) and ``--to`` (excluded), in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from telemetry.errors import UserError

__all__ = [
    "ALWAYS",
    "MAX_STAGING_DELAY",
    "TimeRange",
    "TimeRangeError",
    "parse_since",
    "parse_time",
]

MAX_STAGING_DELAY = timedelta(days=15)
"""Most time from the day in a batch's key to its staging. It is the day on which the execution
started or the oldest message was sent, and SQS keeps messages for 14 days."""
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class TimeRangeError(UserError):
    """Raised when a time can't be parsed, or a time range is empty."""


@dataclass(frozen=True)
class TimeRange:
    """Times from ``start`` (included) to ``end`` (excluded); both are timezone-aware."""

    start: datetime = FIRST
    end: datetime = LAST

    @classmethod
    def of(cls, start: str | None, end: str | None) -> TimeRange:
        """The time range between two ISO dates or times; ``None`` leaves a side open."""
        found = cls(parse_time(start) if start else FIRST, parse_time(end) if end else LAST)
        if found.start >= found.end:
            raise TimeRangeError(
                f"--from {start} --to {end} is an empty time range: the end is excluded, so a "
                "day D is --from D --to D+1."
            )
        return found

    @classmethod
    def since(cls, start: str, end: str, now: datetime) -> TimeRange:
        """The time range between two past times as :func:`parse_since` reads them; an empty text
        leaves a side open. It may be empty. Raises :class:`TimeRangeError`."""
        return cls(
            parse_since(start, now) if start else FIRST, parse_since(end, now) if end else LAST
        )

    def __contains__(self, time: datetime) -> bool:
        return self.start <= time < self.end

    @property
    def is_open(self) -> bool:
        """True where the time range contains every time."""
        return (self.start, self.end) == (FIRST, LAST)

    @property
    def first_key_day(self) -> date:
        """The earliest day in the key of a batch that was staged in the time range."""
        if self.start - FIRST < MAX_STAGING_DELAY:
            return FIRST.date()
        return (self.start - MAX_STAGING_DELAY).date()

    @property
    def last_key_day(self) -> date:
        """The latest day in the key of a batch that was staged in the time range."""
        return (self.end - timedelta(microseconds=1)).date()

    def __str__(self) -> str:
        start = "the beginning" if self.start == FIRST else _text(self.start)
        end = "now" if self.end == LAST else _text(self.end)
        return f"{start} to {end}"


ALWAYS = TimeRange()


def parse_time(text: str) -> datetime:
    """Parse an ISO date (as its midnight) or time, in UTC where it has no zone.

    Raises :class:`TimeRangeError`.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise TimeRangeError(
            f"not a valid time: '{text}'. Write 2026-11-23 or 2026-11-23T06:30 (UTC)."
        ) from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_since(text: str, now: datetime) -> datetime:
    """Parse a time in the past: ``90m``, ``6h`` or ``2d`` before ``now``, or an ISO time.

    Raises :class:`TimeRangeError`, also for a time in the future.
    """
    ago = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    try:
        found = now - timedelta(**{UNITS[ago[2]]: int(ago[1])}) if ago else parse_time(text)
    except (TimeRangeError, OverflowError):
        raise TimeRangeError(
            f"not a valid time: '{text}'. Write 90m, 6h, 2d or 2026-11-23T06:30 (UTC)."
        ) from None
    if found >= now:
        raise TimeRangeError(f"'{text}' is in the future: give a time in the past.")
    return found


def _text(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC" if time.time() != time.min.time() else f"{time:%Y-%m-%d}"
