"""The documentation's pages, for the sections that alarms and problems name."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import ControlRoom
from dashboard.documentation import read_page

__all__ = ["routes"]


def routes(room: ControlRoom) -> list[BaseRoute]:
    """The one route of all pages."""

    def page(request: Request) -> Response:
        found = read_page(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        return room.pages.answer(request, "documentation.html", page=found)

    return [Route("/docs/{name}", page)]
