"""Coordinates along one axis: close to the wanted positions, in order, and with a distance."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

from etl.pictures.layers import Layering

__all__ = ["columns", "spread"]

_ROUNDS = 160
_STRAIGHT_PULL = 6.0
"""Weight that keeps long arrows straight, and arrows between states that have no others."""


def spread(
    wanted: Sequence[float], apart: Sequence[float], weights: Sequence[float] | None = None
) -> list[float]:
    """Positions with the least squared distance to ``wanted``, at least ``apart[i]`` apart.

    ``apart[0]`` is not used. Solved exactly: with the distances taken off it is a monotone
    regression, where neighbours that are out of order are pooled at their mean.
    """
    offsets, total = [], 0.0
    for index, distance in enumerate(apart):
        total += distance if index else 0.0
        offsets.append(total)
    pools: list[list[float]] = []  # mean, weight, members
    for index, want in enumerate(wanted):
        weight = weights[index] if weights else 1.0
        pools.append([want - offsets[index], weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, weight, members = pools.pop()
            last = pools[-1]
            joined = last[1] + weight
            pools[-1] = [
                (last[0] * last[1] + mean * weight) / joined,
                joined,
                last[2] + members,
            ]
    placed = [mean for mean, _, members in pools for _ in range(int(members))]
    return [place + offset for place, offset in zip(placed, offsets, strict=True)]


def columns(layering: Layering, widths: dict[str, float], gap: float) -> dict[str, float]:
    """Centre of each node and placeholder; the leftmost edge may be negative."""
    near: dict[str, list[tuple[str, float]]] = {}
    links = layering.links()
    leaving, entering = Counter(upper for upper, _ in links), Counter(lower for _, lower in links)
    for upper, lower in links:
        straight = "\0" in upper or "\0" in lower or leaving[upper] == entering[lower] == 1
        pull = _STRAIGHT_PULL if straight else 1.0
        near.setdefault(upper, []).append((lower, pull))
        near.setdefault(lower, []).append((upper, pull))
    centres: dict[str, float] = {}
    for row in layering.rows:
        at = 0.0
        for name in row:
            centres[name] = at + widths[name] / 2
            at += widths[name] + gap
    for turn in range(_ROUNDS):
        rows = layering.rows if turn % 2 == 0 else layering.rows[::-1]
        for row in rows:
            wanted, weights = [], []
            for name in row:
                pulls = near.get(name, [])
                weight = sum(pull for _, pull in pulls)
                mean = sum(centres[n] * p for n, p in pulls) / weight if pulls else centres[name]
                wanted.append(mean)
                weights.append(weight or 0.1)
            apart = [0.0] + [(widths[a] + widths[b]) / 2 + gap for a, b in itertools.pairwise(row)]
            centres.update(zip(row, spread(wanted, apart, weights), strict=True))
    return centres
