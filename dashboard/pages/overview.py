"""The overview: the pipeline's health, its throughput and its last executions."""

from __future__ import annotations

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import ControlRoom
from dashboard.charts.shapes import Bars, Chart, bars_chart
from dashboard.health import diagnose
from dashboard.sources.executions import totals_of
from dashboard.sources.ledger import Throughput
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
        return room.pages.answer(
            request,
            "overview.html",
            health=diagnose(facts),
            facts=facts,
            executions=_noteworthy(known, set(totals)),
            totals=totals,
            chart=_throughput_chart(facts.throughput.value),
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


def _throughput_chart(throughput: Throughput | None) -> Chart | None:
    if throughput is None:
        return None
    minutes = throughput.minutes
    starts = [minute.start for minute in minutes]
    return bars_chart(
        "Readings per minute in the last hour",
        starts,
        starts[-1] + timedelta(minutes=1),
        [
            Bars("accepted", "a", [float(minute.read - minute.rejected) for minute in minutes]),
            Bars("rejected", "bad", [float(minute.rejected) for minute in minutes]),
        ],
    )
