"""Data quality over time: what is rejected, what comes twice, and how complete the columns are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import LATER, SELDOM, Room
from dashboard.charts.drawn import Bars, Chart, bars_chart, line_chart, spark
from dashboard.sources import ledger
from dashboard.sources import quality as holding
from telemetry.contract.model import Column

__all__ = ["routes"]

TWICE = "Share that came again: within a micro-batch, or of rows that were there."
SPANS = {
    "1h": ("1 hour", timedelta(hours=1), timedelta(minutes=1)),
    "24h": ("24 hours", timedelta(hours=24), timedelta(minutes=20)),
    "7d": ("7 days", timedelta(days=7), timedelta(hours=3)),
    "30d": ("30 days", timedelta(days=30), timedelta(hours=12)),
}


def routes(room: Room) -> list[BaseRoute]:
    """Of this concern."""

    def quality(request: Request) -> Response:
        extent = room.ask("extent", ledger.extent, LATER).value
        chosen = request.query_params.get("span", "")
        chosen = chosen if chosen in SPANS else _fitting(extent)
        _, length, step = SPANS[chosen]
        start = _floor(datetime.now(UTC) - length, step)
        trend = room.ask(("trend", chosen), lambda p: ledger.trend(p, start, step), LATER)
        complete = room.ask("completeness", holding.completeness, SELDOM)
        periods = trend.value or []
        return room.pages.answer(
            request,
            "quality.html",
            spans={name: text for name, (text, *_) in SPANS.items()},
            chosen=chosen,
            trend=trend,
            charts=_charts(periods, step) if periods else [],
            complete=complete,
            sparks={
                one.column: spark(one.shares, high=1, slots=holding.NEWEST_BATCHES)
                for one in complete.value or ()
            },
            columns={c.name: c for c in _columns(room)},
        )

    return [Route("/quality", quality)]


def _columns(room: Room) -> tuple[Column, ...]:
    answer = room.ask("columns", lambda p: p.target.contract.columns, SELDOM)
    return answer.value or ()


def _fitting(extent: ledger.Extent | None) -> str:
    """The shortest span that holds what was loaded."""
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
        share("Rejected", "rejected", "bad", "Share of all readings that could not be rows."),
        share("Duplicates", "duplicates", "b", TWICE),
        bars_chart(
            "Readings",
            starts,
            end,
            [
                Bars("accepted", "a", [max(0.0, p.accepted) for p in periods]),
                Bars("rejected", "bad", [float(p.rejected) for p in periods]),
            ],
            description="By the time they were loaded.",
        ),
    ]
