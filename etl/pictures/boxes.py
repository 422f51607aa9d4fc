"""Draws a state as a box with its sign, its name, and its kind or its result."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from etl.pictures.geometry import Box, Size
from etl.pictures.progress import ExecutionProgress, ItemCounts, StepProgress
from etl.pictures.states import Step
from etl.pictures.svg import Drawing, shorten, text_width
from etl.pictures.symbols import draw_kind_sign, draw_status_sign
from etl.pictures.text import counts_text, step_text

__all__ = ["draw_box", "size_of"]

HEIGHT = 50.0
LOW_HEIGHT = 38.0
"""Height of boxes with only a name: ends and choices in a picture without an execution."""
ERROR_HEIGHT = 17.0
COUNTS_HEIGHT = 30.0
NAME_SIZE = 13.5
SMALL = 11.5
SIGN_ROOM = 44.0
PADDING = 14.0
NARROWEST, WIDEST = 136.0, 280.0


def size_of(step: Step, progress: ExecutionProgress | None) -> Size:
    """Width and height of a state's box; for a container, of its head."""
    reached = progress.steps.get(step.name) if progress else None
    texts = [(step.name, NAME_SIZE, True)]
    if not (_is_low(step) and progress is None):
        texts.append((_second_line(step, reached, progress), SMALL, False))
    if _shows_error(reached):
        texts.append((str(reached.error), SMALL, False))  # type: ignore[union-attr]
    width = max(text_width(*text) for text in texts) + SIGN_ROOM + PADDING
    height = LOW_HEIGHT if _is_low(step) and progress is None else HEIGHT
    if step.inner and reached is not None and reached.counts is not None:
        height += COUNTS_HEIGHT
    if _shows_error(reached):
        height += ERROR_HEIGHT
    return min(max(width, NARROWEST), WIDEST), height


def draw_box(
    drawing: Drawing, parent: Element, box: Box, progress: ExecutionProgress | None
) -> Element:
    """Draw the box; returns the group that the inner steps of a container are drawn into."""
    step = box.step
    reached = progress.steps.get(step.name) if progress else None
    group = drawing.add("g", parent, hint=_hint(step, reached, progress))
    _draw_frame(drawing, group, box, progress, reached)
    low = _is_low(step) and progress is None
    # A container is as high as its inner steps; its own text is in its head.
    head = size_of(step, progress)[1]
    sign_y = box.y + (head if not step.inner else HEIGHT) / 2
    if progress is not None and not step.inner and _shows_error(reached):
        sign_y = box.y + HEIGHT / 2
    if progress is None:
        draw_kind_sign(
            drawing, group, box.x + 24, sign_y, step.kind, step.service, _kind_role(step)
        )
    else:
        draw_status_sign(drawing, group, box.x + 24, sign_y, reached.status if reached else None)
    room = box.width - SIGN_ROOM - PADDING / 2
    name_y = box.y + (24.0 if low else 21.5)
    role = "text" if progress is None or reached else "faint"
    name = shorten(step.name, room, NAME_SIZE, bold=True)
    drawing.write(name, box.x + SIGN_ROOM, name_y, NAME_SIZE, parent=group, bold=True, fill=role)
    if not low:
        line = shorten(_second_line(step, reached, progress), room, SMALL)
        role = "muted" if progress is None or reached else "faint"
        if reached and reached.retries and reached.status == "succeeded":
            role = "caught"
        drawing.write(line, box.x + SIGN_ROOM, box.y + 38, SMALL, parent=group, fill=role)
    if reached and _shows_error(reached):
        error = shorten(str(reached.error), room, SMALL)
        role = "failed" if reached.status in ("failed", "stopped") else "caught"
        drawing.write(error, box.x + SIGN_ROOM, box.y + 54, SMALL, parent=group, fill=role)
    if step.inner and reached and reached.counts is not None:
        _draw_counts(drawing, group, box, reached.counts, box.y + head - COUNTS_HEIGHT + 6)
    return group


def _draw_frame(
    drawing: Drawing,
    group: Element,
    box: Box,
    progress: ExecutionProgress | None,
    reached: StepProgress | None,
) -> None:
    step = box.step
    fill, stroke = ("container" if step.inner else "box"), "edge"
    dashes = "none"
    if progress is not None and reached is None:
        stroke, dashes = "faint-line", "5 4"
    elif reached is not None:
        stroke = reached.status
        fill = "container" if step.inner else f"{reached.status}-box"
    ends = step.kind in ("Succeed", "Fail")
    radius = min(box.height / 2, 25.0) if ends else 12.0 if step.inner else 8.0
    drawing.add(
        "rect",
        group,
        x=box.x,
        y=box.y,
        width=box.width,
        height=box.height,
        rx=radius,
        fill=fill,
        stroke=stroke,
        stroke_width=1.6 if reached else 1.2,
        stroke_dasharray=dashes,
    )


def _draw_counts(drawing: Drawing, group: Element, box: Box, counts: ItemCounts, y: float) -> None:
    """A bar with the shares of items by status, and the same in words."""
    left, width = box.x + 20, box.width - 40
    drawing.add("rect", group, x=left, y=y, width=width, height=6, rx=3, fill="faint-line")
    at = left
    for number, role in (
        (counts.succeeded, "succeeded"),
        (counts.failed, "failed"),
        (counts.running, "running"),
    ):
        if number and counts.total:
            part = width * number / counts.total
            drawing.add("rect", group, x=at, y=y, width=part, height=6, rx=3, fill=role)
            at += part
    total = f"{counts.total:,} {'item' if counts.total == 1 else 'items'}: "
    drawing.write(total + counts_text(counts), left, y + 20, SMALL, parent=group, fill="muted")


def _is_low(step: Step) -> bool:
    return step.kind in ("Succeed", "Fail", "Choice") and not step.inner


def _shows_error(reached: StepProgress | None) -> bool:
    return bool(reached and reached.error and reached.status != "succeeded")


def _second_line(
    step: Step, reached: StepProgress | None, progress: ExecutionProgress | None
) -> str:
    if progress is None:
        return step.about
    if reached is None:
        return "not reached"
    if step.kind in ("Succeed", "Fail") and not reached.counts:
        return "ended here"
    if step.kind == "Choice":
        return step.about  # a choice takes no time worth showing
    return step_text(step, reached) or step.about


def _kind_role(step: Step) -> str:
    return {"Succeed": "succeeded", "Fail": "failed"}.get(step.kind, "accent")


def _hint(step: Step, reached: StepProgress | None, progress: ExecutionProgress | None) -> str:
    lines = [f"{step.name} ({step.kind})", step.about]
    if progress is None and step.retriers:
        kinds = "1 rule" if step.retriers == 1 else f"{step.retriers} rules"
        lines.append(f"errors are retried by {kinds}")
    if reached is not None:
        lines += [step_text(step, reached), counts_text(reached.counts) if reached.counts else ""]
        lines += [reached.error or "", (reached.cause or "")[:600]]
    return "\n".join(line for line in lines if line)
