"""What a person may do: drain the queue, load batches again, release and discard. Each that
touches batches says first what it will do, and is done only once that was confirmed."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Literal, get_args
from urllib.parse import parse_qsl

import psycopg2
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import Room
from dashboard.errors import Trouble, trouble_of
from dashboard.jobs import Job, TooManyJobsError
from dashboard.sources.ledger import batches_of
from dashboard.sources.pipeline import Pipeline
from etl.operations.batch_selection import BatchFilter, find_batches
from etl.operations.batches import Batch
from etl.operations.dead_letters import DEAD_LETTERS, QUEUES, depth
from etl.operations.executions import start
from etl.operations.redrive import redrive_dead_letters, resend_rule_errors
from etl.operations.reruns import RerunProgress, Tally, chunks, concurrency_of, rerun, tally
from etl.operations.time_range import TimeRange
from telemetry.manifest import MOST_BATCHES

__all__ = ["Plan", "plan", "routes"]

Deed = Literal["replay", "release", "discard"]
DEEDS: tuple[Deed, ...] = get_args(Deed)
FORM_BYTES = 64 * 1024
MAY: dict[str, tuple[str, ...]] = {
    "replay": ("loaded", "quarantined", "failed", "staged"),
    "release": ("quarantined", "discarded"),
    "discard": ("quarantined", "failed"),
}
"""The statuses of batches that each can be done to."""


@dataclass(frozen=True)
class Plan:
    """What would be done."""

    deed: Deed
    batches: list[Batch]
    left_out: int
    """Batches that were meant too, but whose status does not allow it."""
    tally: Tally
    contract: str
    digest: str
    concurrency: int
    loaded_by_it: int
    """Batches that the deployed contract has loaded already: nothing of them changes."""
    cut: bool
    """Whether there are more than one click does."""


def choice_of(given: QueryParams) -> BatchFilter:
    """Which batches an address or a form means. Raises ``TimeRangeError``."""
    return BatchFilter(
        executions=tuple(filter(None, given.getlist("execution"))),
        batches=tuple(filter(None, given.getlist("batch"))),
        time_range=TimeRange.of(given.get("from") or None, given.get("to") or None),
        reasons=tuple(filter(None, given.getlist("reason"))),
        devices=tuple(filter(None, given.getlist("device"))),
        failed=bool(given.get("failed")),
    )


def plan(pipeline: Pipeline, deed: Deed, choice: BatchFilter) -> Plan:
    """What it would do. Raises ``NotFoundError`` for what is not there."""
    target = pipeline.target
    found = list(islice(find_batches(target, choice), MOST_BATCHES + 1))
    fitting = [batch for batch in found[:MOST_BATCHES] if batch.status in MAY[deed]]
    return Plan(
        deed,
        fitting,
        min(len(found), MOST_BATCHES) - len(fitting),
        tally(fitting),
        target.outputs["ContractName"],
        target.outputs["ContractDigest"][:12],
        concurrency_of(target, None),
        _loaded_by(pipeline, fitting, target.outputs["ContractDigest"]),
        len(found) > MOST_BATCHES,
    )


def _loaded_by(pipeline: Pipeline, batches: list[Batch], digest: str) -> int:
    """Of these batches, how many the ledger says that contract has loaded; 0 without a ledger."""
    try:
        rows = batches_of(pipeline, [batch.raw.batch_id for batch in batches])
    except psycopg2.Error:
        return 0
    return sum(row.status == "loaded" and row.contract_digest == digest for row in rows.values())


def routes(room: Room) -> list[BaseRoute]:
    """Of this concern."""

    def ask(request: Request) -> Response:
        deed: Deed = request.path_params["deed"]
        if deed not in DEEDS:
            return _not_found(room, request)
        return _plan_page(room, request, deed, request.query_params)

    async def carry_out(request: Request) -> Response:
        form = await _form(request)
        deed: Deed = request.path_params["deed"]
        if deed not in DEEDS:
            return _not_found(room, request)
        if not _ours(room, form):
            return await run_in_threadpool(_stale, room, request)
        return await run_in_threadpool(_begin, room, request, deed, form)

    async def drain(request: Request) -> Response:
        form = await _form(request)
        if not _ours(room, form):
            return await run_in_threadpool(_stale, room, request)
        return await run_in_threadpool(_drain, room, request)

    async def redrive(request: Request) -> Response:
        form = await _form(request)
        if not _ours(room, form):
            return await run_in_threadpool(_stale, room, request)
        return await run_in_threadpool(_redrive, room, request, form.get("queue", ""))

    def work(request: Request) -> Response:
        job = room.jobs.get(int(request.path_params["number"]))
        if job is None:
            return _not_found(room, request)
        return room.pages.answer(request, "job.html", job=job)

    return [
        Route("/act/drain", drain, methods=["POST"]),
        Route("/act/redrive", redrive, methods=["POST"]),
        Route("/act/{deed}", ask, methods=["GET"]),
        Route("/act/{deed}", carry_out, methods=["POST"]),
        Route("/jobs/{number:int}", work),
    ]


async def _form(request: Request) -> QueryParams:
    """The form's fields. One that is too long counts as empty, and so lacks its token."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES:
            return QueryParams()
    return QueryParams(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _ours(room: Room, form: QueryParams) -> bool:
    return hmac.compare_digest(form.get("form_key", "").encode(), room.keys.form.encode())


def _plan_page(
    room: Room, request: Request, deed: Deed, given: QueryParams, trouble: Trouble | None = None
) -> Response:
    found: Plan | None = None
    try:
        choice = choice_of(given)
        if choice.is_empty:
            trouble = Trouble("asked", "Nothing was named", "", "Choose a reason or a batch.")
        else:
            found = plan(room.pipeline, deed, choice)
    except Exception as error:
        trouble = trouble_of(error)
    fields = [
        (name, value)
        for name, value in given.multi_items()
        if name in ("execution", "batch", "reason", "device", "failed", "from", "to") and value
    ]
    return room.pages.answer(
        request, "plan.html", deed=deed, plan=found, trouble=trouble, fields=fields,
        status=200 if trouble is None else 400,
    )  # fmt: skip


def _begin(room: Room, request: Request, deed: Deed, form: QueryParams) -> Response:
    try:
        found = plan(room.pipeline, deed, choice_of(form))
        if not found.batches:
            return _plan_page(room, request, deed, form)
        job = _job(room, found, form.get("reason", ""))
    except TooManyJobsError as error:
        return _plan_page(room, request, deed, form, Trouble("asked", str(error)))
    except Exception as error:
        return _plan_page(room, request, deed, form, trouble_of(error))
    return RedirectResponse(f"/jobs/{job.number}", 303)


def _job(room: Room, found: Plan, reason: str) -> Job:
    target = room.pipeline.target

    def steps() -> Iterable[RerunProgress]:
        for part in chunks(found.batches):
            yield from rerun(target, part, found.deed, kind=found.deed)

    titles = {"replay": "Load again", "release": "Release", "discard": "Discard"}
    title = f"{titles[found.deed]}: {found.tally}"
    return room.jobs.begin(title, len(found.batches), lambda job: job.see(steps()), reason=reason)


def _drain(room: Room, request: Request) -> Response:
    try:
        arn = start(room.pipeline.target)
    except Exception as error:
        return room.pages.answer(
            request, "message.html", status=502, title="It could not be started",
            trouble=trouble_of(error),
        )  # fmt: skip
    room.changed()
    return RedirectResponse(f"/executions/{arn.rpartition(':')[2]}", 303)


def _redrive(room: Room, request: Request, queue: str) -> Response:
    if queue not in QUEUES:
        return _not_found(room, request)
    target = room.pipeline.target
    move = redrive_dead_letters if queue == DEAD_LETTERS else resend_rule_errors
    try:
        number = depth(target, queue).total
        job = room.jobs.begin(
            f"Back to the queue: {queue}",
            number,
            lambda job: job.see_moving(move(target)),
            noun="message",
        )
    except Exception as error:
        trouble = Trouble("asked", str(error))
        if not isinstance(error, TooManyJobsError):
            trouble = trouble_of(error)
        return room.pages.answer(
            request, "message.html", status=502, title="Nothing was moved", trouble=trouble
        )
    return RedirectResponse(f"/jobs/{job.number}", 303)


def _not_found(room: Room, request: Request) -> Response:
    return room.pages.answer(
        request, "message.html", status=404, title="There is no such page",
        trouble=Trouble("asked", "Nothing is here", "", "The navigation has all pages."),
    )  # fmt: skip


def _stale(room: Room, request: Request) -> Response:
    return room.pages.answer(
        request, "message.html", status=403, title="Nothing was done",
        trouble=Trouble(
            "asked", "This form is of an earlier run of the control room", "",
            "Go back, reload the page, and try again.",
        ),
    )  # fmt: skip
