"""The actions of the control room: start an execution, replay, release, discard, redrive.

An action on batches first shows what it will do, and does it once that is confirmed.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, get_args
from urllib.parse import parse_qsl

import psycopg2
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import ControlRoom
from dashboard.errors import PageError, page_error
from dashboard.jobs import Job, TooManyJobsError
from dashboard.sources.ledger import batches_of
from dashboard.sources.pipeline import Pipeline
from etl.operations.batch_selection import BatchFilter, find_batches
from etl.operations.batches import Batch
from etl.operations.contract_choice import contract_of, key_names
from etl.operations.dead_letters import DEAD_LETTERS, QUEUES, depth
from etl.operations.executions import start
from etl.operations.redrive import redrive_dead_letters, resend_rule_errors
from etl.operations.replaying import load_again, loadable
from etl.operations.reruns import RerunProgress, Tally, chunks, concurrency_of, rerun, tally
from etl.operations.time_range import TimeRange
from telemetry.manifest import MOST_BATCHES

__all__ = ["Plan", "plan", "routes"]

Action = Literal["replay", "release", "discard"]
ACTIONS: tuple[Action, ...] = get_args(Action)
FORM_BYTES = 64 * 1024
"""Most bytes of a form."""
ALLOWED_STATUSES: dict[str, tuple[str, ...]] = {
    "replay": ("loaded", "quarantined", "failed", "staged"),
    "release": ("quarantined", "discarded"),
    "discard": ("quarantined", "failed"),
}
"""Statuses of the batches that each action may be applied to."""
FILTERS = ("execution", "batch", "reason", "device", "failed", "from", "to", "contract")
"""Fields of an address or a form that select batches."""


@dataclass(frozen=True)
class Plan:
    """The effect of an action before it is confirmed."""

    action: Action
    batches: list[Batch]
    skipped: int
    """Selected batches whose status does not allow the action."""
    tally: Tally
    contract: str
    digest: str
    concurrency: int
    already_loaded: int
    """Batches that the deployed contract has loaded already: loading them changes nothing."""
    truncated: bool
    """True where more batches are selected than one action processes."""


def batch_filter_of(values: QueryParams) -> BatchFilter:
    """The batches that an address or a form selects. Raises ``TimeRangeError``."""
    return BatchFilter(
        executions=tuple(filter(None, values.getlist("execution"))),
        batches=tuple(filter(None, values.getlist("batch"))),
        time_range=TimeRange.of(values.get("from") or None, values.get("to") or None),
        reasons=tuple(filter(None, values.getlist("reason"))),
        devices=tuple(filter(None, values.getlist("device"))),
        failed=bool(values.get("failed")),
    )


def _of_contract(room: ControlRoom, batch_filter: BatchFilter, values: QueryParams) -> BatchFilter:
    """The batches of the selection that are of the contract which an address or a form names."""
    name = values.get("contract") or None
    return (
        batch_filter
        if name is None
        else replace(batch_filter, contracts=key_names(room.pipeline.target, name))
    )


def plan(pipeline: Pipeline, action: Action, batch_filter: BatchFilter) -> Plan:
    """Work out what the action would do. Raises ``NotFoundError`` for what does not exist."""
    target = pipeline.target
    selected = list(islice(find_batches(target, batch_filter), MOST_BATCHES + 1))
    allowed = [b for b in selected[:MOST_BATCHES] if b.status in ALLOWED_STATUSES[action]]
    if action == "replay":
        allowed = list(loadable(target, allowed))
    return Plan(
        action,
        allowed,
        min(len(selected), MOST_BATCHES) - len(allowed),
        tally(allowed),
        ", ".join(target.contracts.names),
        ", ".join(contract.digest[:12] for contract in target.contracts),
        concurrency_of(target, None),
        _already_loaded(pipeline, allowed),
        len(selected) > MOST_BATCHES,
    )


def _already_loaded(pipeline: Pipeline, batches: list[Batch]) -> int:
    """Number of the batches that their deployed contracts have loaded, by the ledger; 0 without a
    ledger."""
    contracts = pipeline.target.contracts
    digests = {b.raw.batch_id: contract_of(contracts, b.key).digest for b in batches}
    try:
        rows = batches_of(pipeline, [batch.raw.batch_id for batch in batches])
    except psycopg2.Error:
        return 0
    return sum(
        row.status == "loaded" and row.contract_digest == digests[row.batch_id]
        for row in rows.values()
    )


def routes(room: ControlRoom) -> list[BaseRoute]:
    """Routes of the actions and their jobs."""

    def preview(request: Request) -> Response:
        action: Action = request.path_params["action"]
        if action not in ACTIONS:
            return _not_found(room, request)
        return _plan_page(room, request, action, request.query_params)

    async def confirm(request: Request) -> Response:
        form = await _form(request)
        action: Action = request.path_params["action"]
        if action not in ACTIONS:
            return _not_found(room, request)
        if not _has_form_key(room, form):
            return await run_in_threadpool(_expired_form, room, request)
        return await run_in_threadpool(_confirm, room, request, action, form)

    async def run(request: Request) -> Response:
        form = await _form(request)
        if not _has_form_key(room, form):
            return await run_in_threadpool(_expired_form, room, request)
        return await run_in_threadpool(_run, room, request)

    async def redrive(request: Request) -> Response:
        form = await _form(request)
        if not _has_form_key(room, form):
            return await run_in_threadpool(_expired_form, room, request)
        return await run_in_threadpool(_redrive, room, request, form.get("queue", ""))

    def job_page(request: Request) -> Response:
        job = room.jobs.get(int(request.path_params["number"]))
        if job is None:
            return _not_found(room, request)
        return room.pages.answer(request, "job.html", job=job)

    return [
        Route("/actions/run", run, methods=["POST"]),
        Route("/actions/redrive", redrive, methods=["POST"]),
        Route("/actions/{action}", preview, methods=["GET"]),
        Route("/actions/{action}", confirm, methods=["POST"]),
        Route("/jobs/{number:int}", job_page),
    ]


async def _form(request: Request) -> QueryParams:
    """The form's fields; a form that is too long counts as empty, and so lacks its key."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES:
            return QueryParams()
    return QueryParams(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _has_form_key(room: ControlRoom, form: QueryParams) -> bool:
    return hmac.compare_digest(form.get("form_key", "").encode(), room.keys.form.encode())


def _plan_page(
    room: ControlRoom,
    request: Request,
    action: Action,
    values: QueryParams,
    error: PageError | None = None,
) -> Response:
    found: Plan | None = None
    try:
        batch_filter = batch_filter_of(values)
        if batch_filter.is_empty:
            error = PageError("request", "No batches selected", "", "Select a reason or a batch.")
        else:
            found = plan(room.pipeline, action, _of_contract(room, batch_filter, values))
    except Exception as failure:
        error = page_error(failure)
    fields = [(name, value) for name, value in values.multi_items() if name in FILTERS and value]
    return room.pages.answer(
        request, "plan.html", action=action, plan=found, error=error, fields=fields,
        status=200 if error is None else 400,
    )  # fmt: skip


def _confirm(room: ControlRoom, request: Request, action: Action, form: QueryParams) -> Response:
    try:
        found = plan(room.pipeline, action, _of_contract(room, batch_filter_of(form), form))
        if not found.batches:
            return _plan_page(room, request, action, form)
        job = _start_job(room, found, form.get("reason", ""))
    except TooManyJobsError as error:
        return _plan_page(room, request, action, form, PageError("request", str(error)))
    except Exception as error:
        return _plan_page(room, request, action, form, page_error(error))
    return RedirectResponse(f"/jobs/{job.number}", 303)


def _start_job(room: ControlRoom, found: Plan, reason: str) -> Job:
    target = room.pipeline.target

    def steps() -> Iterable[RerunProgress]:
        for part in chunks(found.batches):
            if found.action == "replay":
                yield from load_again(target, part, kind="replay")
            else:
                yield from rerun(target, part, found.action, kind=found.action)

    title = f"{found.action.capitalize()} {found.tally}"
    return room.jobs.start(
        title, len(found.batches), lambda job: job.follow(steps()), reason=reason
    )  # fmt: skip


def _run(room: ControlRoom, request: Request) -> Response:
    try:
        arn = start(room.pipeline.target)
    except Exception as error:
        return room.pages.answer(
            request, "message.html", status=502, title="No execution was started",
            error=page_error(error),
        )  # fmt: skip
    room.refresh()
    return RedirectResponse(f"/executions/{arn.rpartition(':')[2]}", 303)


def _redrive(room: ControlRoom, request: Request, queue: str) -> Response:
    if queue not in QUEUES:
        return _not_found(room, request)
    target = room.pipeline.target
    move = redrive_dead_letters if queue == DEAD_LETTERS else resend_rule_errors
    try:
        number = depth(target, queue).total
        job = room.jobs.start(
            f"Redrive {queue}",
            number,
            lambda job: job.follow_move(move(target)),
            noun="message",
            verb="moved",
        )
    except Exception as error:
        shown = page_error(error)
        if isinstance(error, TooManyJobsError):
            shown = PageError("request", str(error))
        return room.pages.answer(
            request, "message.html", status=502, title="No message was moved", error=shown
        )
    return RedirectResponse(f"/jobs/{job.number}", 303)


def _not_found(room: ControlRoom, request: Request) -> Response:
    title = "Page not found"
    return room.pages.answer(
        request, "message.html", status=404, title=title,
        error=PageError("request", title, "", "Choose a page in the navigation."),
    )  # fmt: skip


def _expired_form(room: ControlRoom, request: Request) -> Response:
    return room.pages.answer(
        request, "message.html", status=403, title="Nothing was done",
        error=PageError(
            "request", "This form belongs to an earlier run of the control room", "",
            "Go back, reload the page, and try again.",
        ),
    )  # fmt: skip
