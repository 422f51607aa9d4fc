"""Data quality over time: rejected readings, duplicates, and completeness of the columns."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import LONG_SECONDS, MEDIUM_SECONDS, ControlRoom
from dashboard.charts.shapes import Bars, Chart, bars_chart, line_chart, sparkline
from dashboard.pages.time_spans import SPANS, STEPS, floor, span_covering, step_text
from dashboard.sources import ledger
from dashboard.sources.pipeline import contract_named
from dashboard.sources.quality import NEWEST_BATCHES, completeness
from telemetry.contract.model import Column

__all__ = ["columns_of", "routes"]

CONFLICTS = "Share of all readings with the key of another one, and other values; they are kept."
DUPLICATES = "Share of all readings that repeat one of their micro-batch or an existing row."


def routes(room: ControlRoom) -> list[BaseRoute]:
    """Routes of data quality."""

    def quality(request: Request) -> Response:
        contract = room.shown_contract(request)
        extent = room.ask("extent", ledger.extent, MEDIUM_SECONDS).value
        chosen = request.query_params.get("span", "")
        chosen = chosen if chosen in SPANS else _covering(extent)
        step = STEPS[chosen]
        start = floor(datetime.now(UTC) - SPANS[chosen][1], step) + step
        trend = room.ask(
            ("trend", chosen, contract),
            lambda p: ledger.trend(p, start, step, contract),
            MEDIUM_SECONDS,
        )
        complete = room.ask(
            ("completeness", contract), lambda p: completeness(p, contract), LONG_SECONDS
        )
        periods = trend.value or []
        return room.pages.answer(
            request,
            "quality.html",
            spans={name: text for name, (text, _) in SPANS.items()},
            chosen=chosen,
            trend=trend,
            charts=_charts(periods, chosen) if periods else [],
            complete=complete,
            sparklines={
                one.column: sparkline(one.shares, high=1, slots=NEWEST_BATCHES)
                for one in complete.value or ()
            },
            columns={c.name: c for c in columns_of(room, contract)},
            contracts=room.contract_names(),
            contract=contract or "",
        )

    return [Route("/quality", quality)]


def columns_of(room: ControlRoom, contract: str | None) -> tuple[Column, ...]:
    """The columns of the named contract, or of the only one; empty where they are not known."""
    answer = room.ask(
        ("columns", contract), lambda p: contract_named(p, contract).columns, LONG_SECONDS
    )
    return answer.value or ()


def _covering(extent: ledger.Extent | None) -> str:
    """The shortest range that covers everything loaded so far."""
    if extent is None or extent.loaded_first is None:
        return "24h"
    return span_covering(datetime.now(UTC) - extent.loaded_first)


def _charts(periods: list[ledger.Period], span: str) -> list[Chart]:
    step = STEPS[span]
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
            unit=step_text(span),
            description="By the time when their batch was loaded.",
        ),
    ]
