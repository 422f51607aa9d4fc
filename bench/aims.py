"""What is to be reached: one line per figure, worked out from what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.measuring import Measured

__all__ = ["Figure", "figures"]

Found = dict[tuple[str, str], Measured]
NESTED, FLAT = "transform, 20 readings a message", "transform, 1 reading a message"
OURS = "telemetry-etl"


@dataclass(frozen=True)
class Figure:
    """One line of the table of aims."""

    measure: str
    ours: Measured
    peer: Measured | None
    """What ours is divided by; ``None`` where the figure stands for itself."""
    reach: float
    aim: float
    less_is_better: bool = False

    @property
    def value(self) -> float:
        """The ratio of the medians, or our median."""
        return self.ours.median / self.peer.median if self.peer is not None else self.ours.median

    @property
    def reached(self) -> str:
        """``aim``, ``reach`` or ``below``."""
        for limit, word in ((self.aim, "aim"), (self.reach, "reach")):
            if self.value <= limit if self.less_is_better else self.value >= limit:
                return word
        return "below"


def _ratios() -> list[tuple[str, tuple[str, str], tuple[str, str], float, float]]:
    """Measure, ours, peer, reach, aim."""
    rows = []
    for subject in (NESTED, FLAT):
        for peer, reach, aim in (("json loop", 6, 10), ("DuckDB", 1.3, 2), ("pandas", 3, 6)):
            rows.append(
                (f"{subject}, against {peer}", (subject, OURS), (subject, peer), reach, aim)
            )
    for way, reach, aim in (
        ("all new", 0.9, 1.0),
        ("1 % there", 0.9, 1.0),
        ("half there, of half the devices", 0.55, 0.7),
        ("half there, of each device", 0.55, 0.7),
        ("two at once, all new", 1.5, 1.8),
    ):
        rows.append(
            (f"load, {way}, against psql copy", ("load", way), ("load", "psql copy"), reach, aim)
        )
    both = ("load", "two at once, all new"), ("load", "two psql at once")
    rows.append(("load, two at once, against two psql copies at once", *both, 0.9, 1.0))
    whole = "raw object to rows"
    for peer in ("dlt merge", "dlt merge, Arrow"):
        rows.append((f"{whole}, against {peer}", (whole, OURS), (whole, peer), 10, 25))
    return rows


def figures(measured: Sequence[Measured]) -> list[Figure]:
    """Every figure whose parts were measured."""
    found: Found = {(one.subject, one.name): one for one in measured}
    lines = [
        Figure(measure, found[ours], found[peer], reach, aim)
        for measure, ours, peer, reach, aim in _ratios()
        if ours in found and peer in found
    ]
    limits: list[tuple[str, Callable[[Measured], bool], float, float, bool]] = [
        ("MiB, {}, {}", lambda one: one.subject.startswith("peak memory"), 1024, 512, True),
        ("s, {}, {}", lambda one: one.subject == "cold import", 1.0, 0.5, True),
        ("readings/s, {}, {}", lambda one: one.subject.startswith("real"), 25_000, 60_000, False),
    ]
    for text, applies, reach, aim, less in limits:
        lines += [
            Figure(text.format(one.subject, one.name), one, None, reach, aim, less)
            for one in measured
            if applies(one)
        ]
    return lines
