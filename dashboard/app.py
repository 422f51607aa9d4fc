"""The web application: every page behind one guard."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from dashboard.app_state import ControlRoom
from dashboard.errors import PageError
from dashboard.pages import (
    actions,
    dead_letters,
    documentation,
    executions,
    fleet,
    overview,
    playground,
    quality,
    rejects,
)
from dashboard.rendering import FOLDER
from dashboard.security import Guard

__all__ = ["application"]

log = logging.getLogger(__name__)
PAGE_MODULES = (
    overview, executions, rejects, dead_letters, quality, fleet, playground, actions,
    documentation,
)  # fmt: skip


def application(room: ControlRoom, port: int) -> Starlette:
    """The control room as an ASGI application, to be served on this port of the loopback."""

    def http_error(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        title = "Page not found" if status == 404 else "Request not supported"
        return room.pages.answer(
            request, "message.html", status=status, title=title,
            error=PageError("request", title, "", "Choose a page in the navigation."),
        )  # fmt: skip

    def unexpected_error(request: Request, error: Exception) -> Response:
        log.error("page %s failed", request.url.path, exc_info=error)
        title = "Unexpected error in the control room"
        return room.pages.answer(
            request, "message.html", status=500, title=title,
            error=PageError(
                "bug", title, type(error).__name__, "The output of `etl dashboard` has details."
            ),
        )  # fmt: skip

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        room.close()

    routes: list[BaseRoute] = [
        Mount("/static", StaticFiles(directory=FOLDER / "static")),
        *(route for module in PAGE_MODULES for route in module.routes(room)),
    ]
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={HTTPException: http_error, Exception: unexpected_error},
        middleware=[Middleware(Guard, keys=room.keys, port=port, read_only=room.read_only)],
    )
