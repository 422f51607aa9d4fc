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

from dashboard.app_state import Room
from dashboard.errors import Trouble
from dashboard.pages import actions, executions, fleet, overview, quality, rejects
from dashboard.pages import dead_letters as letters
from dashboard.rendering import FOLDER
from dashboard.security import Guard

__all__ = ["application"]

log = logging.getLogger(__name__)
CONCERNS = (overview, executions, rejects, letters, quality, fleet, actions)


def application(room: Room, port: int) -> Starlette:
    """The control room, to be served on this port of the loopback."""

    def missing(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        title = "There is no such page" if status == 404 else "That can't be done here"
        return room.pages.answer(
            request, "message.html", status=status, title=title,
            trouble=Trouble("asked", title, "", "The navigation has all pages."),
        )  # fmt: skip

    def broken(request: Request, error: Exception) -> Response:
        log.error("page %s failed", request.url.path, exc_info=error)
        return room.pages.answer(
            request, "message.html", status=500, title="Something broke",
            trouble=Trouble("bug", type(error).__name__, "", "The command's output has more."),
        )  # fmt: skip

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        yield
        room.close()

    routes: list[BaseRoute] = [
        Mount("/static", StaticFiles(directory=FOLDER / "static")),
        *(route for concern in CONCERNS for route in concern.routes(room)),
    ]
    return Starlette(
        routes=routes,
        lifespan=life,
        exception_handlers={HTTPException: missing, Exception: broken},
        middleware=[Middleware(Guard, keys=room.keys, port=port, read_only=room.read_only)],
    )
