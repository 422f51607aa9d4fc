"""The layout of a state machine: positions of the boxes and of the arrows between them.

States that are reached without an error form layers, from top to bottom. States that only an error
leads to are in a lane at the right, beside the states where the errors arise. Errors run to it on a
rail between the two, one for each target, so that any number of guarded states adds only one line
and the flow stays readable. Arrows back to an earlier state have rails at the left.

Pure: takes sizes, returns coordinates (pixels, from the top left corner).
"""

from __future__ import annotations

from collections.abc import Callable

from etl.pictures.arrow_kinds import ArrowKinds
from etl.pictures.geometry import (
    CHANNEL,
    COLUMN_GAP,
    CONTAINER_HEAD,
    CONTAINER_PADDING,
    END_ROOM,
    LABEL_HEIGHT,
    LANE_GAP,
    RAIL,
    ROW_GAP,
    START_ROOM,
    Box,
    Layout,
    Places,
    Point,
    Size,
)
from etl.pictures.layers import arrange
from etl.pictures.routes import route
from etl.pictures.spacing import columns, spread
from etl.pictures.states import Machine, Step

__all__ = ["lay_out"]

PLACEHOLDER_WIDTH = 12.0
SNAP = 16.0
"""An error handler this close to the height of its source is moved to it, to avoid a kink."""


def lay_out(
    machine: Machine, size: Callable[[Step], Size], label_width: Callable[[str], float]
) -> Layout:
    """The layout of a machine and of the machines inside it."""
    inner = {
        name: tuple(lay_out(m, size, label_width) for m in step.inner)
        for name, step in machine.steps.items()
    }
    heads = {name: size(step) for name, step in machine.steps.items()}
    return _Layouter(machine, inner, heads).place(label_width)


def _outer(own: Size, inner: tuple[Layout, ...]) -> Size:
    """Size of a box that contains these machines."""
    if not inner:
        return own
    width = sum(one.width for one in inner) + CONTAINER_PADDING * (len(inner) + 1)
    height = max(one.height for one in inner) + CONTAINER_HEAD + CONTAINER_PADDING
    return max(own[0], width), own[1] + height


class _Layouter:
    """Computes the layout of one machine."""

    def __init__(
        self, machine: Machine, inner: dict[str, tuple[Layout, ...]], heads: dict[str, Size]
    ) -> None:
        self.machine, self.inner, self.heads = machine, inner, heads
        self.sizes = {name: _outer(head, inner[name]) for name, head in heads.items()}
        by_flow = machine.reached_by_flow()
        guarded = {a.source for a in machine.arrows if a.caught}
        # Guarded and large states go to the right, near the rails.
        main = sorted(
            (n for n in machine.steps if n in by_flow), key=lambda n: (n in guarded, bool(inner[n]))
        )
        self.lane = [n for n in machine.steps if n not in by_flow]
        flow = [
            a
            for a in machine.arrows
            if not a.caught and a.source in by_flow and a.target in by_flow
        ]
        self.layering = arrange(main, [(a.source, a.target) for a in flow], machine.start)
        self.labels = {
            path: next(a.label for a in flow if (a.source, a.target) == edge)
            for edge, path in self.layering.paths.items()
        }
        self.kinds = ArrowKinds(machine, self.layering, self.lane)
        self.places = Places()

    def place(self, label_width: Callable[[str], float]) -> Layout:
        """Position all boxes and lines."""
        self._place_columns(label_width)
        self._place_rows()
        if self.lane:
            self._place_lane()
        # The order of the lane is known only now, so the lines within it are computed only now.
        routes = tuple(route(arrow, self.kinds, self.places) for arrow in self.kinds.drawn())
        boxes = self.places.boxes
        points = [p for one in routes for p in one.points]
        right = max(box.x + box.width for box in boxes.values())
        bottom = max(b.y + b.height + (END_ROOM if b.step.ends else 0.0) for b in boxes.values())
        start = boxes[self.machine.start]
        return Layout(
            self.machine,
            width=max([right, *(x + 2 for x, _ in points)]),
            height=max([bottom, *(y + 2 for _, y in points)]),
            boxes=boxes,
            routes=routes,
            start_at=(start.centre, start.y),
        )

    def _place_columns(self, label_width: Callable[[str], float]) -> None:
        widths = {
            name: self.sizes[name][0] if name in self.sizes else PLACEHOLDER_WIDTH
            for row in self.layering.rows
            for name in row
        }
        for path, label in self.labels.items():
            if label:
                widths[path[1]] = max(widths[path[1]], label_width(label))
        centres = columns(self.layering, widths, COLUMN_GAP)
        rails = self.kinds.widths[0]
        self.places.left = rails + RAIL if rails else 0.0
        shift = self.places.left - min(c - widths[n] / 2 for n, c in centres.items())
        self.places.centres = {name: c + shift for name, c in centres.items()}
        self.places.right = max(c + widths[n] / 2 for n, c in self.places.centres.items())

    def _place_rows(self) -> None:
        bottom = 0.0
        for index, row in enumerate(self.layering.rows):
            labelled = index > 0 and self._has_labels(index)
            gap = START_ROOM if index == 0 else ROW_GAP + (LABEL_HEIGHT if labelled else 0.0)
            top = bottom + gap + CHANNEL * len(self.kinds.channels.get(index, ()))
            self.places.tops.append(top)
            self.places.settled.append(top - (LABEL_HEIGHT + 8.0 if labelled else 9.0))
            names = [name for name in row if name in self.sizes]
            for name in names:
                self._put(name, self.places.centres[name] - self.sizes[name][0] / 2, top)
            bottom = top + max((self._height(name) for name in names), default=0.0)
            self.places.bottoms.append(bottom)

    def _height(self, name: str) -> float:
        """Height of a box, with the sign of an end below it."""
        return self.sizes[name][1] + (END_ROOM if self.machine.steps[name].ends else 0.0)

    def _has_labels(self, row: int) -> bool:
        """True where an arrow from the layer above has a label."""
        above, here = self.layering.rows[row - 1], self.layering.rows[row]
        return any(
            label and path[0] in above and path[1] in here for path, label in self.labels.items()
        )

    def _put(self, name: str, x: float, y: float) -> None:
        width, height = self.sizes[name]
        inner, head = self.inner[name], self.heads[name][1]
        spare = width - sum(one.width for one in inner) - CONTAINER_PADDING * (len(inner) + 1)
        corners: list[Point] = []
        at = x + CONTAINER_PADDING + max(spare, 0.0) / 2
        for one in inner:
            corners.append((at, y + head + CONTAINER_HEAD))
            at += one.width + CONTAINER_PADDING
        step = self.machine.steps[name]
        self.places.boxes[name] = Box(step, x, y, width, height, head, inner, tuple(corners))

    def _place_lane(self) -> None:
        """Place the lane's boxes below each other, each as near to its sources as possible."""
        ports = {name: box.side_port for name, box in self.places.boxes.items()}
        self.lane[:] = _lane_order(self.machine, self.lane, ports)
        x = self.places.right + LANE_GAP + self.kinds.widths[1]
        widest = max(self.sizes[name][0] for name in self.lane)
        wanted: list[float] = []
        weights: list[float] = []
        heights = [self._height(name) for name in self.lane]
        for index, name in enumerate(self.lane):
            sources = _sources(self.machine, name, ports)
            if index and not sources:  # directly below the previous one
                wanted.append(wanted[-1] + heights[index - 1] + ROW_GAP)
                weights.append(0.05)
            else:
                middle = sum(sources) / len(sources) if sources else 0.0
                near = [y for y in sources if abs(y - middle) < SNAP]
                wanted.append((near[0] if near else middle) - self.sizes[name][1] / 2)
                weights.append(1.0)
        apart = [0.0, *(height + ROW_GAP for height in heights[:-1])]
        lowest = START_ROOM
        for index, y in enumerate(spread(wanted, apart, weights)):
            name, top = self.lane[index], max(y, lowest)
            self._put(name, x + (widest - self.sizes[name][0]) / 2, top)
            lowest = top + heights[index] + ROW_GAP


def _sources(machine: Machine, name: str, heights: dict[str, float]) -> list[float]:
    """Heights at which arrows to this state begin, as far as they are known."""
    return [heights[a.source] for a in machine.arrows if a.target == name and a.source in heights]


def _lane_order(machine: Machine, names: list[str], heights: dict[str, float]) -> list[str]:
    """The order of the lane: each handler before the states it leads to.

    Handlers are sorted by ``heights``, at which their errors begin. Handlers for the errors of
    other handlers come last.
    """
    follow: dict[str, list[str]] = {}
    for arrow in machine.arrows:
        if not arrow.caught and arrow.source in names and arrow.target in names:
            follow.setdefault(arrow.source, []).append(arrow.target)
    led_to = {target for targets in follow.values() for target in targets}
    last = {a.target for a in machine.arrows if a.caught and a.source in names}

    def sources_at(name: str) -> float:
        sources = [
            heights[a.source] for a in machine.arrows if a.target == name and a.source in heights
        ]
        return sum(sources) / len(sources) if sources else 0.0

    order: list[str] = []

    def take(name: str) -> None:
        if name not in order:
            order.append(name)
            for after in follow.get(name, ()):
                take(after)

    heads = [name for name in names if name not in led_to]
    for name in [*sorted(heads, key=lambda n: (n in last, sources_at(n))), *names]:
        take(name)
    return order
