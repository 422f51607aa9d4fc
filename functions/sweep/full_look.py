"""The last look at all days, and the older days on which it found batches that are not settled.

Batches of today and yesterday change all the time, older ones hardly ever. So the schedule's sweeps
list those two days, and all days once a day (UTC). The older days on which that look found a batch
that is not settled are listed by every sweep until the next day: what failed there is retried as
promised, and what needs attention is counted each time.

The object is derived and never relied on: without it, all days are listed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta

from telemetry.errors import BatchMissingError, TelemetryError
from telemetry.logs import log
from telemetry.storage import get_object, put_object

__all__ = ["LOOK_KEY", "FullLook", "days_back", "read_look", "write_look"]

LOOK_KEY = "sweep/look.json"
# An infinite number and endless nesting are JSON to Python.
_DAMAGE = (TelemetryError, ArithmeticError, LookupError, ValueError, TypeError, RecursionError)


@dataclass(frozen=True)
class FullLook:
    """One look at all days."""

    on: date
    """The day (UTC) of the look."""
    days: int
    """Days that it looked back."""
    unsettled: tuple[date, ...] = ()
    """Days before the day before :attr:`on` with batches that were not settled then."""


def days_back(today: date, days: int) -> list[date]:
    """So many days back from today, and tomorrow for a clock that is ahead."""
    return [today - timedelta(days=back) for back in range(-1, days + 1)]


def read_look(bucket: str) -> FullLook | None:
    """The last look; ``None`` where there was none, or where it can't be read."""
    try:
        content = json.loads(get_object(bucket, LOOK_KEY))
        return FullLook(
            date.fromisoformat(content["on"]),
            int(content["days"]),
            tuple(date.fromisoformat(day) for day in content["unsettled"]),
        )
    except BatchMissingError:
        return None
    except _DAMAGE as error:
        log.warning("The last look can't be read: all days are listed", cause=str(error))
        return None


def write_look(bucket: str, look: FullLook) -> None:
    """Keeps the look for the sweeps until tomorrow; never raises for a failure of AWS."""
    content = {
        "on": look.on.isoformat(),
        "days": look.days,
        "unsettled": [day.isoformat() for day in look.unsettled],
    }
    try:
        put_object(bucket, LOOK_KEY, json.dumps(content).encode(), "application/json")
    except TelemetryError as error:
        log.warning("The look can't be kept: the next sweep lists all days", cause=str(error))
