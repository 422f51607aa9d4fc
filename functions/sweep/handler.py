"""Lambda function, on a schedule: loads staged batches that no execution processes any more.

Event: ``{"days"?, "dry_run"?}``. Result: the number of batches of the last days in each state (see
:mod:`functions.sweep.batch_state`), the execution that was started over those that are due
(``null`` if none), and the keys of the first batches that need attention.

The sweep reads S3 and Step Functions only. The ledger would add nothing: a batch of which only the
outcome is missing is answered from the ledger when it is processed again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from functions.sweep.batch_state import BatchState, classify
from functions.sweep.finding import last_errors, running_executions, staged_batches
from functions.sweep.starting import start
from telemetry import metrics, settings
from telemetry.batches import Batch
from telemetry.entry import lambda_entry
from telemetry.logs import log
from telemetry.manifest import MOST_BATCHES
from telemetry.tracing import step

__all__ = ["handle"]

DAYS = 15
"""SQS keeps a message for 14 days, and a batch lies under the day of its oldest message."""
GRACE_SECONDS = 900
SHOWN = 20
STATES: tuple[BatchState, ...] = (
    "settled", "running", "young", "waiting", "due", "permanent", "exhausted",
)  # fmt: skip


@lambda_entry
def handle(event: dict[str, Any]) -> dict[str, Any]:
    """Classifies the batches of the last days, and starts one execution over those that are due."""
    bucket, machine = settings.text("DATA_BUCKET"), settings.text("STATE_MACHINE_ARN")
    grace = timedelta(seconds=settings.number("SWEEP_GRACE_SECONDS", GRACE_SECONDS))
    days = int(event.get("days") or settings.whole_number("SWEEP_DAYS", DAYS, least=1))
    now = datetime.now(UTC)
    states = _classified(bucket, machine, days, now, grace)
    due = sorted(states["due"], key=lambda batch: (batch.staged_at, batch.key))
    due = due[:MOST_BATCHES]  # the next sweep starts the rest
    execution = None
    if due and not event.get("dry_run"):
        with step("start execution"):
            execution = start(bucket, machine, due, now=now, grace=grace)
    counts: dict[str, int] = {name: len(states[name]) for name in STATES}
    result = {
        "days": days,
        **counts,
        "execution": execution,
        "started": len(due) if execution else 0,
        "for_a_person": [
            batch.key for name in ("permanent", "exhausted") for batch in states[name]
        ][:SHOWN],
    }
    _report(result)
    return result


def _classified(
    bucket: str, machine: str, days: int, now: datetime, grace: timedelta
) -> dict[BatchState, list[Batch]]:
    """All batches of these days by their state.

    Executions are listed before S3: one that ends in between counts as running, and its batches
    are left to the next sweep; the other way round they would be loaded once more.
    """
    with step("list executions"):
        running = running_executions(bucket, machine)
    with step("list batches"):
        batches = staged_batches(bucket, now.date(), days)
    failed = [
        batch
        for batch in batches
        if batch.failures and not batch.settled and not running.covers(batch)
    ]
    with step("read failures"):
        errors = last_errors(bucket, failed)
    states: dict[BatchState, list[Batch]] = {name: [] for name in STATES}
    for batch in batches:
        states[classify(batch, errors, running, now=now, grace=grace)].append(batch)
    return states


def _report(result: dict[str, Any]) -> None:
    waiting = result["permanent"] + result["exhausted"]
    (log.warning if waiting or result["due"] else log.info)("Swept", **result)
    metrics.record("BatchesSwept", result["started"])
    metrics.record("BatchesNeedAttention", waiting)
