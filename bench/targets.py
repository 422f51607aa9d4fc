"""Performance targets: one figure per line of the table, computed from measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.measurement import Measurement

__all__ = ["Figure", "figures"]

Found = dict[tuple[str, str], Measurement]
NESTED, FLAT = "transform, 20 readings per message", "transform, 1 reading per message"
OURS = "telemetry-etl"


@dataclass(frozen=True)
class Figure:
    """One line of the table of targets."""

    measure: str
    ours: Measurement
    peer: Measurement | None
    """The measurement to divide ours by; ``None`` where the figure is absolute."""
    minimum: float
    target: float
    less_is_better: bool = False

    @property
    def value(self) -> float:
        """The ratio of the medians, or our median alone."""
        return self.ours.median / self.peer.median if self.peer is not None else self.ours.median

    @property
    def reached(self) -> str:
        """``target``, ``minimum`` or ``below``."""
        for limit, word in ((self.target, "target"), (self.minimum, "minimum")):
            if self.value <= limit if self.less_is_better else self.value >= limit:
                return word
        return "below"


def _ratios() -> list[tuple[str, tuple[str, str], tuple[str, str], float, float]]:
    """Name of the figure, our measurement, the peer's, minimum, target."""
    rows = []
    for subject in (NESTED, FLAT):
        for peer, minimum, target in (("json loop", 6, 10), ("DuckDB", 1.3, 2), ("pandas", 3, 6)):
            rows.append(
                (
                    f"{subject}, compared with {peer}",
                    (subject, OURS),
                    (subject, peer),
                    minimum,
                    target,
                )
            )
    for case, minimum, target in (
        ("new rows", 0.9, 1.0),
        ("1 % existing", 0.9, 1.0),
        ("50 % existing, half of the devices", 0.55, 0.7),
        ("50 % existing, every device", 0.55, 0.7),
        ("two in parallel, new rows", 1.5, 1.8),
    ):
        rows.append(
            (
                f"load, {case}, compared with psql copy",
                ("load", case),
                ("load", "psql copy"),
                minimum,
                target,
            )
        )
    both = ("load", "two in parallel, new rows"), ("load", "two psql in parallel")
    rows.append(
        ("load, two in parallel, compared with two psql copies in parallel", *both, 0.9, 1.0)
    )
    whole = "raw object to rows"
    for peer in ("dlt merge", "dlt merge, Arrow"):
        rows.append((f"{whole}, compared with {peer}", (whole, OURS), (whole, peer), 10, 25))
    backlog = "raw objects to rows"
    ours, psql = (backlog, f"{OURS}, two in parallel"), (backlog, "psql copy, one at a time")
    rows.append((f"{backlog}, two in parallel, compared with psql copy", ours, psql, 0.4, 0.5))
    return rows


def figures(measured: Sequence[Measurement]) -> list[Figure]:
    """All figures whose parts were measured."""
    found: Found = {(one.subject, one.name): one for one in measured}
    lines = [
        Figure(measure, found[ours], found[peer], minimum, target)
        for measure, ours, peer, minimum, target in _ratios()
        if ours in found and peer in found
    ]
    limits: list[tuple[str, Callable[[Measurement], bool], float, float, bool]] = [
        ("MiB, {}, {}", lambda one: one.subject.startswith("peak memory"), 1024, 512, True),
        ("s, {}, {}", lambda one: one.subject == "cold import", 1.0, 0.5, True),
        ("readings/s, {}, {}", lambda one: one.subject.startswith("real"), 25_000, 60_000, False),
    ]
    for text, applies, minimum, target, less in limits:
        lines += [
            Figure(text.format(one.subject, one.name), one, None, minimum, target, less)
            for one in measured
            if applies(one)
        ]
    return lines
