"""A chart's lines, bars, ticks and values, ready for the template."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboard.charts.scales import Scale, number_text, scale_of, time_ticks

__all__ = ["Bar", "Bars", "Chart", "Line", "bars_chart", "line_chart", "sparkline"]

WIDTH, HEIGHT = 1000.0, 100.0
Point = tuple[datetime, float, float, float]
"""Time, least, mean and greatest value."""
GAP = 2.5
"""A line is interrupted where no point lies for so many steps."""


@dataclass(frozen=True)
class Line:
    """A line of a chart, with a band between least and greatest values where they differ."""

    name: str
    tone: str
    """A colour of the style sheet: ``a``, ``b``, ``bad`` or ``muted``."""
    path: str
    band: str = ""
    dots: tuple[tuple[str, str], ...] = ()
    """Points without neighbours, which no line can show."""


@dataclass(frozen=True)
class Bar:
    """One rectangle of the stretched layer."""

    x: str
    y: str
    width: str
    height: str
    tone: str


@dataclass(frozen=True)
class Chart:
    """A chart, ready for the template."""

    title: str
    unit: str
    summary: str
    """The chart in a sentence, for screen readers."""
    lines: tuple[Line, ...] = ()
    bars: tuple[Bar, ...] = ()
    y_ticks: tuple[tuple[str, str], ...] = ()
    """Position in units of the stretched layer, from the top, and text."""
    x_ticks: tuple[tuple[str, str], ...] = ()
    """Position in per cent of the width, and text."""
    legend: tuple[tuple[str, str], ...] = ()
    """Tone and name."""
    points: str = "[]"
    """JSON for the pointer: ``[[position 0..1, time, value...]...]``."""
    description: str = ""
    empty: bool = False


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _x(place: float) -> float:
    return min(max(place, 0.0), 1.0) * WIDTH


def _y(scale: Scale, value: float) -> float:
    return HEIGHT - scale.place(value) * HEIGHT


def _axes(
    scale: Scale, start: datetime, end: datetime, percent: bool
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    y = tuple(
        (_n(_y(scale, tick)), _value(tick, percent, scale.step)) for tick in reversed(scale.ticks)
    )
    x = tuple((_n(position * 100), text) for position, text in time_ticks(start, end))
    return y, x


def _value(value: float, percent: bool, step: float | None = None) -> str:
    if percent:
        return f"{number_text(value * 100, None if step is None else step * 100)} %"
    return number_text(value, step)


def line_chart(
    title: str,
    points: Sequence[Point],
    start: datetime,
    end: datetime,
    *,
    unit: str = "",
    step: float,
    tone: str = "a",
    percent: bool = False,
    zero: bool = False,
    description: str = "",
) -> Chart:
    """A chart of one value over time.

    ``step`` is the usual distance of two points in seconds; a longer distance leaves a gap.
    """
    if not points:
        return Chart(title, unit, f"{title}: no values.", description=description, empty=True)
    least, most = min(p[1] for p in points), max(p[3] for p in points)
    # A share that is always none is drawn on a scale of one per cent, not of all.
    scale = scale_of(least, 0.01 if percent and zero and most == 0 else most, zero=zero)
    whole = max((end - start).total_seconds(), 1e-3)
    places = [((p[0] - start).total_seconds() / whole, *p[1:]) for p in points]
    runs = _runs(points, step)
    path, band, dots = "", "", []
    for first, last in runs:
        run = places[first:last]
        if len(run) == 1:
            dots.append((_n(_x(run[0][0])), _n(_y(scale, run[0][2]))))
        path += "M" + "L".join(f"{_n(_x(x))} {_n(_y(scale, mean))}" for x, _, mean, _ in run)
        top = [f"{_n(_x(x))} {_n(_y(scale, high))}" for x, _, _, high in run]
        bottom = [f"{_n(_x(x))} {_n(_y(scale, low))}" for x, low, _, _ in reversed(run)]
        band += "M" + "L".join([*top, *bottom]) + "Z"
    flat = all(p[1] == p[3] for p in points)
    y_ticks, x_ticks = _axes(scale, start, end, percent)
    return Chart(
        title,
        unit,
        _summary(title, unit, points, percent),
        lines=(Line(title, tone, path, "" if flat else band, tuple(dots)),),
        y_ticks=y_ticks,
        x_ticks=x_ticks,
        points=_pointer_values(places, points, unit, flat, percent),
        description=description,
    )


def _runs(points: Sequence[Point], step: float) -> list[tuple[int, int]]:
    """First and last index of each unbroken run of points."""
    breaks = [
        index
        for index in range(1, len(points))
        if (points[index][0] - points[index - 1][0]).total_seconds() > step * GAP
    ]
    edges = [0, *breaks, len(points)]
    return list(itertools.pairwise(edges))


def _summary(
    title: str,
    unit: str,
    points: Sequence[Point],
    percent: bool,
) -> str:
    least, most = min(p[1] for p in points), max(p[3] for p in points)
    behind = f" {unit}" if unit else ""
    return (
        f"{title}: from {_value(least, percent)} to {_value(most, percent)}{behind}, "
        f"last {_value(points[-1][2], percent)}{behind}."
    )


def _pointer_values(
    places: Sequence[tuple[float, float, float, float]],
    points: Sequence[Point],
    unit: str,
    flat: bool,
    percent: bool,
) -> str:
    behind = f" {unit}" if unit else ""
    found = []
    for (x, low, mean, high), (time, *_) in zip(places, points, strict=True):
        texts = [f"{_value(mean, percent)}{behind}"]
        if not flat and low != high:
            texts.append(f"{_value(low, percent)} to {_value(high, percent)}")
        found.append([round(min(max(x, 0), 1), 4), f"{time:%b %d, %H:%M:%S} UTC", *texts])
    return json.dumps(found, separators=(",", ":"))


@dataclass(frozen=True)
class Bars:
    """One series of stacked values, one for each step of time."""

    name: str
    tone: str
    values: Sequence[float]


def bars_chart(
    title: str,
    starts: Sequence[datetime],
    end: datetime,
    stacks: Sequence[Bars],
    *,
    unit: str = "",
    description: str = "",
) -> Chart:
    """A chart of stacked values at equal steps of time, the first series at the bottom."""
    totals = [sum(stack.values[index] for stack in stacks) for index in range(len(starts))]
    if not any(totals):
        return Chart(title, unit, f"{title}: no values.", description=description, empty=True)
    scale = scale_of(0, max(totals), zero=True)
    slot = WIDTH / len(starts)
    bars, heights = [], [0.0] * len(starts)
    for stack in stacks:
        for index, value in enumerate(stack.values):
            if value:
                low, high = _y(scale, heights[index]), _y(scale, heights[index] + value)
                heights[index] += value
                x, width = index * slot + slot * 0.12, slot * 0.76
                tall = max(low - high, 0.6)
                bars.append(Bar(_n(x), _n(high), _n(width), _n(tall), stack.tone))
    y_ticks, x_ticks = _axes(scale, starts[0], end, percent=False)
    points = [
        [
            round((index + 0.5) / len(starts), 4),
            f"{start:%b %d, %H:%M} UTC",
            *(f"{number_text(s.values[index], 1)} {s.name}" for s in stacks),
        ]
        for index, start in enumerate(starts)
    ]
    sums = ", ".join(f"{number_text(sum(s.values), 1)} {s.name}" for s in stacks)
    return Chart(
        title,
        unit,
        f"{title}: {sums}; at most {number_text(max(totals), 1)} in one step.",
        bars=tuple(bars),
        y_ticks=y_ticks,
        x_ticks=x_ticks,
        legend=tuple((s.tone, s.name) for s in stacks) if len(stacks) > 1 else (),
        points=json.dumps(points, separators=(",", ":")),
        description=description,
    )


def sparkline(values: Sequence[float], *, high: float | None = None, slots: int = 0) -> list[Bar]:
    """Small bars for one row of a table, in a box of 100 x 24 units.

    ``high`` is the value of a full bar, by default the greatest value. Fewer values than ``slots``
    are drawn at the right end.
    """
    number = max(slots, len(values))
    top = max(high if high is not None else max(values, default=0.0), 1e-9)
    slot = 100 / max(number, 1)
    first = number - len(values)
    return [
        Bar(_n((first + i) * slot), _n(24 - h), _n(slot * 0.72), _n(h), "a")
        for i, value in enumerate(values)
        if value > 0 and (h := max(min(value / top, 1.0) * 24, 1.0))
    ]
