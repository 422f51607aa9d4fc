"""Measures the drift of a column's values from those of the last batches. Pure.

A column's sketch is its quantiles in equal steps, from the least value to the greatest. That of the
past is the mean of the batches' sketches, quantile by quantile, so that a batch counts as one
whatever its size. The measure is the population stability index: over ten ranges of the past, the
sum of ``(now - then) * ln(now / then)`` of the shares of values in them. By custom, 0.1 is some
change and 0.25 a large one.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

__all__ = ["LEAST_BATCHES", "stability_index"]

LEAST_BATCHES = 5
"""Fewest earlier batches to compare with."""
RANGES = 10
LEAST_SHARE = 1e-3
"""Replaces a share of 0, which has no logarithm."""


def stability_index(now: Sequence[float], past: Sequence[Sequence[float]]) -> float | None:
    """The index of a sketch against earlier ones; ``None`` where those are too few."""
    same = [sketch for sketch in past if len(sketch) == len(now) > 1]
    if len(same) < LEAST_BATCHES:
        return None
    then = [sum(values) / len(same) for values in zip(*same, strict=True)]
    steps = len(then) - 1
    edges = sorted({then[round(steps * number / RANGES)] for number in range(1, RANGES)})
    return sum(
        (a - b) * math.log(a / b)
        for a, b in zip(_shares(now, edges), _shares(then, edges), strict=True)
    )


def _shares(sketch: Sequence[float], edges: Sequence[float]) -> list[float]:
    """Shares of the values up to the first edge, between the edges, and beyond the last."""
    below = [0.0, *(_share_up_to(sketch, edge) for edge in edges), 1.0]
    return [max(b - a, LEAST_SHARE) for a, b in pairwise(below)]


def _share_up_to(sketch: Sequence[float], value: float) -> float:
    """Share of the values that are at most ``value``, between two quantiles in proportion."""
    steps = len(sketch) - 1
    after = bisect_right(sketch, value)
    if after == 0:
        return 0.0
    if after > steps:
        return 1.0
    if after - bisect_left(sketch, value) > 0:
        return (after - 1) / steps
    low, high = sketch[after - 1], sketch[after]
    return (after - 1 + (value - low) / (high - low)) / steps
