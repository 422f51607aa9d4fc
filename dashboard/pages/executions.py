"""Executions: the list, one of them with its picture, its timeline and its batches."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import SOON, Room
from dashboard.sources import executions as runs
from etl.operations.pictures import NoTraceError

__all__ = ["routes"]

SHOWN = 100
ENDED_SECONDS = 60.0
"""How long the picture of an ended execution holds; a late trace may still add to it."""
PICTURE_HEADERS = {
    # A picture brings its own style, and is nothing but a picture.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cache-Control": "private, max-age=86400",
}
STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


def routes(room: Room) -> list[BaseRoute]:
    """Of this concern."""

    def seen(name: str, kind: str) -> runs.Seen | None:
        """A picture of an execution; ``None`` where there is no trace to make it of."""
        found = room.ask(("run", name), lambda p: runs.detail(p, name)).value
        running = found is None or found.execution.status == "RUNNING"
        make = runs.picture if kind == "picture" else runs.timeline

        def look(_: object) -> runs.Seen | None:
            try:
                return make(room.pipeline, name)
            except NoTraceError:
                return None

        return room.ask((kind, name), look, SOON if running else ENDED_SECONDS).value

    def listed(request: Request) -> Response:
        status = request.query_params.get("status", "")
        found = room.ask("executions-all", lambda p: runs.newest(p, SHOWN))
        shown = [e for e in found.value or () if status in ("", e.status)]
        names = [execution.name for execution in shown]
        totals = room.ask(("totals", *names), lambda p: runs.totals_of(p, names))
        return room.pages.answer(
            request,
            "executions.html",
            found=found,
            executions=shown,
            totals=totals.value or {},
            chosen=status,
            statuses=[s for s in STATUSES if any(e.status == s for e in found.value or ())],
        )

    def one(request: Request) -> Response:
        name = request.path_params["name"]
        found = room.ask(("run", name), lambda p: runs.detail(p, name))
        return room.pages.answer(
            request,
            "execution.html",
            status=404 if found.value is None else 200,
            name=name,
            found=found,
            picture=seen(name, "picture") if found.value else None,
            timeline=seen(name, "timeline") if found.value else None,
        )

    def drawn(request: Request) -> Response:
        name, kind = request.path_params["name"], request.path_params["kind"]
        picture = seen(name, kind) if kind in ("picture", "timeline") else None
        if picture is None:
            return PlainTextResponse("no such picture", 404)
        return Response(picture.picture.svg, media_type="image/svg+xml", headers=PICTURE_HEADERS)

    return [
        Route("/executions", listed),
        Route("/executions/{name}", one),
        Route("/executions/{name}/{kind}.svg", drawn),
    ]
