"""Data quality over time: rejected readings, duplicates, and completeness of the columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import LONG_SECONDS, MEDIUM_SECONDS, ControlRoom
from dashboard.charts.shapes import Bars, Chart, bars_chart, line_chart, sparkline
from dashboard.sources import ledger
from dashboard.sources.quality import NEWEST_BATCHES, completeness
from telemetry.contract.model import Column

__all__ = ["routes"]

CONFLICTS = "Share of all readings with the key of another one, and other values; they are kept."
DUPLICATES = "Share of all readings that repeat one of their micro-batch or an existing row."
SPANS = {
    "1h": ("1 hour", timedelta(hours=1), timedelta(minutes=1)),
    "24h": ("24 hours", timedelta(hours=24), timedelta(minutes=20)),
    "7d": ("7 days", timedelta(days=7), timedelta(hours=3)),
    "30d": ("30 days", timedelta(days=30), timedelta(hours=12)),
}


def routes(room: ControlRoom) -> list[BaseRoute]:
    """Routes of data quality."""

    def quality(request: Request) -> Response:
        extent = room.ask("extent", ledger.extent, MEDIUM_SECONDS).value
        chosen = request.query_params.get("span", "")
        chosen = chosen if chosen in SPANS else _covering(extent)
        _, length, step = SPANS[chosen]
        start = _floor(datetime.now(UTC) - length, step)
        trend = room.ask(("trend", chosen), lambda p: ledger.trend(p, start, step), MEDIUM_SECONDS)
        complete = room.ask("completeness", completeness, LONG_SECONDS)
        periods = trend.value or []
        return room.pages.answer(
            request,
            "quality.html",
            spans={name: text for name, (text, *_) in SPANS.items()},
            chosen=chosen,
            trend=trend,
            charts=_charts(periods, step) if periods else [],
            complete=complete,
            sparklines={
                one.column: sparkline(one.shares, high=1, slots=NEWEST_BATCHES)
                for one in complete.value or ()
            },
            columns={c.name: c for c in _columns(room)},
        )

    return [Route("/quality", quality)]


def _columns(room: ControlRoom) -> tuple[Column, ...]:
    answer = room.ask("columns", lambda p: p.target.contract.columns, LONG_SECONDS)
    return answer.value or ()


def _covering(extent: ledger.Extent | None) -> str:
    """The shortest range that covers everything loaded so far."""
    if extent is None or extent.loaded_first is None:
        return "24h"
    age = datetime.now(UTC) - extent.loaded_first
    return next((name for name, (_, length, _) in SPANS.items() if age < length), "30d")


def _floor(time: datetime, step: timedelta) -> datetime:
    seconds = step.total_seconds()
    return datetime.fromtimestamp(time.timestamp() // seconds * seconds, UTC)


def _charts(periods: list[ledger.Period], step: timedelta) -> list[Chart]:
    starts, end = [p.start for p in periods], periods[-1].start + step

    def share(title: str, name: str, tone: str, about: str) -> Chart:
        points = [
            (p.start + step / 2, value, value, value)
            for p in periods
            if (value := p.share(getattr(p, name))) is not None
        ]
        return line_chart(
            title, points, starts[0], end, step=step.total_seconds() * 4, tone=tone,
            percent=True, zero=True, description=about,
        )  # fmt: skip

    return [
        share("Rejected", "rejected", "bad", "Share of all readings that could not become rows."),
        share("Duplicates", "duplicates", "b", DUPLICATES),
        share("Conflicts", "conflicts", "bad", CONFLICTS),
        bars_chart(
            "Readings",
            starts,
            end,
            [
                Bars("accepted", "a", [max(0.0, p.accepted) for p in periods]),
                Bars("rejected", "bad", [float(p.rejected) for p in periods]),
            ],
            description="By the time when their batch was loaded.",
        ),
    ]
