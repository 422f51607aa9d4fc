"""A trace as an SVG picture: each stage as a bar on one time axis, in nesting order.

Pure: takes the spans of ``etl.operations.traces``, returns the text of an SVG.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from etl.pictures.svg import Drawing, shorten, text_width
from etl.pictures.text import duration

__all__ = ["FUNCTION_CODE", "gantt_svg"]

Span = dict[str, Any]

FUNCTION_CODE = "AWS::Lambda::Function"
"""Origin of the segment for a function's code."""

MARGIN = 24.0
HEAD = 88.0
ROW = 22.0
BAR = 12.0
INDENT = 13.0
NAMES = 270.0
AXIS = 640.0
DURATIONS = 76.0
TICKS = 6
NAME_SIZE = 12.0
SMALL = 11.0
MAX_SIMILAR = 3
"""Most items of a Map to show: the failed ones and then the slowest."""

_LEGEND = (
    ("span-state", "state"),
    ("span-call", "Lambda, the call"),
    ("span-code", "Lambda, the code"),
    ("span-start", "cold start"),
    ("span-step", "step of the code"),
    ("failed", "failed"),
)


@dataclass(frozen=True)
class _Row:
    name: str
    depth: int
    start: float
    end: float
    role: str
    error: str = ""
    several: bool = False
    running: bool = False
    error_name: str = ""
    """Name of the error; only in the row of the span where it arose."""


def gantt_svg(trace: dict[str, Any], title: str = "") -> str:
    """The picture of ``{"trace_id", "spans"}``. Raises ``ValueError`` where there are no spans."""
    spans = trace["spans"]
    if not spans:
        raise ValueError(f"trace {trace['trace_id']} has no spans")
    rows = _rows(spans)
    begin = min(span["start"] for span in spans)
    whole = max(max(span["end"] for span in spans) - begin, 1e-6)
    width = MARGIN * 2 + NAMES + AXIS + DURATIONS
    height = HEAD + ROW * len(rows) + MARGIN + 22
    heading = title or f"Trace {trace['trace_id']}"
    drawing = Drawing(width, height, heading, _describe(trace, rows, begin, whole))
    drawing.write(shorten(heading, width - 2 * MARGIN, 16, bold=True), MARGIN, 31, 16, bold=True)
    line = f"{duration(whole)} · {len(spans)} spans · trace {trace['trace_id']}"
    drawing.write(line, MARGIN, 50, 12.5, fill="muted")
    _draw_axis(drawing, whole, len(rows))
    for index, row in enumerate(rows):
        _draw_row(drawing, row, HEAD + ROW * index, begin, whole)
    _draw_legend(drawing, rows, height - MARGIN + 4)
    return drawing.text()


# -- which rows ---------------------------------------------------------------------------------


def _rows(spans: list[Span]) -> list[_Row]:
    """A row for each span; for many similar items only some rows, and one for the others."""
    rows: list[_Row] = []
    index = 0
    while index < len(spans):
        similar = _similar_from(spans, index)
        if len(similar) <= MAX_SIMILAR:
            rows.append(_row(spans, index))
            index += 1
            continue
        ranked = sorted(
            similar, key=lambda i: (not _failed(spans, i, _end_of(spans, i)), -_seconds(spans[i]))
        )
        shown = sorted(ranked[:MAX_SIMILAR])
        for item in shown:
            rows += [_row(spans, i) for i in range(item, _end_of(spans, item))]
        rows.append(_others(spans, [i for i in similar if i not in shown]))
        index = _end_of(spans, similar[-1])
    return rows


def _similar_from(spans: list[Span], index: int) -> list[int]:
    """Indexes of the items of a Map, where the span is the first of them; otherwise its own."""
    if not spans[index]["name"].startswith("Iteration #"):
        return [index]
    found, at = [], index
    while at < len(spans) and spans[at]["depth"] == spans[index]["depth"]:
        if spans[at]["name"].startswith("Iteration #"):
            found.append(at)
        at = _end_of(spans, at)
    return found


def _end_of(spans: list[Span], index: int) -> int:
    """Index after a span and all spans below it."""
    end = index + 1
    while end < len(spans) and spans[end]["depth"] > spans[index]["depth"]:
        end += 1
    return end


def _failed(spans: list[Span], begin: int, end: int) -> bool:
    return any(span["fault"] for span in spans[begin:end])


def _seconds(span: Span) -> float:
    return float(span["end"] - span["start"])


def _row(spans: list[Span], index: int) -> _Row:
    span = spans[index]
    arose = span["fault"] and not _failed(spans, index + 1, _end_of(spans, index))
    error = ": ".join(str(span[k]) for k in ("error", "cause") if span.get(k))
    code = span.get("origin") == FUNCTION_CODE
    return _Row(
        f"{span['name']} · code" if code else span["name"],
        span["depth"],
        span["start"],
        span["end"],
        _role(span),
        error or ("failed" if span["fault"] else ""),
        running=bool(span.get("running")),
        error_name=str(span.get("error") or "failed") if arose else "",
    )


def _role(span: Span) -> str:
    if span["fault"]:
        return "failed"
    if span["name"] == "Initialization":
        return "span-start"
    origins = {
        "AWS::Lambda": "span-call",
        FUNCTION_CODE: "span-code",
        "AWS::StepFunctions::StateMachine": "span-state",
    }
    # Spans below a function's code are its own steps; all others are states of the machine.
    return origins.get(
        str(span.get("origin", "")), "span-step" if span.get("own") else "span-state"
    )


def _others(spans: list[Span], indexes: list[int]) -> _Row:
    seconds = [_seconds(spans[i]) for i in indexes]
    return _Row(
        f"{len(indexes)} more, {duration(min(seconds))} to {duration(max(seconds))} each",
        spans[indexes[0]]["depth"],
        min(spans[i]["start"] for i in indexes),
        max(spans[i]["end"] for i in indexes),
        "span-state",
        several=True,
    )


# -- drawing ------------------------------------------------------------------------------------


def _draw_axis(drawing: Drawing, whole: float, rows: int) -> None:
    step = _round_step(whole / TICKS)
    bottom = HEAD + ROW * rows
    for tick in range(int(whole / step) + 1):
        x = MARGIN + NAMES + AXIS * tick * step / whole
        drawing.add(
            "path", d=f"M{x:.1f} {HEAD - 6:.0f}V{bottom:.0f}", stroke="faint-line", fill="none"
        )
        label = "0" if tick == 0 else _tick_label(tick * step, whole)
        drawing.write(label, x, HEAD - 12, SMALL, fill="muted", anchor="middle")


def _round_step(rough: float) -> float:
    """The next of 1, 2, 5, 10, 20 ... (times a power of ten); from a minute on whole minutes."""
    if rough > 40:
        return float(60 * max(1, math.ceil(rough / 60)))
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)


def _tick_label(seconds: float, whole: float) -> str:
    """Text of a tick, in the unit that fits the whole axis."""
    if whole > TICKS * 40:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:g} s" if whole >= 1 else f"{seconds * 1000:g} ms"


def _draw_row(drawing: Drawing, row: _Row, y: float, begin: float, whole: float) -> None:
    seconds = row.end - row.start
    duration_text = "running" if row.running else duration(seconds)
    group = drawing.add(
        "g", hint=f"{row.name}: {duration_text}" + (f"\n{row.error}" if row.error else "")
    )
    left = MARGIN + INDENT * row.depth
    room = NAMES - INDENT * row.depth - 12
    name = shorten(row.name, room, NAME_SIZE)
    fill = "failed" if row.error else "muted" if row.several or row.depth > 3 else "text"
    drawing.write(name, left, y + 15, NAME_SIZE, parent=group, fill=fill, bold=row.depth == 0)
    x = MARGIN + NAMES + AXIS * (row.start - begin) / whole
    length = max(AXIS * seconds / whole, 2.0)
    drawing.add(
        "rect",
        group,
        x=x,
        y=y + (ROW - BAR) / 2,
        width=length,
        height=BAR,
        rx=min(3.0, length / 2),
        fill=row.role,
        opacity=0.45 if row.several or row.running else 1,
    )
    if row.error:
        # Not everyone can see the colour.
        drawing.write("✕", x - 13, y + 15, NAME_SIZE, parent=group, fill="failed", bold=True)
    if row.error_name:
        _draw_error(drawing, group, row.error_name, (x, x + length), y)
    right = MARGIN + NAMES + AXIS + DURATIONS
    drawing.write(duration_text, right, y + 15, SMALL, parent=group, fill="muted", anchor="end")


def _draw_error(
    drawing: Drawing, group: Element, error_name: str, bar: tuple[float, float], y: float
) -> None:
    """Write the error's name to the right of its bar, or to the left at the end of the axis."""
    after = bar[1] + 8 + text_width(error_name, SMALL) < MARGIN + NAMES + AXIS
    x, anchor = (bar[1] + 8, "start") if after else (bar[0] - 18, "end")
    drawing.write(error_name, x, y + 15, SMALL, parent=group, fill="failed", anchor=anchor)


def _draw_legend(drawing: Drawing, rows: list[_Row], y: float) -> None:
    x = MARGIN
    for role, word in _LEGEND:
        if any(row.role == role for row in rows):
            drawing.add("rect", x=x, y=y - 9, width=16, height=10, rx=2.5, fill=role)
            drawing.write(word, x + 23, y, 11.5, fill="muted")
            x += text_width(word, 11.5) + 44


def _describe(trace: dict[str, Any], rows: list[_Row], begin: float, whole: float) -> str:
    """The timeline in words."""
    sentences = [
        f"{row.name} from {duration(row.start - begin)} for {duration(row.end - row.start)}"
        + (f", failed: {row.error}" if row.error else "")
        for row in rows
    ]
    return f"Trace {trace['trace_id']}, {duration(whole)} in total. " + "; ".join(sentences) + "."
