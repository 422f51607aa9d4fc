"""A state machine as an SVG picture, with or without an execution over it.

Pure: takes the Amazon States Language (and an :class:`ExecutionProgress`), returns the text of an
SVG. The same input gives the same text, so a picture can be committed and compared.
"""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from etl.pictures.boxes import draw_box, size_of
from etl.pictures.geometry import END_ROOM, START_ROOM, Layout, Route
from etl.pictures.layout import lay_out
from etl.pictures.progress import ExecutionProgress, Status
from etl.pictures.states import Machine, Step, read_machine
from etl.pictures.svg import Drawing, curved_path, rounded_path, shorten, text_width, wrap
from etl.pictures.symbols import STATUS_WORDS, draw_status_sign
from etl.pictures.text import describe, duration

__all__ = ["machine_svg"]

MARGIN = 24.0
HEAD = 66.0
CAUSE_LINE = 17.0
CAUSE_LINES = 3
CAUSE_SIZE = 12.0
LEGEND = 34.0
LABEL_SIZE = 11.5
LABEL_WIDTH = 210.0
LEAST_WIDTH = 520.0


def machine_svg(
    definition: dict[str, Any],
    progress: ExecutionProgress | None = None,
    title: str = "State machine",
) -> str:
    """The picture of a definition. Raises ``KeyError`` where it is not a state machine.

    ``title`` is the heading of a picture without an execution.
    """
    machine = read_machine(definition)
    layout = lay_out(machine, lambda step: size_of(step, progress), _label_width)
    width = max(layout.width + 2 * MARGIN, LEAST_WIDTH)
    cause = wrap(_cause(progress), width - 2 * MARGIN - 34, CAUSE_SIZE, CAUSE_LINES)
    head = HEAD + CAUSE_LINE * len(cause)
    height = head + layout.height + MARGIN + LEGEND
    comment = str(definition.get("Comment", ""))
    heading = f"Execution {progress.name}" if progress else title
    drawing = Drawing(width, height, heading, f"{comment} {describe(machine, progress)}".strip())
    if progress is None:
        _draw_title(drawing, title, comment, width)
    else:
        _draw_execution(drawing, progress, cause, width)
    x = (width - layout.width) / 2
    root = drawing.add("g", transform=f"translate({x:.1f} {head:.1f})")
    _draw(drawing, root, layout, progress)
    _draw_legend(drawing, machine, height - MARGIN + 6, progress)
    return drawing.text()


def _label_width(label: str) -> float:
    return min(text_width(label, LABEL_SIZE), LABEL_WIDTH) + 8


def _draw(
    drawing: Drawing,
    parent: Element,
    layout: Layout,
    progress: ExecutionProgress | None,
) -> None:
    """Draw containers, then arrows, then boxes, so that no line covers a text."""
    reached = progress is None or layout.machine.start in progress.steps
    _draw_start(drawing, parent, layout, reached)
    routes = sorted(layout.routes, key=lambda r: _was_taken(r, progress))
    for route in routes:
        _draw_route(drawing, parent, route, progress)
    for box in layout.boxes.values():
        group = draw_box(drawing, parent, box, progress)
        for inner, corner in zip(box.inner, box.inner_at, strict=True):
            place = drawing.add("g", group, transform=f"translate({corner[0]:.1f} {corner[1]:.1f})")
            _draw(drawing, place, inner, progress)
        if box.step.ends:
            there = progress is None or box.step.name in progress.steps
            _draw_end(drawing, parent, box.centre, box.y + box.height, there)
    for route in routes:
        _draw_label(drawing, parent, route, progress)


def _draw_start(drawing: Drawing, parent: Element, layout: Layout, reached: bool) -> None:
    x, y = layout.start_at
    role = "line" if reached else "faint-line"
    drawing.add("circle", parent, cx=x, cy=y - START_ROOM + 9, r=5, fill=role)
    path = f"M{x:.1f} {y - START_ROOM + 14:.1f}L{x:.1f} {y - 1:.1f}"
    drawing.add("path", parent, d=path, fill="none", stroke=role, stroke_width=1.5)
    _draw_head(drawing, parent, (x, y - START_ROOM), (x, y), role)


def _draw_end(drawing: Drawing, parent: Element, x: float, y: float, reached: bool) -> None:
    role = "line" if reached else "faint-line"
    drawing.add("path", parent, d=f"M{x:.1f} {y:.1f}v{END_ROOM - 12:.0f}", stroke=role, fill="none")
    drawing.add("circle", parent, cx=x, cy=y + END_ROOM - 7, r=5.5, fill="none", stroke=role)
    drawing.add("circle", parent, cx=x, cy=y + END_ROOM - 7, r=2.8, fill=role)


def _was_taken(route: Route, progress: ExecutionProgress | None) -> bool:
    return progress is not None and (route.arrow.source, route.arrow.target) in progress.taken


def _role_of(route: Route, progress: ExecutionProgress | None) -> str:
    if _was_taken(route, progress):
        return "caught" if route.arrow.caught else "text"
    if progress is not None:
        return "faint-line"
    return "error-line" if route.arrow.caught else "line"


def _draw_route(
    drawing: Drawing, parent: Element, route: Route, progress: ExecutionProgress | None
) -> None:
    role, taken = _role_of(route, progress), _was_taken(route, progress)
    arrow = route.arrow
    on = f"on {arrow.label}" if arrow.label and arrow.caught else "on an error"
    why = on if arrow.caught else arrow.label
    drawing.add(
        "path",
        parent,
        d=rounded_path(route.points) if route.bent else curved_path(route.points),
        fill="none",
        stroke=role,
        stroke_width=2.0 if taken else 1.2 if arrow.caught else 1.5,
        hint=f"{arrow.source} → {arrow.target}{f': {why}' if why else ''}",
        stroke_dasharray="4 4" if arrow.caught else "none",
    )
    before = route.points[-2] if route.bent else (route.points[-1][0], route.points[-1][1] - 10)
    _draw_head(drawing, parent, before, route.points[-1], role)


def _draw_head(
    drawing: Drawing,
    parent: Element,
    before: tuple[float, float],
    tip: tuple[float, float],
    role: str,
) -> None:
    dx, dy = tip[0] - before[0], tip[1] - before[1]
    turn = {(0, 1): 0, (0, -1): 180, (1, 0): -90, (-1, 0): 90}[_sign(dx), _sign(dy)]
    drawing.add(
        "path",
        parent,
        d="M-4.5 -8L0 0L4.5 -8L0 -6Z",
        fill=role,
        transform=f"translate({tip[0]:.1f} {tip[1]:.1f}) rotate({turn})",
    )


def _sign(number: float) -> int:
    return 0 if abs(number) < 0.5 else 1 if number > 0 else -1


def _draw_label(
    drawing: Drawing, parent: Element, route: Route, progress: ExecutionProgress | None
) -> None:
    if route.label_at is None:
        return
    faint = progress is not None and not _was_taken(route, progress)
    text = shorten(route.arrow.label, LABEL_WIDTH, LABEL_SIZE)
    x, y = route.label_at
    width = text_width(text, LABEL_SIZE) + 6
    drawing.add(
        "rect",
        parent,
        x=x - width / 2,
        y=y - 11,
        width=width,
        height=16,
        rx=4,
        fill="paper",
        opacity=0.92,
    )
    drawing.write(
        text,
        x,
        y + 1,
        LABEL_SIZE,
        parent=parent,
        anchor="middle",
        fill="faint" if faint else "muted",
    )


# -- around the machine -------------------------------------------------------------------------


def _draw_title(drawing: Drawing, title: str, comment: str, width: float) -> None:
    drawing.write(title, MARGIN, 31, 17, bold=True)
    drawing.write(shorten(comment, width - 2 * MARGIN, 12.5), MARGIN, 49, 12.5, fill="muted")


def _cause(progress: ExecutionProgress | None) -> str:
    """Error and cause; only the first line of a long cause, which sums it up."""
    if progress is None or not (progress.error or progress.cause):
        return ""
    first, *more = (progress.cause or "").strip().splitlines() or [""]
    return ": ".join(part for part in (progress.error, first) if part) + (" …" if more else "")


def _draw_execution(
    drawing: Drawing, progress: ExecutionProgress, cause: list[str], width: float
) -> None:
    draw_status_sign(drawing, None, MARGIN + 12, 31, progress.status)
    name = shorten(progress.name, width - 2 * MARGIN - 40, 16, bold=True)
    drawing.write(name, MARGIN + 34, 28, 16, bold=True)
    duration_text = f" · {duration(progress.seconds)}" if progress.seconds is not None else ""
    started = f" · started {progress.started:%Y-%m-%d %H:%M:%S %Z}".rstrip()
    line = f"{STATUS_WORDS[progress.status]}{duration_text}{started}"
    drawing.write(line, MARGIN + 34, 46, 12.5, fill="muted")
    for index, text in enumerate(cause, 1):
        drawing.write(text, MARGIN + 34, 46 + CAUSE_LINE * index, CAUSE_SIZE, fill="failed")


def _draw_legend(
    drawing: Drawing, machine: Machine, y: float, progress: ExecutionProgress | None
) -> None:
    """The meaning of the lines and signs that occur in the picture."""
    x = MARGIN
    if progress is not None:
        shown: list[Status] = [
            s for s in STATUS_WORDS if any(p.status == s for p in progress.steps.values())
        ]
        every: list[Step] = machine.every_step()
        for status in [
            *shown,
            *([None] if any(s.name not in progress.steps for s in every) else []),
        ]:
            draw_status_sign(drawing, None, x + 7, y - 4, status, radius=6.5)
            word = STATUS_WORDS[status] if status else "not reached"
            drawing.write(word, x + 19, y, 11.5, fill="muted")
            x += text_width(word, 11.5) + 36
    elif any(a.caught for a in _every_arrow(machine)):
        for word, role, dashes in (("next", "line", "none"), ("on an error", "error-line", "4 4")):
            drawing.add(
                "path",
                d=f"M{x:.1f} {y - 4:.1f}h26",
                fill="none",
                stroke=role,
                stroke_width=1.5,
                stroke_dasharray=dashes,
            )
            drawing.write(word, x + 33, y, 11.5, fill="muted")
            x += text_width(word, 11.5) + 52


def _every_arrow(machine: Machine) -> list[Any]:
    inner = [m for s in machine.every_step() for m in s.inner]
    return [a for m in (machine, *inner) for a in m.arrows]
