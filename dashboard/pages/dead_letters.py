"""Dead letters: messages that could not be staged or delivered, and their redrive to the queue."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import LONG_SECONDS, ControlRoom
from dashboard.cache import Answer
from etl.operations.dead_letters import DEAD_LETTERS, QUEUES, RULE_ERRORS, DeadLetter, peek

__all__ = ["routes"]

MOST_SAMPLES = 10
ABOUT = {
    DEAD_LETTERS: "Messages that Extract could not stage, received as often as the queue allows.",
    RULE_ERRORS: "Messages that the AWS IoT topic rule could not deliver to the telemetry queue.",
}


def routes(room: ControlRoom) -> list[BaseRoute]:
    """Routes of the dead letters."""

    def dead_letters(request: Request) -> Response:
        queue = request.query_params.get("peek", "")
        samples: Answer[list[DeadLetter]] = Answer()
        if queue in QUEUES:
            # Each peek receives the messages once, so all pages share one.
            samples = room.ask(
                ("peek", queue), lambda p: peek(p.target, queue, MOST_SAMPLES), LONG_SECONDS
            )
        queues = room.facts().queues
        depths = {}
        if queues.value is not None:
            depths = {DEAD_LETTERS: queues.value.dead, RULE_ERRORS: queues.value.rule_errors}
        return room.pages.answer(
            request, "dead_letters.html", queues=queues, depths=depths, about=ABOUT, queue=queue,
            samples=samples,
        )  # fmt: skip

    return [Route("/dead-letters", dead_letters)]
