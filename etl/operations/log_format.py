"""One line of a function's log as a person reads it: level, message, and what it is about.

The functions write JSON (``docs/metrics.md`` has the fields). Lines that carry only metrics, and
those that Lambda itself writes around an invocation, are for machines.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LogLine", "log_line"]

MACHINES = ("START RequestId:", "END RequestId:", "REPORT RequestId:")
APART = frozenset(
    {"level", "message", "timestamp", "service", "function", "location", "request_id",
     "xray_trace_id", "exception", "exception_name"}
)  # fmt: skip
"""Fields that the line shows elsewhere, or that only help to find it."""
LONGEST_VALUE = 200


@dataclass(frozen=True)
class LogLine:
    """A line that somebody may want to read."""

    message: str
    level: str = ""
    """``INFO``, ``WARNING``, ``ERROR``; empty for a line that isn't structured."""
    fields: dict[str, str] = field(default_factory=dict)
    """What else it says, in its order, each cut to a readable length."""
    trace: str = ""
    """The Python traceback of an error."""


def log_line(text: str) -> LogLine | None:
    """The line, or ``None`` for one that is for machines only."""
    text = text.rstrip()
    if not text or text.startswith(MACHINES):
        return None
    content = _object(text)
    if content is None or "message" not in content:
        return None if content is not None and "_aws" in content else LogLine(text)
    return LogLine(
        message=_shown(content["message"]),
        level=str(content.get("level", "")),
        fields={
            name: _shown(value)
            for name, value in content.items()
            if name not in APART and value not in (None, "", [], {})
        },
        trace=str(content.get("exception") or ""),
    )


def _object(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
