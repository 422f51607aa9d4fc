"""The first page: is all well, and how much goes through."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.charts.drawn import Bars, Chart, bars_chart
from dashboard.health import diagnose
from dashboard.room import Room
from dashboard.sources import runs
from dashboard.sources.ledger import Pace

__all__ = ["routes"]

SHOWN_EXECUTIONS = 6


def routes(room: Room) -> list[BaseRoute]:
    """Of this concern."""

    def overview(request: Request) -> Response:
        facts = room.facts()
        executions = (facts.executions.value or [])[:SHOWN_EXECUTIONS]
        names = [execution.name for execution in executions]
        totals = room.ask(("totals", *names), lambda p: runs.totals_of(p, names))
        return room.pages.answer(
            request,
            "overview.html",
            health=diagnose(facts),
            facts=facts,
            executions=executions,
            totals=totals.value or {},
            chart=_throughput(facts.pace.value),
        )

    return [Route("/", overview)]


def _throughput(pace: Pace | None) -> Chart | None:
    if pace is None:
        return None
    starts = [minute.start for minute in pace.minutes]
    good = [float(minute.read - minute.rejected) for minute in pace.minutes]
    return bars_chart(
        "Readings a minute, over the last hour",
        starts,
        starts[-1],
        [
            Bars("taken", "a", good),
            Bars("rejected", "bad", [float(minute.rejected) for minute in pace.minutes]),
        ],
    )
