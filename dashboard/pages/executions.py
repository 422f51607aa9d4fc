"""Executions: the list, and one execution with its picture, its timeline and its batches."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import SHORT_SECONDS, ControlRoom
from dashboard.sources import executions as source
from etl.operations.pictures import NoTraceError

__all__ = ["routes"]

SHOWN = 100
ENDED_SECONDS = 60.0
"""Seconds that the picture of an ended execution is kept; a late trace may still add to it."""
PICTURE_HEADERS = {
    # A picture has its own style, and contains nothing else.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cache-Control": "private, max-age=86400",
}
STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


def routes(room: ControlRoom) -> list[BaseRoute]:
    """Routes of the executions."""

    def picture_of(name: str, kind: str) -> source.VersionedPicture | None:
        """A picture of an execution; ``None`` where there is no trace to draw it from."""
        found = room.ask(("execution", name), lambda p: source.detail(p, name)).value
        running = found is None or found.execution.status == "RUNNING"
        draw = source.picture if kind == "picture" else source.timeline

        def question(_: object) -> source.VersionedPicture | None:
            try:
                return draw(room.pipeline, name)
            except NoTraceError:
                return None

        return room.ask((kind, name), question, SHORT_SECONDS if running else ENDED_SECONDS).value

    def list_page(request: Request) -> Response:
        status = request.query_params.get("status", "")
        found = room.ask("executions-all", lambda p: source.latest_executions(p, SHOWN))
        shown = [e for e in found.value or () if status in ("", e.status)]
        names = [execution.name for execution in shown]
        totals = room.ask(("totals", *names), lambda p: source.totals_of(p, names))
        return room.pages.answer(
            request,
            "executions.html",
            found=found,
            executions=shown,
            totals=totals.value or {},
            chosen=status,
            statuses=[s for s in STATUSES if any(e.status == s for e in found.value or ())],
        )

    def execution_page(request: Request) -> Response:
        name = request.path_params["name"]
        found = room.ask(("execution", name), lambda p: source.detail(p, name))
        return room.pages.answer(
            request,
            "execution.html",
            status=404 if found.value is None else 200,
            name=name,
            found=found,
            picture=picture_of(name, "picture") if found.value else None,
            timeline=picture_of(name, "timeline") if found.value else None,
        )

    def svg(request: Request) -> Response:
        name, kind = request.path_params["name"], request.path_params["kind"]
        found = picture_of(name, kind) if kind in ("picture", "timeline") else None
        if found is None:
            return PlainTextResponse("There is no such picture.", 404)
        return Response(found.picture.svg, media_type="image/svg+xml", headers=PICTURE_HEADERS)

    return [
        Route("/executions", list_page),
        Route("/executions/{name}", execution_page),
        Route("/executions/{name}/{kind}.svg", svg),
    ]
