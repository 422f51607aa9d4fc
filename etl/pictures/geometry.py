"""The parts of a laid-out state machine, and the distances between them (pixels)."""

from __future__ import annotations

from dataclasses import dataclass, field

from etl.pictures.states import Arrow, Machine, Step

__all__ = ["Box", "Layout", "Places", "Point", "Route", "Size"]

COLUMN_GAP = 24.0
ROW_GAP = 40.0
LABEL_HEIGHT = 18.0
CHANNEL = 11.0
"""Distance between two horizontal lines in the same gap."""
RAIL = 14.0
LANE_GAP = 30.0
CONTAINER_HEAD = 14.0
"""Distance between the text of a container and its inner steps."""
CONTAINER_PADDING = 18.0
START_ROOM = 34.0
END_ROOM = 24.0
PORT = 0.3
"""Distance from a box's centre at which errors leave and enter it, as a share of its width."""

Point = tuple[float, float]
Size = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """Position of a state. ``inner`` holds a container's layouts, ``inner_at`` their corners."""

    step: Step
    x: float
    y: float
    width: float
    height: float
    head: float
    """Height of a container's own text; for other boxes the whole height."""
    inner: tuple[Layout, ...] = ()
    inner_at: tuple[Point, ...] = ()

    @property
    def centre(self) -> float:
        """The middle between left and right."""
        return self.x + self.width / 2

    @property
    def middle(self) -> float:
        """The middle between top and bottom."""
        return self.y + self.height / 2

    @property
    def side_port(self) -> float:
        """Height at which arrows leave through a side."""
        return self.y + min(self.height, self.head) / 2


@dataclass(frozen=True)
class Route:
    """The line of an arrow; ``bent`` ones run along the axes, others curve from point to point."""

    arrow: Arrow
    points: tuple[Point, ...]
    bent: bool = False
    label_at: Point | None = None


@dataclass(frozen=True)
class Layout:
    """The positions of a machine's boxes and lines."""

    machine: Machine
    width: float
    height: float
    boxes: dict[str, Box] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    start_at: Point = (0.0, 0.0)
    """Middle of the upper edge of the first state."""


@dataclass
class Places:
    """Positions that are known so far."""

    boxes: dict[str, Box] = field(default_factory=dict)
    centres: dict[str, float] = field(default_factory=dict)
    """Centres of the flow's boxes, and of the placeholders in long arrows."""
    left: float = 0.0
    right: float = 0.0
    """Edges of the flow, between the rails."""
    tops: list[float] = field(default_factory=list)
    bottoms: list[float] = field(default_factory=list)
    """Lower edge of each layer."""
    settled: list[float] = field(default_factory=list)
    """Height at which the curves into each layer end, above their labels."""
