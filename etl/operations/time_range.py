"""A range of time as a person names it: ``--from`` (included) to ``--to`` (excluded), in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from telemetry.errors import UserError

__all__ = ["ALWAYS", "KEPT_IN_THE_QUEUE", "Span", "SpanError", "moment", "since"]

KEPT_IN_THE_QUEUE = timedelta(days=15)
"""A batch's key bears the day its execution started or its oldest message was sent, and SQS keeps
messages for 14 days: a batch is staged at most so long after the day in its key."""
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class SpanError(UserError):
    """Raised when a range can't be read or is empty; the message says what to write."""


@dataclass(frozen=True)
class Span:
    """Times from ``start`` (included) to ``end`` (excluded); both are timezone-aware."""

    start: datetime = FIRST
    end: datetime = LAST

    @classmethod
    def of(cls, start: str | None, end: str | None) -> Span:
        """The span between two ISO dates or times; ``None`` leaves a side open."""
        span = cls(moment(start) if start else FIRST, moment(end) if end else LAST)
        if span.start >= span.end:
            raise SpanError(
                f"Nothing lies between --from {start} and --to {end}: the end itself is excluded, "
                "so a day D is --from D --to D+1."
            )
        return span

    def __contains__(self, time: datetime) -> bool:
        return self.start <= time < self.end

    @property
    def is_open(self) -> bool:
        """Whether every time lies in it."""
        return (self.start, self.end) == (FIRST, LAST)

    @property
    def first_key_day(self) -> date:
        """The earliest day in the key of a batch that was staged in the span."""
        if self.start - FIRST < KEPT_IN_THE_QUEUE:
            return FIRST.date()
        return (self.start - KEPT_IN_THE_QUEUE).date()

    @property
    def last_key_day(self) -> date:
        """The latest day in the key of a batch that was staged in the span."""
        return (self.end - timedelta(microseconds=1)).date()

    def __str__(self) -> str:
        start = "the beginning" if self.start == FIRST else _told(self.start)
        end = "now" if self.end == LAST else _told(self.end)
        return f"{start} to {end}"


ALWAYS = Span()


def moment(text: str) -> datetime:
    """An ISO date (its midnight) or time; UTC where it names no other. Raises SpanError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise SpanError(
            f"'{text}' is no time: write 2026-11-23 or 2026-11-23T06:30 (UTC)."
        ) from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def since(text: str, now: datetime) -> datetime:
    """A time as a person names it from now, such as ``90m``, ``6h`` or ``2d``, or as :func:`moment`
    reads it. Raises SpanError, also for one that is still to come."""
    ago = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    try:
        found = now - timedelta(**{UNITS[ago[2]]: int(ago[1])}) if ago else moment(text)
    except (SpanError, OverflowError):
        raise SpanError(
            f"'{text}' is no time: write 90m, 6h, 2d, or 2026-11-23T06:30 (UTC)."
        ) from None
    if found >= now:
        raise SpanError(f"Nothing has happened since {text}: it is still to come.")
    return found


def _told(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC" if time.time() != time.min.time() else f"{time:%Y-%m-%d}"
