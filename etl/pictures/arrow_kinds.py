"""The kind of each arrow: forward, back, to the side, or out to the states that handle errors.

Arrows that do not lead forward run on rails beside the machine, and through channels in the gaps
between its layers. Arrows with the same target share them.
"""

from __future__ import annotations

from etl.pictures.geometry import RAIL
from etl.pictures.layers import Layering
from etl.pictures.states import Arrow, Machine

__all__ = ["ArrowKinds"]


class ArrowKinds:
    """The arrow kinds of one machine with its flow in layers; ``lane`` holds the other states."""

    def __init__(self, machine: Machine, layering: Layering, lane: list[str]) -> None:
        self.machine, self.layering, self.lane = machine, layering, lane
        self.channels: dict[int, list[tuple[str, str]]] = {}
        """Channels by gap (0 is above the first layer), from top to bottom."""
        self.rails: dict[tuple[str, str], float] = {}
        """Distance from the machine's edge by target and kind; negative is to the left."""
        self._claim_channels()
        self._claim_rails()

    def drawn(self) -> list[Arrow]:
        """Arrows with a line of their own: an error that leads to the next state has none."""
        flow = {(a.source, a.target) for a in self.machine.arrows if not a.caught}
        return [a for a in self.machine.arrows if not (a.caught and (a.source, a.target) in flow)]

    def kind(self, arrow: Arrow) -> str:
        """The kind of an arrow.

        ``flow`` and ``back`` lie within the flow, ``aside`` is an error into the flow, ``out``
        leads into the lane, ``rejoin`` leads from it, ``down`` and ``lane`` lie within the lane.
        """
        source, target = arrow.source not in self.lane, arrow.target not in self.lane
        if source and target and not arrow.caught:
            forward = (arrow.source, arrow.target) in self.layering.paths
            return "flow" if forward else "back"
        if source:
            return "aside" if target else "out"
        if target:
            return "rejoin"
        follows = self.lane.index(arrow.target) == self.lane.index(arrow.source) + 1
        return "down" if follows else "lane"

    def is_outermost(self, name: str, side: int) -> bool:
        """True where no box of its layer is to the right (side 1) or to the left (side -1)."""
        row = self.layering.rows[self.layering.row_of(name)]
        boxes = [n for n in row if n in self.machine.steps]
        return boxes[-1 if side > 0 else 0] == name

    @property
    def widths(self) -> tuple[float, float]:
        """Widths of the rails at the left and at the right."""
        left = [-at for at in self.rails.values() if at < 0]
        return max(left, default=0.0), RAIL * (len(self.rails) - len(left))

    def channel_of(self, gap: int, arrow: Arrow) -> int:
        """Number of the channel that an arrow takes in a gap."""
        return self.channels[gap].index((arrow.target, self.kind(arrow)))

    def _claim_channels(self) -> None:
        for arrow in self.drawn():
            kind = self.kind(arrow)
            leaves = kind in ("out", "aside", "back")
            if leaves and not self.is_outermost(arrow.source, -1 if kind == "back" else 1):
                self._claim(self.layering.row_of(arrow.source) + 1, arrow)
            if kind in ("aside", "back", "rejoin"):
                self._claim(self.layering.row_of(arrow.target), arrow)

    def _claim(self, gap: int, arrow: Arrow) -> None:
        channel = (arrow.target, self.kind(arrow))
        channels = self.channels.setdefault(gap, [])
        if channel not in channels:
            channels.append(channel)

    def _claim_rails(self) -> None:
        left = right = 0
        for arrow in self.drawn():
            kind = self.kind(arrow)
            rail = (arrow.target, kind)
            if kind not in ("out", "aside", "rejoin", "back") or rail in self.rails:
                continue
            if kind == "back":
                left += 1
                self.rails[rail] = -left * RAIL
            else:
                self.rails[rail] = right * RAIL
                right += 1
