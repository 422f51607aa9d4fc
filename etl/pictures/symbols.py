"""The small signs in a picture: the kind of a state, and its status.

They are drawn as paths, not as letters of a font, so that they look the same everywhere. Each
status has its own shape as well as its own colour.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from etl.pictures.progress import Status
from etl.pictures.svg import Drawing

__all__ = ["KIND_RADIUS", "STATUS_RADIUS", "STATUS_WORDS", "draw_kind_sign", "draw_status_sign"]

KIND_RADIUS = 12.0
STATUS_RADIUS = 11.0

STATUS_WORDS: dict[Status, str] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "caught": "failed, caught",
    "running": "running",
    "stopped": "stopped",
}

_KINDS = {
    "lambda": "M-5 6L0 -3M-3.4 -7L-1.6 -7L4.2 6L5.6 6",
    "s3": "M-5.5 -5.5C-5.5 -7.5 5.5 -7.5 5.5 -5.5C5.5 -3.5 -5.5 -3.5 -5.5 -5.5"
    "L-4 6C-3 7.5 3 7.5 4 6L5.5 -5.5",
    "sns": "M-5.5 -2L5 -6.5L5 6.5L-5.5 2ZM-3 2.5L-2 6.5L0.5 6.5L0 3.6",
    "sqs": "M-6 -4.5L6 -4.5L6 4.5L-6 4.5ZM-6 -4.5L0 1L6 -4.5",
    "Task": "M-6 -6L6 -6L6 6L-6 6Z",
    "Choice": "M0 -7L7 0L0 7L-7 0Z",
    "Map": "M-7 -3L3 -3L3 7L-7 7ZM-4.5 -3L-4.5 -5.5L5.5 -5.5L5.5 4.5L3 4.5"
    "M-2 -5.5L-2 -8L8 -8L8 2L5.5 2",
    "Parallel": "M-5 -6L-5 6M0 -6L0 6M5 -6L5 6",
    "Pass": "M-6 0L5 0M1 -4L5 0L1 4",
    "Wait": "M0 -4L0 0L3 2.5M7 0A7 7 0 1 1 -7 0A7 7 0 1 1 7 0",
    "Succeed": "M-5 0.5L-1.5 4L5.5 -4",
    "Fail": "M-4.5 -4.5L4.5 4.5M4.5 -4.5L-4.5 4.5",
}


def draw_kind_sign(
    drawing: Drawing, parent: Element, x: float, y: float, kind: str, service: str, role: str
) -> None:
    """Draw the sign for the kind of a state, centred at ``x, y``."""
    path = _KINDS.get(service if kind == "Task" else kind, _KINDS["Task"])
    drawing.add(
        "path",
        parent,
        d=path,
        fill="none",
        stroke=role,
        stroke_width=1.7,
        stroke_linecap="round",
        stroke_linejoin="round",
        transform=f"translate({x:.1f} {y:.1f})",
    )


def draw_status_sign(
    drawing: Drawing,
    parent: Element | None,
    x: float,
    y: float,
    status: Status | None,
    radius: float = STATUS_RADIUS,
) -> None:
    """Draw the sign for a status, centred at ``x, y``; ``None`` is for a state not reached."""
    group = drawing.add(
        "g", parent, transform=f"translate({x:.1f} {y:.1f}) scale({radius / STATUS_RADIUS:.3f})"
    )
    if status is None:
        drawing.add(
            "circle",
            group,
            r=9,
            fill="none",
            stroke="faint",
            stroke_width=1.5,
            stroke_dasharray="3 3.3",
        )
        return
    if status == "running":
        drawing.add(
            "circle", group, r=9, fill="none", stroke="running", stroke_width=2, opacity=0.3
        )
        drawing.add(
            "path",
            group,
            d="M0 -9A9 9 0 0 1 9 0",
            fill="none",
            stroke="running",
            stroke_width=3,
            stroke_linecap="round",
            motion="spin",
        )
        drawing.add("circle", group, r=3.2, fill="running")
        return
    if status == "caught":
        drawing.add(
            "path",
            group,
            d="M0 -11L12 9.5L-12 9.5Z",
            fill="caught",
            stroke="caught",
            stroke_width=2,
            stroke_linejoin="round",
        )
        mark = "M0 -4L0 3M0 6.6L0 6.8"
    else:
        drawing.add("circle", group, r=STATUS_RADIUS, fill=status)
        mark = {
            "succeeded": "M-4.8 0.4L-1.4 3.8L5.2 -3.6",
            "failed": "M-3.8 -3.8L3.8 3.8M3.8 -3.8L-3.8 3.8",
            "stopped": "M-3 -3L3 -3L3 3L-3 3Z",
        }[status]
    drawing.add(
        "path",
        group,
        d=mark,
        fill="none",
        stroke="paper",
        stroke_width=2.3,
        stroke_linecap="round",
        stroke_linejoin="round",
    )
