"""Lambda function, on a schedule: loads staged batches that no execution processes any more.

Event: ``{"days"?, "dry_run"?}``, or ``{"recent": true}`` by the schedule: then all days are looked
at once a day (UTC), and else those that may have changed (:mod:`functions.sweep.full_look`).
Result: the number of batches of these days in each state (see :mod:`functions.sweep.batch_state`),
the execution that was started over those that are due (``null`` if none), and the keys of the first
batches that need attention.

The sweep reads S3 and Step Functions only. The ledger would add nothing: a batch of which only the
outcome is missing is answered from the ledger when it is processed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from functions.sweep.batch_state import BatchState, classify
from functions.sweep.finding import last_errors, running_executions, staged_batches
from functions.sweep.full_look import FullLook, days_back, read_look, write_look
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
RECENT_DAYS = 1
"""Days back from today that each sweep of the schedule lists."""
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
    scheduled = bool(event.get("recent"))
    older = _older_days(bucket, now.date(), days) if scheduled else None
    listed = days_back(now.date(), days if older is None else RECENT_DAYS) + (older or [])
    states = _classified(bucket, machine, listed, now, grace)
    due = sorted(states["due"], key=lambda batch: (batch.staged_at, batch.key))
    due = due[:MOST_BATCHES]  # the next sweep starts the rest
    execution = None
    if due and not event.get("dry_run"):
        with step("start execution"):
            execution = start(bucket, machine, due, now=now, grace=grace)
    if scheduled and older is None:
        write_look(bucket, FullLook(now.date(), days, _unsettled_days(states, now.date())))
    counts: dict[str, int] = {name: len(states[name]) for name in STATES}
    result = {
        "days": days if older is None else RECENT_DAYS,
        **({} if older is None else {"older_days": [day.isoformat() for day in older]}),
        **counts,
        "execution": execution,
        "started": len(due) if execution else 0,
        "for_a_person": [
            batch.key for name in ("permanent", "exhausted") for batch in states[name]
        ][:SHOWN],
    }
    _report(result)
    return result


def _older_days(bucket: str, today: date, days: int) -> list[date] | None:
    """The days to list beside the recent ones; ``None`` where all are to be listed, as no sweep has
    done it today."""
    look = read_look(bucket)
    if look is None or (look.on, look.days) != (today, days):
        return None
    return [day for day in look.unsettled if day < today - timedelta(days=RECENT_DAYS)]


def _unsettled_days(states: dict[BatchState, list[Batch]], today: date) -> tuple[date, ...]:
    """The days before the recent ones with batches that are not settled, in whatever state."""
    found = {
        date.fromisoformat(batch.raw.date)
        for state, batches in states.items()
        if state != "settled"
        for batch in batches
    }
    return tuple(sorted(day for day in found if day < today - timedelta(days=RECENT_DAYS)))


def _classified(
    bucket: str, machine: str, days: Sequence[date], now: datetime, grace: timedelta
) -> dict[BatchState, list[Batch]]:
    """All batches of these days by their state.

    Executions are listed before S3: one that ends in between counts as running, and its batches
    are left to the next sweep; the other way round they would be loaded once more.
    """
    with step("list executions"):
        running = running_executions(bucket, machine)
    with step("list batches"):
        batches = staged_batches(bucket, days)
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
