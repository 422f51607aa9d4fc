"""Visits to states and their errors, read from an execution's history. Pure.

Events are those of Step Functions' GetExecutionHistory, oldest first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["StateVisit", "error_message", "read_visits"]

ERROR_MESSAGE = re.compile(r'\{"errorMessage": ?("(?:[^"\\]|\\.)*")')
"""Start of the error object of a Lambda function."""


@dataclass
class StateVisit:
    """One visit of an execution to a state."""

    name: str
    entered: datetime
    exited: datetime | None = None
    """``None`` while the visit lasts, and for the state in which the execution ended."""
    failures: int = 0
    """Attempts that failed."""
    error: str | None = None
    """Name of the last failure's error."""
    cause: str | None = None
    """Message of the last failure."""
    attempt_failed: bool = False
    """True where the last attempt failed and no other has begun."""

    @property
    def retries(self) -> int:
        """Attempts that began after a failure."""
        return self.failures - self.attempt_failed

    @property
    def seconds(self) -> float | None:
        """Duration of the visit; ``None`` while it lasts."""
        return (self.exited - self.entered).total_seconds() if self.exited else None


def read_visits(events: Iterable[Mapping[str, Any]]) -> list[StateVisit]:
    """The visits to states, in the order in which they began."""
    visits: list[StateVisit] = []
    for event in events:
        kind = event["type"]
        if kind.endswith("StateEntered"):
            visits.append(StateVisit(event["stateEnteredEventDetails"]["name"], event["timestamp"]))
        elif not visits or kind.startswith("Execution"):
            continue
        elif kind.endswith("StateExited"):
            _exit(visits, event["stateExitedEventDetails"]["name"], event["timestamp"])
        elif kind.endswith(("Failed", "TimedOut")):
            visit = visits[-1]
            visit.failures += 1
            visit.attempt_failed = True
            visit.error, visit.cause = _error_of(event)
        elif kind.endswith(("Scheduled", "Started", "Succeeded")):
            visits[-1].attempt_failed = False
    return visits


def error_message(cause: str | None) -> str | None:
    """The message in the error object of a Lambda function, without its stack trace.

    The object may be cut off, as it is in traces. Any other cause is returned as it is.
    """
    message = ERROR_MESSAGE.match(cause or "")
    return str(json.loads(message[1])) if message else cause


def _exit(visits: list[StateVisit], name: str, time: datetime) -> None:
    for visit in reversed(visits):
        if visit.name == name and visit.exited is None:
            visit.exited = time
            return


def _error_of(event: Mapping[str, Any]) -> tuple[str, str | None]:
    """Name and message of a failure; the event's type where it names no error."""
    for key, details in event.items():
        if key.endswith("EventDetails") and isinstance(details, dict) and "error" in details:
            return str(details["error"]), error_message(details.get("cause"))
    return str(event["type"]), None
