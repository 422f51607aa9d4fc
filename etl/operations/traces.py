"""The X-Ray trace of an execution as a timeline of all its stages.

Reads the X-Ray API (``GetTraceSummaries`` by the ``execution`` annotation, ``BatchGetTraces``);
the local trace store answers the same calls.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.table import Table
from rich.text import Text

from etl.aws.target import Target
from etl.operations.escaping import escape_text
from etl.operations.executions import describe
from etl.pictures.gantt import FUNCTION_CODE
from etl.pictures.history import error_message

__all__ = ["flatten", "load_trace", "timeline"]

TRACES_A_CALL = 5
"""Most trace ids that one ``BatchGetTraces`` takes
(https://docs.aws.amazon.com/xray/latest/api/API_BatchGetTraces.html, read 2026-11)."""
BAR = 28
"""Characters of the longest bar."""


def load_trace(target: Target, arn: str) -> dict[str, Any] | None:
    """``{"trace_id", "spans": [...]}`` of an execution, or ``None`` where X-Ray has none.

    A span is ``{"name", "depth", "start", "end", "fault", "annotations", "origin", "own",
    "running", "error", "cause"}``; times are epoch seconds, spans are in nesting order.
    ``own`` is true for the steps that a function's code defines itself; ``error`` and ``cause`` are
    ``None`` where the span did not fail.
    """
    ids = _trace_ids(target, arn)
    if not ids:
        return None
    xray = target.client("xray")
    pages = xray.get_paginator("batch_get_traces")
    documents = [
        json.loads(segment["Document"])
        for start in range(0, len(ids), TRACES_A_CALL)
        for page in pages.paginate(TraceIds=ids[start : start + TRACES_A_CALL])
        for trace in page["Traces"]
        for segment in trace["Segments"]
    ]
    return {"trace_id": ids[0], "spans": flatten(documents)}


def _trace_ids(target: Target, arn: str) -> list[str]:
    """Ids of an execution's traces, the earliest first.

    There may be several: a child execution of the Distributed Map may have a trace of its own. An
    id begins with the time (hexadecimal), so the ids sort by it.
    """
    execution = describe(target, arn)
    pages = target.client("xray").get_paginator("get_trace_summaries")
    found = pages.paginate(
        StartTime=execution.started - timedelta(minutes=1),
        EndTime=(execution.stopped or datetime.now(UTC)) + timedelta(minutes=1),
        FilterExpression=f'annotation.execution = "{execution.name}"',
    )
    return sorted({summary["Id"] for page in found for summary in page["TraceSummaries"]})


def flatten(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Spans of these segments in nesting order, parents before children, by start."""
    nodes: dict[str, dict[str, Any]] = {}
    parents: dict[str, str | None] = {}

    def collect(document: dict[str, Any], parent: str | None) -> None:
        nodes[document["id"]] = document
        parents[document["id"]] = document.get("parent_id") or parent
        for child in document.get("subsegments", []):
            collect(child, document["id"])

    for document in documents:
        collect(document, None)
    children: dict[str | None, list[str]] = {}
    for identity, parent in parents.items():
        children.setdefault(parent if parent in nodes else None, []).append(identity)
    spans: list[dict[str, Any]] = []

    def walk(identity: str, depth: int, own: bool) -> None:
        node = nodes[identity]
        spans.append({"depth": depth, "own": own, **_span(node)})
        own = own or node.get("origin") == FUNCTION_CODE
        for child in sorted(children.get(identity, []), key=lambda i: nodes[i]["start_time"]):
            walk(child, depth + 1, own)

    for root in sorted(children.get(None, []), key=lambda i: nodes[i]["start_time"]):
        walk(root, 0, own=False)
    return spans


def _span(node: dict[str, Any]) -> dict[str, Any]:
    """The fields of one segment or subsegment."""
    # The cause may also be the id of another segment's exception.
    cause = node.get("cause")
    exceptions = cause.get("exceptions", []) if isinstance(cause, dict) else []
    first = exceptions[0] if exceptions else {}
    return {
        "name": node.get("name", "?"),
        "start": node["start_time"],
        "end": node.get("end_time", node["start_time"]),
        "fault": bool(node.get("fault") or node.get("error")),
        "annotations": node.get("annotations", {}),
        "origin": node.get("origin"),
        "running": "end_time" not in node,
        "error": first.get("type"),
        "cause": error_message(first.get("message")),
    }


def timeline(trace: dict[str, Any]) -> Table:
    """A trace as a table with bars on one time axis."""
    spans = trace["spans"]
    begin = min(span["start"] for span in spans)
    whole = max(max(span["end"] for span in spans) - begin, 1e-6)
    table = Table(title=f"trace {trace['trace_id']}  {whole:.3f} s", title_justify="left")
    table.add_column("stage", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True, min_width=7)
    table.add_column("timeline", no_wrap=True)
    if any(span["fault"] for span in spans):  # colours alone would be lost in a pipe
        table.add_column("error")
    for span in spans:
        seconds = span["end"] - span["start"]
        offset = int((span["start"] - begin) / whole * BAR)
        length = max(1, round(seconds / whole * BAR))
        bar = " " * min(offset, BAR - 1) + "█" * min(length, BAR - min(offset, BAR - 1))
        style = "red" if span["fault"] else "cyan"
        name = "  " * span["depth"] + span["name"]
        cells = [name, f"{seconds * 1000:.1f}", Text(bar, style=style), _error_of(span)]
        table.add_row(*cells[: len(table.columns)])
    return table


def _error_of(span: dict[str, Any]) -> Text:
    parts = [escape_text(part) for part in (span["error"], span["cause"]) if part]
    return Text(": ".join(parts) or ("failed" if span["fault"] else ""), style="red")
