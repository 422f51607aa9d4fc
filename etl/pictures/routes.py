"""The line of each arrow, once all boxes are placed."""

from __future__ import annotations

from etl.pictures.arrow_kinds import ArrowKinds
from etl.pictures.geometry import (
    CHANNEL,
    LABEL_HEIGHT,
    LANE_GAP,
    PORT,
    Box,
    Places,
    Point,
    Route,
)
from etl.pictures.states import Arrow

__all__ = ["route"]

REJOIN = 12.0
_PORT_REACH = 240.0
"""Width beyond which the ports of a box move no further from its centre."""


def route(arrow: Arrow, kinds: ArrowKinds, places: Places) -> Route:
    """The line from box to box."""
    kind = kinds.kind(arrow)
    source, target = places.boxes[arrow.source], places.boxes[arrow.target]
    if kind == "flow":
        return _flow(arrow, kinds, places)
    if kind == "down":
        start = (source.centre, source.y + source.height)
        return Route(arrow, (start, (target.centre, target.y)))
    if kind == "lane":
        rail = max(b.x + b.width for b in (source, target)) + LANE_GAP * 0.6
        start = (source.x + source.width, source.middle)
        end = (target.x + target.width, target.middle)
        return Route(arrow, (start, (rail, start[1]), (rail, end[1]), end), bent=True)
    points = _leave(arrow, kinds, places) + _arrive(arrow, kinds, places)
    label_at = None
    if kind == "back" and arrow.label:
        begin, end = points[-3], points[-2]
        label_at = ((begin[0] + end[0]) / 2, begin[1] + 3)
    return Route(arrow, tuple(points), bent=True, label_at=label_at)


def _flow(arrow: Arrow, kinds: ArrowKinds, places: Places) -> Route:
    path = kinds.layering.paths[arrow.source, arrow.target]
    source, target = places.boxes[arrow.source], places.boxes[arrow.target]
    row = kinds.layering.row_of(arrow.source)
    points: list[Point] = [
        (source.centre, source.y + source.height),
        (source.centre, places.bottoms[row]),
    ]
    for name in path[1:-1]:
        row += 1
        x = places.centres[name]
        points += [(x, y) for y in (places.settled[row], places.bottoms[row])]
    points += [(target.centre, places.settled[row + 1]), (target.centre, target.y)]
    first = kinds.layering.row_of(arrow.source) + 1
    label_at = (places.centres[path[1]], places.tops[first] - LABEL_HEIGHT + 2)
    return Route(arrow, tuple(points), label_at=label_at if arrow.label else None)


def _leave(arrow: Arrow, kinds: ArrowKinds, places: Places) -> list[Point]:
    """Points of the way from the source to the rail."""
    kind, box, rail = kinds.kind(arrow), places.boxes[arrow.source], _rail(arrow, kinds, places)
    if kind == "rejoin":
        y = box.middle + REJOIN  # errors arrive in the middle
        return [(box.x, y), (rail, y)]
    side = -1 if kind == "back" else 1
    if kinds.is_outermost(arrow.source, side):
        edge = box.x if side < 0 else box.x + box.width
        return [(edge, box.side_port), (rail, box.side_port)]
    x = _port(box, side)
    y = _channel(kinds.layering.row_of(arrow.source) + 1, arrow, kinds, places)
    return [(x, box.y + box.height), (x, y), (rail, y)]


def _arrive(arrow: Arrow, kinds: ArrowKinds, places: Places) -> list[Point]:
    """Points of the way from the rail to the target."""
    kind, box, rail = kinds.kind(arrow), places.boxes[arrow.target], _rail(arrow, kinds, places)
    if kind == "out":
        return [(rail, box.middle), (box.x, box.middle)]
    x = _port(box, -1 if kind == "back" else 1)
    y = _channel(kinds.layering.row_of(arrow.target), arrow, kinds, places)
    return [(rail, y), (x, y), (x, box.y)]


def _port(box: Box, side: int) -> float:
    return box.centre + side * PORT * min(box.width, _PORT_REACH)


def _rail(arrow: Arrow, kinds: ArrowKinds, places: Places) -> float:
    offset = kinds.rails[arrow.target, kinds.kind(arrow)]
    return places.left + offset if offset < 0 else places.right + LANE_GAP / 2 + offset


def _channel(gap: int, arrow: Arrow, kinds: ArrowKinds, places: Places) -> float:
    top = places.bottoms[gap - 1] if gap else 0.0
    return top + CHANNEL * (1 + kinds.channel_of(gap, arrow))
