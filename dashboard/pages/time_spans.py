"""The time ranges that every page with charts offers, by the name in its address (``?span=6h``)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["SPANS", "STEPS", "floor", "span_covering", "step_text"]

SPANS = {
    "1h": ("1 hour", timedelta(hours=1)),
    "6h": ("6 hours", timedelta(hours=6)),
    "24h": ("24 hours", timedelta(hours=24)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
}
STEPS = {
    "1h": timedelta(minutes=1),
    "6h": timedelta(minutes=5),
    "24h": timedelta(minutes=20),
    "7d": timedelta(hours=3),
    "30d": timedelta(hours=12),
}
"""Step of a chart over each of them: about 60 to 72 steps."""


def span_covering(age: timedelta | None, longest: str = "30d") -> str:
    """Name of the shortest time range that covers an age; a day where the age is not known."""
    if age is None:
        return "24h"
    return next((name for name, (_, length) in SPANS.items() if age < length), longest)


def floor(time: datetime, step: timedelta) -> datetime:
    """The last whole step before a time."""
    seconds = step.total_seconds()
    return datetime.fromtimestamp(time.timestamp() // seconds * seconds, UTC)


def step_text(name: str) -> str:
    """The step of a time range as a unit: ``per minute``, ``per 20 minutes``, ``per 3 hours``."""
    minutes = int(STEPS[name].total_seconds() // 60)
    number, unit = (minutes // 60, "hour") if minutes >= 60 else (minutes, "minute")
    return f"per {unit}" if number == 1 else f"per {number} {unit}s"
