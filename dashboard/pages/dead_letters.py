"""Letters: messages that never became a batch, and their way back to the queue."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import SELDOM, Room
from dashboard.cache import Answer
from etl.operations.dead_letters import DEAD_LETTERS, QUEUES, RULE_ERRORS, DeadLetter, peek

__all__ = ["routes"]

LOOKED_AT = 10
ABOUT = {
    DEAD_LETTERS: "could not be staged, after all their receives",
    RULE_ERRORS: "could not be delivered by the topic rule",
}


def routes(room: Room) -> list[BaseRoute]:
    """Of this concern."""

    def letters(request: Request) -> Response:
        queue = request.query_params.get("look", "")
        looked: Answer[list[DeadLetter]] = Answer()
        if queue in QUEUES:
            # Each look receives them once, so it is shared, and made seldom.
            looked = room.ask(("peek", queue), lambda p: peek(p.target, queue, LOOKED_AT), SELDOM)
        found = room.facts().queues
        depths = {}
        if found.value is not None:
            depths = {DEAD_LETTERS: found.value.dead, RULE_ERRORS: found.value.rule_errors}
        return room.pages.answer(
            request, "letters.html", found=found, depths=depths, about=ABOUT, queue=queue,
            looked=looked,
        )  # fmt: skip

    return [Route("/letters", letters)]
