"""Tracing, behind one small module: a step of the work becomes an X-Ray subsegment.

Outside Lambda, and where no trace is being recorded, all of this does nothing. Inside, a failure
of tracing is swallowed: a trace explains the work, it must never stop it.

The X-Ray SDK is in maintenance since 2026-02 and AWS recommends OpenTelemetry for new work.
Nothing but this module knows the SDK, so that a change touches one file.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from telemetry.metric_table import OBSERVABILITY, Level, level_of

__all__ = ["TRACE_SHARES", "annotate", "start_options", "step", "trace_id"]

TRACE_SHARES: dict[Level, float] = {"lean": 0.05, "standard": 0.2, "full": 1.0}
"""Share of the executions that are traced at each level of observability. At ``full`` AWS decides:
the first of each second, and 5 % of the others."""

TRACE_HEADER = "_X_AMZN_TRACE_ID"
"""Set by Lambda's runtime for each invocation, such as ``Root=1-...;Parent=...;Sampled=1``."""


def trace_id() -> str | None:
    """The id of the trace this invocation belongs to, such as ``1-5759e988-bd86...``."""
    for part in os.environ.get(TRACE_HEADER, "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == "Root" and value:
            return value
    return None


def start_options(name: str) -> dict[str, str]:
    """Options of ``StartExecution`` that decide whether the execution of this name is traced.

    Empty at the level ``full``, where AWS decides. A repeated start decides the same again.
    """
    level = level_of(os.environ.get(OBSERVABILITY))
    if level == "full":
        return {}
    digest = hashlib.sha256(name.encode()).hexdigest()
    sampled = int(digest[:8], 16) < TRACE_SHARES[level] * 2**32
    root = f"1-{int(time.time()):08x}-{digest[8:32]}"
    return {"traceHeader": f"Root={root};Sampled={int(sampled)}"}


@contextmanager
def step(name: str) -> Iterator[None]:
    """Times the enclosed work as a subsegment; an exception marks it as failed and passes on."""
    recorder = _recorder()
    subsegment = None
    if recorder is not None:
        with suppress(Exception):
            subsegment = recorder.begin_subsegment(name)
    try:
        yield
    except BaseException as error:
        if subsegment is not None:
            with suppress(Exception):
                subsegment.add_exception(error, [])
        raise
    finally:
        if subsegment is not None:
            with suppress(Exception):
                recorder.end_subsegment()


def annotate(key: str, value: str | int | float | bool) -> None:
    """Puts a searchable value on the innermost open step (``annotation.key = "value"``)."""
    recorder = _recorder()
    if recorder is None:
        return
    with suppress(Exception):
        # Lambda owns the segment itself: only subsegments take annotations.
        subsegment = recorder.current_subsegment()
        if subsegment is not None:
            subsegment.put_annotation(key, value)


def _recorder() -> Any:
    """The SDK's recorder, or ``None`` outside a traced invocation."""
    if not os.environ.get("LAMBDA_TASK_ROOT") or trace_id() is None:
        return None
    try:
        from aws_xray_sdk.core import xray_recorder

        _follow_invocation(xray_recorder.context)
    except Exception:  # a broken or missing SDK costs the trace, not the batch
        return None
    return xray_recorder


def _follow_invocation(context: Any) -> None:
    """Put new steps below this invocation's segment.

    A warm function serves several batches of one execution, all in one trace. The SDK starts
    a new segment only where the trace differs, and would put their steps below the first one.
    """
    from aws_xray_sdk.core.models.facade_segment import FacadeSegment
    from aws_xray_sdk.core.models.trace_header import TraceHeader

    header = TraceHeader.from_header_str(os.environ[TRACE_HEADER])
    entity = context.get_trace_entity()
    segment = getattr(entity, "parent_segment", entity)
    if header.parent and segment.id != header.parent:
        context.set_trace_entity(
            FacadeSegment("facade", header.parent, header.root, bool(header.sampled))
        )
