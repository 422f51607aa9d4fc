"""``etl metrics``: the pipeline's metrics, and one metric over time."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from etl.cli.completion import complete_metric
from etl.cli.context import JsonOption, console, fail, guard, notes, print_json, target_of
from etl.cli.sparkline import sparkline, values_per_period
from etl.cli.wait_line import waiting
from etl.operations.metrics import Series, Signal, all_signals, choose_period, read
from etl.operations.time_range import parse_since

__all__ = ["register"]

UNITS = {"Count": "", "Seconds": " s", "Milliseconds": " ms", "Percent": " %"}
LIST_POINTS, ONE_POINTS = 20, 30
BAR = 40
SinceOption = Annotated[
    str, typer.Option("--since", help="Start: 90m, 6h or 2d ago, or an ISO time (UTC).")
]


@guard
def metrics(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            help="A metric, or one of its dimensions: StageSeconds, StageSeconds/load.",
            autocompletion=complete_metric,
        ),
    ] = None,
    start: SinceOption = "1h",
    period: Annotated[
        int | None,
        typer.Option(min=60, help="Seconds per point (whole minutes); default: fits the range."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List metrics without data, or always zero, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the metrics with their values, or show one metric over time."""
    if period is not None and period % 60:
        raise typer.BadParameter("must be a multiple of 60", param_hint="--period")
    target, now = target_of(context.obj), datetime.now(UTC)
    begin = parse_since(start, now)
    signals = _chosen(all_signals(target), name)
    seconds = period or choose_period(now - begin, LIST_POINTS if name is None else ONE_POINTS)
    with waiting("asking CloudWatch for the values"):
        found = read(target, signals, since=begin, until=now, period=seconds)
    if as_json:
        print_json([_as_dict(series) for series in found if series.points or name or everything])
    elif name is None:
        moved = [s for s in found if any(point.value for point in s.points)]
        _list(found if everything else moved, len(found), begin, now)
    else:
        for series in found:
            if series.points or len(found) == 1 or everything:
                _one(series, begin, now)
        if not any(series.points for series in found):
            notes.print(f"no data since {begin:%Y-%m-%d %H:%M} UTC")


def _chosen(signals: list[Signal], name: str | None) -> list[Signal]:
    if name is None:
        return signals
    wanted = name.lower()
    found = [
        one
        for one in signals
        if wanted in (one.name.lower(), one.name.lower().partition("/")[0], one.metric.lower())
    ]
    if not found:
        near = sorted({n for one in signals if wanted in (n := one.name.partition("/")[0]).lower()})
        hint = f"Do you mean {', '.join(near)}?" if near else "`etl metrics --all` lists them."
        raise fail(f"There is no metric '{name}'. {hint}")
    return found


def _list(found: list[Series], total: int, begin: datetime, now: datetime) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))  # narrow: a terminal has 80 columns
    table.add_column("metric", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column(f"since {begin:%H:%M} UTC", no_wrap=True)
    for series in found:
        signal = series.signal
        line = sparkline(values_per_period(series, begin, now))
        value = _formatted(series.total, signal) if series.points else ""
        table.add_row(signal.name, value, _word(signal.statistic), Text(line, "cyan"))
    console.print(table)
    if len(found) < total:
        notes.print(f"{total - len(found)} more are zero or have no data (--all lists them)")


def _one(series: Series, begin: datetime, now: datetime) -> None:
    signal = series.signal
    title = f"{signal.name}: {signal.meaning}"
    table = Table(title=title, title_justify="left")
    table.add_column("time (UTC)")
    table.add_column(f"{_word(signal.statistic)} of {series.period} s", justify="right")
    table.add_column("", no_wrap=True)
    greatest = max((point.value for point in series.points), default=0.0) or 1.0
    style = "%m-%d %H:%M" if (now - begin).days else "%H:%M"
    for point in series.points:
        bar = "█" * max(0, round(point.value / greatest * BAR))
        table.add_row(f"{point.time:{style}}", _formatted(point.value, signal), Text(bar, "cyan"))
    console.print(table)


def _word(statistic: str) -> str:
    words = {"Sum": "sum", "Average": "mean", "Maximum": "max", "p50": "median"}
    return words.get(statistic, statistic)


def _formatted(value: float, signal: Signal) -> str:
    digits = 0 if signal.unit == "Count" or value >= 1000 else 2
    return f"{value:,.{digits}f}{UNITS.get(signal.unit, '')}"


def _as_dict(series: Series) -> dict[str, Any]:
    signal = asdict(series.signal) | {"dimensions": dict(series.signal.dimensions)}
    points = [{"time": point.time.isoformat(), "value": point.value} for point in series.points]
    return signal | {"period": series.period, "points": points}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(metrics)
