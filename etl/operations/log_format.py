"""A line of a function's log in readable form: level, message and fields.

The functions write JSON (``docs/metrics.md`` lists the fields). Lines that hold only metrics, and
those that Lambda itself writes around an invocation, are not shown.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LogLine", "parse_log_line"]

LAMBDA_LINES = ("START RequestId:", "END RequestId:", "REPORT RequestId:")
OMITTED_FIELDS = frozenset(
    {"level", "message", "timestamp", "service", "function", "location", "request_id",
     "xray_trace_id", "exception", "exception_name"}
)  # fmt: skip
"""Fields that are shown elsewhere in the line, or that only serve to search for it."""
LONGEST_VALUE = 200


@dataclass(frozen=True)
class LogLine:
    """A log line to show."""

    message: str
    level: str = ""
    """``INFO``, ``WARNING`` or ``ERROR``; empty for a line that is not JSON."""
    fields: dict[str, str] = field(default_factory=dict)
    """Its other fields, in their order, each cut to a readable length."""
    trace: str = ""
    """The Python traceback of an error."""


def parse_log_line(text: str) -> LogLine | None:
    """The line to show, or ``None`` for one that is not shown."""
    text = text.rstrip()
    if not text or text.startswith(LAMBDA_LINES):
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
            if name not in OMITTED_FIELDS and value not in (None, "", [], {})
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
