"""A line of a function's log in readable form: level, message and fields.

The functions write JSON (``docs/metrics.md`` lists the fields). Lines that hold only metrics, and
those that Lambda itself writes around an invocation, are not shown; that an invocation timed out
or that its process died is said by Lambda alone, so those lines are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from telemetry.metrics import BELOW

__all__ = ["LogLine", "parse_log_line"]

LAMBDA_LINES = ("START RequestId:", "END RequestId:", "REPORT RequestId:")
OMITTED_FIELDS = frozenset(
    {"level", "message", "timestamp", "service", "function", "location", "request_id",
     "xray_trace_id", "exception", "exception_name"}
)  # fmt: skip
"""Fields that are shown elsewhere in the line, or that only serve to search for it."""
METRIC_FIELDS = frozenset({"_aws", BELOW})
"""Fields by which a line is known that holds only metrics, or what is none at this level."""
PLATFORM = "platform."
"""Beginning of the type of Lambda's own lines, where the log format is JSON."""
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
    if content is not None and str(content.get("type", "")).startswith(PLATFORM):
        return _platform_line(content.get("record"))
    if content is None or "message" not in content:
        return None if content is not None and METRIC_FIELDS & content.keys() else LogLine(text)
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


def _platform_line(record: Any) -> LogLine | None:
    """One of Lambda's own lines, in JSON; ``None`` for those of an invocation that went well.

    (https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html, read 2026-11.)
    """
    if not isinstance(record, dict) or record.get("status", "success") == "success":
        return None
    metrics = record.get("metrics")
    fields = {"error": record.get("errorType"), **(metrics if isinstance(metrics, dict) else {})}
    return LogLine(
        message=f"Lambda ended the invocation: {_shown(record['status'])}",
        level="ERROR",
        fields={name: _shown(value) for name, value in fields.items() if value is not None},
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
