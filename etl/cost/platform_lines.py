"""Lines that Lambda itself writes to a function's log, and what they weigh.

With JSON logs at system log level ``INFO``, an invocation that succeeds writes ``platform.start``
and ``platform.report``; ``platform.runtimeDone`` is ``DEBUG`` and ``platform.initStart`` comes once
per environment. At ``WARN`` none of them is written, only those of an invocation that failed.
Levels: "System log level event mapping" in
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html; members:
https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html (both read 2026-11).
The lines below are of that form, with the trace's id, as functions with active tracing write them.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["LINE_BYTES", "platform_bytes"]

LINE_BYTES = 26
"""Bytes that CloudWatch Logs adds to each event
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html)."""

REQUEST = f"{0:08}-{0:04}-{0:04}-{0:04}-{0:012}"
TRACING = {
    "spanId": "0" * 16,
    "type": "X-Amzn-Trace-Id",
    "value": f"Root=1-{0:08}-{0:024};Parent={0:016};Sampled=1",
}
"""Ids as long as AWS's; only their length counts."""
LINES: tuple[dict[str, Any], ...] = (
    {
        "time": "2026-11-12T00:00:15.064Z",
        "type": "platform.start",
        "record": {
            "requestId": REQUEST,
            "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:telemetry-transform",
            "version": "$LATEST",
            "tracing": TRACING,
        },
    },
    {
        "time": "2026-11-12T00:00:15.758Z",
        "type": "platform.report",
        "record": {
            "requestId": REQUEST,
            "metrics": {
                "durationMs": 693.92,
                "billedDurationMs": 694,
                "memorySizeMB": 1769,
                "maxMemoryUsedMB": 184,
            },
            "tracing": TRACING,
            "status": "success",
        },
    },
)


def platform_bytes(system_log_level: str) -> int:
    """Bytes that Lambda itself logs for one invocation that succeeds, at that level."""
    if system_log_level == "WARN":
        return 0
    return sum(len(json.dumps(line, separators=(",", ":"))) + LINE_BYTES for line in LINES)
