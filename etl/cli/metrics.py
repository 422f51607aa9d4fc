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
from etl.operations.observability import SETTING, deployed_level, not_recorded
from etl.operations.time_range import parse_since
from telemetry.metric_table import Level

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
    level = deployed_level(target)
    begin = parse_since(start, now)
    signals = _chosen(all_signals(target), name)
    seconds = period or choose_period(now - begin, LIST_POINTS if name is None else ONE_POINTS)
    with waiting("asking CloudWatch for the values"):
        found = read(target, signals, since=begin, until=now, period=seconds)
    if as_json:
        print_json([_as_dict(one, level) for one in found if one.points or name or everything])
    elif name is None:
        moved = [s for s in found if any(point.value for point in s.points)]
        _list(found if everything else moved, found, level, begin, now)
    else:
        absent = {not_recorded(level, s.signal.level) for s in found if not s.points} - {""}
        for series in found:
            if series.points or (len(found) == 1 and not absent) or everything:
                _one(series, begin, now)
        for reason in sorted(absent):
            notes.print(f"{found[0].signal.metric}: {reason}", soft_wrap=True)
        if not absent and not any(series.points for series in found):
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


def _list(
    shown: list[Series], found: list[Series], level: Level, begin: datetime, now: datetime
) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))  # narrow: a terminal has 80 columns
    table.add_column("metric", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column(f"since {begin:%H:%M} UTC", no_wrap=True)
    for series in shown:
        signal = series.signal
        line = sparkline(values_per_period(series, begin, now))
        if not series.points and not_recorded(level, signal.level):
            line = f"not at {level}"
        value = _formatted(series.total, signal) if series.points else ""
        table.add_row(signal.name, value, _word(signal.statistic), Text(line, "cyan"))
    console.print(table)
    absent = [s for s in found if not s.points and not_recorded(level, s.signal.level)]
    hidden = len(found) - len(shown) - (len(absent) if shown is not found else 0)
    if hidden:
        notes.print(f"{hidden} more are zero or have no data (--all lists them)")
    if absent:
        notes.print(f"{len(absent)} are not recorded at level {level} ({SETTING} = full does)")


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


def _as_dict(series: Series, level: Level) -> dict[str, Any]:
    signal = asdict(series.signal) | {"dimensions": dict(series.signal.dimensions)}
    reason = not_recorded(level, signal.pop("level"))
    if reason and not series.points:
        signal["not_recorded"] = reason
    points = [{"time": point.time.isoformat(), "value": point.value} for point in series.points]
    return signal | {"period": series.period, "points": points}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(metrics)
