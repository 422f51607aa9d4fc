"""Layers of a directed graph, and the order within each: the first half of a layered drawing.

Sugiyama's method, as graph drawing programs use it: arrows that close a cycle are left out, each
node is placed below its predecessors, an arrow over several layers gets a placeholder in each, and
the order is improved by barycentres until the arrows cross least.

No library does this: grandalf, the only one in pure Python, has had no release since January 2023
and supports neither containers nor a lane for errors.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Layering", "arrange"]

_SWEEPS = 12

Edge = tuple[str, str]


@dataclass(frozen=True)
class Layering:
    """Nodes and placeholders in layers, from left to right."""

    rows: tuple[tuple[str, ...], ...]
    paths: dict[Edge, tuple[str, ...]]
    """Source, placeholders and target of each forward edge. All other edges lead back."""

    def row_of(self, name: str) -> int:
        """Index of a node's layer."""
        return next(i for i, row in enumerate(self.rows) if name in row)

    def links(self) -> list[Edge]:
        """Edges between neighbouring layers."""
        return [pair for path in self.paths.values() for pair in itertools.pairwise(path)]


def arrange(nodes: Sequence[str], edges: Iterable[Edge], start: str) -> Layering:
    """The layers of the nodes. ``nodes`` gives the order of neighbours otherwise undecided."""
    forward = _without_cycles(nodes, list(edges), start)
    depth = _depths(nodes, forward)
    paths: dict[Edge, tuple[str, ...]] = {}
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for name in nodes:
        rows[depth[name]].append(name)
    for source, target in forward:
        between = [f"{source}\0{target}\0{d}" for d in range(depth[source] + 1, depth[target])]
        for offset, placeholder in enumerate(between, depth[source] + 1):
            rows[offset].append(placeholder)
        paths[source, target] = (source, *between, target)
    links = [pair for path in paths.values() for pair in itertools.pairwise(path)]
    return Layering(tuple(tuple(row) for row in _least_crossing(rows, links)), paths)


def _without_cycles(nodes: Sequence[str], edges: list[Edge], start: str) -> list[Edge]:
    """The edges that do not lead back to a node on the path from ``start``."""
    forward: list[Edge] = []
    state: dict[str, str] = {}

    def visit(name: str) -> None:
        state[name] = "open"
        for source, target in edges:
            if source != name or state.get(target) == "open":
                continue
            forward.append((source, target))
            if target not in state:
                visit(target)
        state[name] = "done"

    for name in (start, *nodes):
        if name not in state:
            visit(name)
    return forward


def _depths(nodes: Sequence[str], forward: list[Edge]) -> dict[str, int]:
    """Length of the longest path from a node without predecessors."""
    depth = dict.fromkeys(nodes, 0)
    for _ in nodes:
        moved = False
        for source, target in forward:
            if depth[target] <= depth[source]:
                depth[target] = depth[source] + 1
                moved = True
        if not moved:
            break
    return depth


def _least_crossing(rows: list[list[str]], links: list[Edge]) -> list[list[str]]:
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for upper, lower in links:
        above.setdefault(lower, []).append(upper)
        below.setdefault(upper, []).append(lower)
    best, fewest = [list(row) for row in rows], _crossings(rows, links)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        order = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for index in order:
            fixed = {name: i for i, name in enumerate(rows[index - 1 if down else index + 1])}
            _sort_by_barycentre(rows[index], fixed, above if down else below)
        crossings = _crossings(rows, links)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _sort_by_barycentre(
    row: list[str], fixed: dict[str, int], neighbours: dict[str, list[str]]
) -> None:
    def key(item: tuple[int, str]) -> float:
        index, name = item
        places = [fixed[n] for n in neighbours.get(name, ()) if n in fixed]
        return sum(places) / len(places) if places else float(index)

    row[:] = [name for _, name in sorted(enumerate(row), key=key)]


def _crossings(rows: list[list[str]], links: list[Edge]) -> int:
    place = {name: (i, j) for i, row in enumerate(rows) for j, name in enumerate(row)}
    count = 0
    for position, (a, b) in enumerate(links):
        for c, d in links[position + 1 :]:
            if place[a][0] == place[c][0]:
                left, right = place[a][1] - place[c][1], place[b][1] - place[d][1]
                count += left * right < 0
    return count
