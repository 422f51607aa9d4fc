"""One structured logger for a function: JSON lines with the keys of the invocation.

Import :data:`log` and write ``log.info("Staged a batch", messages=120)``. The keys that
:mod:`telemetry.entry` appends (execution, batch_id, request id; the trace id comes from
Powertools) are then in every line.
"""

from __future__ import annotations

import os
import sys
from typing import IO, Any, cast

from aws_lambda_powertools.logging import Logger

__all__ = ["log"]


class _CurrentStdout:
    """Writes to whatever ``sys.stdout`` is at the time: runtimes and tests replace it."""

    def write(self, data: str) -> int:
        return sys.stdout.write(data)

    def flush(self) -> None:
        sys.stdout.flush()


def _build() -> Any:
    stream = cast("IO[str]", _CurrentStdout())
    return Logger(
        service=os.environ.get("POWERTOOLS_SERVICE_NAME", "telemetry"),
        level=os.environ.get("POWERTOOLS_LOG_LEVEL", "INFO"),
        stream=stream,
        utc=True,
        use_rfc3339=True,
        serialize_stacktrace=False,  # the traceback is in the line already, as text
    )


log: Logger = _build()
