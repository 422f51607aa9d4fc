"""Wraps a Lambda handler: logs, metrics, tracing and typed errors.

::

    @lambda_entry
    def handle(event: dict[str, Any]) -> dict[str, Any]:
        return load_batch(Reference.parse(event), settings).as_dict()

Lambda calls the result as ``handle(event, context)``; the function itself stays available as
``handle.__wrapped__``. Every log line, those with metrics too, carries ``execution``,
``batch_id``, the request id and the trace id; the trace carries ``execution`` and ``batch_id`` as
annotations. Ids that the event doesn't have are added later by :func:`identify`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any

from telemetry import metrics, tracing
from telemetry.clients import typed_error
from telemetry.errors import PermanentError, TelemetryError, TransientError
from telemetry.layout import parse_raw_key
from telemetry.logs import log
from telemetry.metric_table import STAGES

__all__ = ["Event", "identify", "lambda_entry", "seconds_left"]

Event = dict[str, Any]

_context: ContextVar[Any] = ContextVar("lambda_context", default=None)
_known: dict[str, str] = {}
"""Keys of this invocation's log lines; a Lambda process serves one invocation at a time."""


def lambda_entry(handle: Callable[[Event], Event]) -> Callable[..., Event]:
    """Makes a Lambda handler of a function from event to result."""
    name = f"{handle.__module__.removeprefix('functions.').partition('.')[0]}.{handle.__name__}"

    @wraps(handle)
    def entry(event: Event, context: Any = None) -> Event:
        log.clear_state()
        _known.clear()
        _remember(**_invocation(context))
        token = _context.set(context)
        started = time.perf_counter()
        try:
            with tracing.step(name):
                identify(**_identity(event))
                return _run(handle, event)
        finally:
            _context.reset(token)
            stage = os.environ.get("POWERTOOLS_SERVICE_NAME")
            if stage in STAGES:
                seconds = round(time.perf_counter() - started, 6)
                metrics.record("StageSeconds", seconds, of=stage)
            _flush()

    return entry


def identify(**known: str) -> None:
    """Puts ``execution`` or ``batch_id`` into all lines from here on, and onto the current step."""
    _remember(**known)
    for key, value in known.items():
        tracing.annotate(key, value)


def _remember(**known: str) -> None:
    log.append_keys(**known)
    _known.update(known)


def _flush() -> None:
    """Writes the metrics; an error in them must never fail the work."""
    try:
        metrics.flush(_known | _trace())
    except Exception:
        log.exception("The metrics could not be written")


def _trace() -> dict[str, str]:
    """The trace id, under the name that Powertools gives it in the other lines."""
    found = tracing.trace_id()
    return {} if found is None else {"xray_trace_id": found}


def seconds_left() -> float:
    """Seconds until Lambda ends this invocation; infinite outside Lambda.

    Ask it in the thread that runs the handler: other threads have no context.
    """
    context = _context.get()
    if context is None:
        return float("inf")
    return float(context.get_remaining_time_in_millis()) / 1000


def _run(handle: Callable[[Event], Event], event: Event) -> Event:
    try:
        return handle(event)
    except TransientError as error:
        log.warning(str(error), error=type(error).__name__, exc_info=True)
        raise
    except PermanentError as error:
        log.error(str(error), error=type(error).__name__, exc_info=True)
        raise
    except Exception as error:
        typed = _typed(error)
        log.error(str(error), error=type(typed or error).__name__, exc_info=True)
        if typed is None:
            raise
        raise typed from error


def _typed(error: Exception) -> TelemetryError | None:
    """The typed form of an AWS error that was called outside ``calling``."""
    operation = str(getattr(error, "operation_name", ""))
    if operation == "GetSecretValue":
        service = "secretsmanager"
    elif "Message" in operation or "Queue" in operation:
        service = "sqs"
    else:
        service = "s3"
    return typed_error(error, service, operation or "call AWS")


def _identity(event: Event) -> dict[str, str]:
    """Execution and batch id, as far as the event has them."""
    found = {key: event[key] for key in ("execution", "batch_id") if key in event}
    raw = parse_raw_key(str(event.get("raw_key") or event.get("key") or ""))
    if raw is not None:
        found.setdefault("execution", raw.execution)
        found.setdefault("batch_id", raw.batch_id)
    return {key: str(value) for key, value in found.items()}


def _invocation(context: Any) -> dict[str, str]:
    if context is None:
        return {}
    return {
        "function": str(getattr(context, "function_name", "")),
        "request_id": str(getattr(context, "aws_request_id", "")),
    }
