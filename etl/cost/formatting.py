"""Bills and simulations as rows of text, for the command line and the page alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from etl.cost.bill import AIM, Bill, bill
from etl.cost.quotas import quota
from etl.cost.result import Outcome
from etl.cost.settings import Fleet, Pipeline

__all__ = ["MET", "as_data", "count", "dollars", "held_up_by", "nearest_quota", "small", "variants"]

SMALLEST = 0.00005
MET = 0.995
"""Share of a quota from which it counts as met."""


def dollars(amount: float) -> str:
    """Of a month: whole dollars from a hundred on."""
    if 0 < amount < 0.005:
        return "under $0.01"
    return f"${amount:,.0f}" if amount >= 100 else f"${amount:,.2f}"


def small(amount: float) -> str:
    """Of a million readings: to a hundredth of a cent."""
    if amount < SMALLEST:
        return "-"
    return f"${amount:,.4f}" if amount < 1 else f"${amount:,.2f}"


def count(number: float) -> str:
    """A whole number with its thousands, a small one with two digits that count."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def variants(fleet: Fleet, pipeline: Pipeline) -> list[tuple[str, Bill]]:
    """What one could do otherwise, one thing at a time, and all that save together."""
    each = fleet.readings_per_message
    direct = replace(fleet, basic_ingest=True)
    other: Pipeline = replace(
        pipeline, trigger="schedule" if pipeline.trigger == "queue" else "queue"
    )
    wide = replace(pipeline, window_seconds=300.0)
    scheduled = replace(pipeline, trigger="schedule")
    options = [
        ("as given", fleet, pipeline),
        ("Basic Ingest", direct, pipeline),
        (f"trigger: {other.trigger}", fleet, other),
        ("1 reading a message", replace(fleet, readings_per_message=1), pipeline),
        (f"{2 * each} readings a message", replace(fleet, readings_per_message=2 * each), pipeline),
        ("objects kept 1 month", fleet, replace(pipeline, months_kept=1)),
        (
            f"schedule, Basic Ingest, {2 * each} readings a message",
            replace(direct, readings_per_message=2 * each),
            scheduled,
        ),
    ]
    if pipeline.trigger == "queue":
        options.insert(3, ("QueueWindowSeconds 300", fleet, wide))
    return [(name, bill(f, p)) for name, f, p in options]


def nearest_quota(outcome: Outcome) -> str:
    """The quota of AWS that is used most, and how much of it."""
    key, share = max(outcome.quotas().items(), key=lambda pair: pair[1])
    met = ", met" if share >= MET else ""
    return f"{quota(key).what}: {share:.0%}{met}" if share >= 0.01 else "all under 1 %"


def held_up_by(outcome: Outcome) -> str:
    """Which part of ours is too slow, and the setting that moves it; empty where none is."""
    if outcome.keeps_up:
        return ""
    if outcome.pipeline.trigger == "schedule":
        return "Extract: one drain a period (DRAIN_SECONDS, its memory, or the queue trigger)"
    if outcome.database_busy >= outcome.trigger_busy:
        return "PostgreSQL (more processors, or more than one database)"
    return "the queue trigger (QueueConcurrency)"


def as_data(made: Bill, outcome: Outcome) -> dict[str, Any]:
    """For scripts: plain data."""
    fleet, batches = made.fleet, made.batches
    lines: Sequence[dict[str, Any]] = [
        {
            "service": line.price.service,
            "what": line.price.what,
            "group": line.group,
            "amount": line.amount,
            "unit": line.price.unit,
            "dollars": line.dollars,
            "page": line.price.page,
            "checked": line.price.checked,
            "date": line.price.date,
        }
        for line in made.lines
    ]
    return {
        "fleet": vars(fleet),
        "pipeline": vars(made.pipeline),
        "batches": vars(batches),
        "dollars_a_month": made.dollars(),
        "dollars_a_million_readings": made.a_million(),
        "beyond_messages": made.beyond_messages,
        "aim": AIM,
        "services": dict(made.services()),
        "lines": list(lines),
        "keeps_up": outcome.keeps_up,
        "lag_seconds": outcome.lag,
        "concurrency": outcome.concurrency,
        "quotas": outcome.quotas(),
    }
