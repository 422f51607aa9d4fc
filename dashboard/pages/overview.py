"""The first page: is all well, and how much goes through."""

from __future__ import annotations

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import Room
from dashboard.charts.drawn import Bars, Chart, bars_chart
from dashboard.health import diagnose
from dashboard.sources import executions as runs
from dashboard.sources.ledger import Pace
from etl.operations.executions import Execution

__all__ = ["routes"]

SHOWN_EXECUTIONS = 6


def routes(room: Room) -> list[BaseRoute]:
    """Of this concern."""

    def overview(request: Request) -> Response:
        facts = room.facts()
        known = facts.executions.value or []
        names = [execution.name for execution in known]
        totals = room.ask(("totals", *names), lambda p: runs.totals_of(p, names)).value or {}
        executions = _telling(known, set(totals))
        return room.pages.answer(
            request,
            "overview.html",
            health=diagnose(facts),
            facts=facts,
            executions=executions,
            totals=totals,
            chart=_throughput(facts.pace.value),
        )

    return [Route("/", overview)]


def _telling(executions: list[Execution], loading: set[str]) -> list[Execution]:
    """The newest that loaded something, run or failed; where they are few, the others as well.

    The schedule starts one every minute, and most of these find nothing to do.
    """
    telling = [e for e in executions if e.name in loading or e.status != "SUCCEEDED"]
    others = [e for e in executions if e not in telling]
    shown = [*telling[:SHOWN_EXECUTIONS], *others[: max(0, SHOWN_EXECUTIONS - len(telling))]]
    return sorted(shown, key=lambda e: e.started, reverse=True)


def _throughput(pace: Pace | None) -> Chart | None:
    if pace is None:
        return None
    starts = [minute.start for minute in pace.minutes]
    good = [float(minute.read - minute.rejected) for minute in pace.minutes]
    return bars_chart(
        "Readings a minute, over the last hour",
        starts,
        starts[-1] + timedelta(minutes=1),
        [
            Bars("taken", "a", good),
            Bars("rejected", "bad", [float(minute.rejected) for minute in pace.minutes]),
        ],
    )
