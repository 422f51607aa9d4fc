"""The overview: the pipeline's health, its throughput and its last executions."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import MEDIUM_SECONDS, ControlRoom
from dashboard.cache import Answer
from dashboard.charts.shapes import Bars, Chart, bars_chart
from dashboard.health import diagnose
from dashboard.pages.time_spans import SPANS, STEPS, floor, step_text
from dashboard.sources import ledger
from dashboard.sources.executions import totals_of
from dashboard.sources.ledger import Period
from etl.operations.executions import Execution

__all__ = ["routes"]

SHOWN_EXECUTIONS = 6


def routes(room: ControlRoom) -> list[BaseRoute]:
    """Routes of the overview."""

    def overview(request: Request) -> Response:
        facts = room.facts()
        known = facts.executions.value or []
        names = [execution.name for execution in known]
        totals = room.ask(("totals", *names), lambda p: totals_of(p, names)).value or {}
        span = request.query_params.get("span", "")
        span = span if span in SPANS else "1h"
        trend = _trend(room, span)
        return room.pages.answer(
            request,
            "overview.html",
            health=diagnose(facts),
            facts=facts,
            executions=_noteworthy(known, set(totals)),
            totals=totals,
            trend=trend,
            chart=_throughput_chart(trend.value, span),
            spans={name: text for name, (text, _) in SPANS.items()},
            span=span,
        )

    return [Route("/", overview)]


def _noteworthy(executions: list[Execution], loading: set[str]) -> list[Execution]:
    """The newest executions that loaded something, run or failed, filled up with others.

    The schedule starts one every minute, and most of these have nothing to do.
    """
    noteworthy = [e for e in executions if e.name in loading or e.status != "SUCCEEDED"]
    others = [e for e in executions if e not in noteworthy]
    filling = others[: max(0, SHOWN_EXECUTIONS - len(noteworthy))]
    shown = [*noteworthy[:SHOWN_EXECUTIONS], *filling]
    return sorted(shown, key=lambda e: e.started, reverse=True)


def _trend(room: ControlRoom, span: str) -> Answer[list[Period]]:
    step = STEPS[span]
    start = floor(datetime.now(UTC) - SPANS[span][1], step) + step
    return room.ask(("trend", span, None), lambda p: ledger.trend(p, start, step), MEDIUM_SECONDS)


def _throughput_chart(periods: list[Period] | None, span: str) -> Chart | None:
    if not periods:
        return None
    return bars_chart(
        "Readings loaded",
        [period.start for period in periods],
        periods[-1].start + STEPS[span],
        [
            Bars("accepted", "a", [float(period.read - period.rejected) for period in periods]),
            Bars("rejected", "bad", [float(period.rejected) for period in periods]),
        ],
        unit=step_text(span),
    )
