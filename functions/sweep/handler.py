"""Lambda function, on a schedule: staged batches that nobody takes care of are loaded after all.

Event: ``{"days"?, "dry_run"?}``. Result: how many batches of the last days have which fate (see
:mod:`functions.sweep.batch_state`), the execution that was started over those that are due
(``null``: none was), and the keys of those that wait for a person, as far as they fit.

Only S3 and Step Functions are asked. The ledger would know no more: a batch of which only the
outcome is missing is answered from there when it comes again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from functions.sweep.batch_state import Fate, Seen, fate, seen
from functions.sweep.finding import last_errors, listed, running_executions
from functions.sweep.starting import start
from telemetry import metrics, settings
from telemetry.entry import lambda_entry
from telemetry.logs import log
from telemetry.tracing import step

__all__ = ["handle"]

DAYS = 15
"""SQS keeps a message for 14 days, and a batch lies under the day of its oldest message."""
GRACE_SECONDS = 900
MOST_BATCHES = 10_000
"""Of one execution; the next sweep takes the rest."""
SHOWN = 20
FATES: tuple[Fate, ...] = (
    "settled", "running", "young", "waiting", "due", "permanent", "exhausted",
)  # fmt: skip


@lambda_entry
def handle(event: dict[str, Any]) -> dict[str, Any]:
    """Looks at the last days, and starts one execution over what is due."""
    bucket, machine = settings.text("DATA_BUCKET"), settings.text("STATE_MACHINE_ARN")
    grace = timedelta(seconds=settings.number("SWEEP_GRACE_SECONDS", GRACE_SECONDS))
    days = int(event.get("days") or settings.whole_number("SWEEP_DAYS", DAYS, least=1))
    now = datetime.now(UTC)
    fates = _look(bucket, machine, days, now, grace)
    due = sorted(fates["due"], key=lambda one: (one.batch.staged_at, one.batch.key))
    due = due[:MOST_BATCHES]
    execution = None
    if due and not event.get("dry_run"):
        with step("start execution"):
            execution = start(bucket, machine, due, now=now, grace=grace)
    counts: dict[str, int] = {name: len(fates[name]) for name in FATES}
    result = {
        "days": days,
        **counts,
        "execution": execution,
        "started": len(due) if execution else 0,
        "for_a_person": [
            one.batch.key for name in ("permanent", "exhausted") for one in fates[name]
        ][:SHOWN],
    }
    _tell(result)
    return result


def _look(
    bucket: str, machine: str, days: int, now: datetime, grace: timedelta
) -> dict[Fate, list[Seen]]:
    """All batches of these days by their fate.

    Executions are looked at before S3: one that ends in between is taken for running, and its
    batches are left to the next sweep; the other way round they would be loaded once more.
    """
    with step("list executions"):
        running = running_executions(bucket, machine)
    with step("list batches"):
        every = seen(*listed(bucket, now.date(), days))
    failed = [
        one
        for one in every
        if one.last_failure is not None and not one.settled and not running.covers(one.batch)
    ]
    with step("read failures"):
        errors = last_errors(bucket, failed)
    fates: dict[Fate, list[Seen]] = {name: [] for name in FATES}
    for one in every:
        fates[fate(one, errors, running, now=now, grace=grace)].append(one)
    return fates


def _tell(result: dict[str, Any]) -> None:
    waiting = result["permanent"] + result["exhausted"]
    (log.warning if waiting or result["due"] else log.info)("Swept", **result)
    metrics.record("BatchesSwept", result["started"])
    metrics.record("BatchesNeedAttention", waiting)
