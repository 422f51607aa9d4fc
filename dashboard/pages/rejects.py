"""Rejects by reason with samples of what the devices sent; quarantine; and one batch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import LONG_SECONDS, MEDIUM_SECONDS, ControlRoom
from dashboard.cache import Answer
from dashboard.errors import page_error
from dashboard.sources import ledger, rejected
from dashboard.sources.pipeline import Pipeline
from dashboard.sources.quality import QuarantinedBatch, quarantined_batches
from etl.operations.batch_selection import BatchFilter, find_batches
from etl.operations.batches import Batch
from etl.operations.quarantine import judged_report
from etl.operations.time_range import TimeRange, TimeRangeError
from telemetry.contract.contract_set import NO_CONTRACT

__all__ = ["SINCE", "next_step", "routes"]

SINCE = {
    "1h": ("last hour", timedelta(hours=1)),
    "6h": ("last 6 hours", timedelta(hours=6)),
    "24h": ("last 24 hours", timedelta(hours=24)),
    "7d": ("last 7 days", timedelta(days=7)),
    "30d": ("last 30 days", timedelta(days=30)),
}
MOST, STEP = 100, 25


def _span(since: str) -> TimeRange:
    """The time range of a selection; it starts at a whole minute, so that pages share answers."""
    if since not in SINCE:
        return TimeRange()
    start = datetime.now(UTC) - SINCE[since][1]
    return TimeRange(start.replace(second=0, microsecond=0))


def batch_of(
    pipeline: Pipeline, name: str
) -> tuple[Batch | None, dict[str, Any] | None, ledger.LedgerBatch | None]:
    """A staged batch, its report with the verdict, and its row of the ledger, as far as they are
    there."""
    staged = next(iter(find_batches(pipeline.target, BatchFilter(batches=(name,)))), None)
    report = None if staged is None else judged_report(pipeline.target, staged)
    return staged, report, ledger.batches_of(pipeline, [name]).get(name)


def deployed_digests(pipeline: Pipeline) -> dict[str, str]:
    """The digest of each deployed contract, by its name."""
    return {one.name: one.digest for one in pipeline.target.contracts}


def next_step(batch: QuarantinedBatch, deployed: str | None) -> str:
    """Return the step for a batch in quarantine: ``replay``, ``key``, ``rejects`` or ``release``.

    Another contract checks it again, and may load it. Where this contract's reason still holds, a
    release makes conflicts of readings whose key is too small, and loads nothing where no reading
    was accepted: its rejects come first.
    """
    if deployed is not None and batch.contract_digest != deployed:
        return "replay"
    if batch.key_too_small:
        return "key"
    return "release" if batch.accepted else "rejects"


def routes(room: ControlRoom) -> list[BaseRoute]:
    """Routes of rejects, quarantine and batches."""

    def list_page(request: Request) -> Response:
        values = request.query_params
        since, reason = values.get("since", ""), values.get("reason", "").strip()
        device, batch = values.get("device", "").strip(), values.get("batch", "").strip()
        most = min(MOST, int(values["most"]) if values.get("most", "").isdecimal() else STEP)
        span = _span(since)
        contract = room.chosen_contract(request)
        reasons = room.ask(
            ("reasons", since, contract),
            lambda p: ledger.reasons(p, span, contract),
            MEDIUM_SECONDS,
        )
        try:
            wanted = rejected.SampleRequest(reason, device, batch, span, most, contract or "")
        except TimeRangeError as error:
            sample: Answer[rejected.Sample] = Answer(error=page_error(error))
        else:
            key = ("sample", since, reason, device, batch, most, contract)
            sample = room.ask(key, lambda p: rejected.sample(p, wanted), MEDIUM_SECONDS)
        found = reasons.value or []
        return room.pages.answer(
            request,
            "rejects.html",
            reasons=reasons,
            total=sum(one.readings for one in found),
            top=max((one.readings for one in found), default=1),
            sample=sample,
            chosen={
                "reason": reason,
                "device": device,
                "batch": batch,
                "since": since,
                "contract": contract or "",
            },
            contracts=room.contract_names(),
            no_contract=any(one.reason == NO_CONTRACT for one in found),
            sinces={name: text for name, (text, _) in SINCE.items()},
            most=most,
            more=min(MOST, most + STEP) if most < MOST else None,
        )

    def quarantine(request: Request) -> Response:
        found = room.ask("quarantine", quarantined_batches, MEDIUM_SECONDS)
        deployed = room.ask("digests", deployed_digests, LONG_SECONDS).value
        steps = {
            # A contract that is not deployed any more has no digest: the batch's is another one.
            one.batch_id: next_step(
                one, None if deployed is None else deployed.get(one.contract, "")
            )
            for one in found.value or ()
        }
        several = len(room.contract_names()) > 1
        return room.pages.answer(
            request, "quarantine.html", found=found, steps=steps, several=several
        )

    def batch(request: Request) -> Response:
        name = request.path_params["batch"]
        found = room.ask(("batch", name), lambda p: batch_of(p, name), MEDIUM_SECONDS)
        staged, report, row = found.value or (None, None, None)
        return room.pages.answer(
            request,
            "batch.html",
            status=200 if staged else 404,
            name=name,
            error=found.error,
            staged=staged,
            report=report,
            row=row,
        )

    return [
        Route("/rejects", list_page),
        Route("/quarantine", quarantine),
        Route("/batches/{batch}", batch),
    ]
