"""Text and plain data of bills and simulations, for the command line and docs/cost.md alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from etl.cost.bill import TARGET, Bill, bill
from etl.cost.latency import latency
from etl.cost.quotas import quota
from etl.cost.result import SimulationResult
from etl.cost.settings import Delivery, Fleet, Pipeline
from telemetry.metric_table import LEVELS

__all__ = [
    "REACHED",
    "alternatives",
    "bottleneck",
    "cost_data",
    "dollars",
    "dollars_per_million",
    "most_used_quota",
    "rounded",
    "seconds_text",
    "way_name",
    "ways",
]

SMALLEST = 0.00005
REACHED = 0.995
"""Share of a quota from which it counts as reached."""
DELIVERIES: tuple[Delivery, ...] = ("drain", "mapping")


def dollars(amount: float) -> str:
    """Dollars per month as text: whole dollars from a hundred on."""
    if 0 < amount < 0.005:
        return "under $0.01"
    return f"${amount:,.0f}" if amount >= 100 else f"${amount:,.2f}"


def dollars_per_million(amount: float) -> str:
    """Dollars per million readings as text: to a hundredth of a cent."""
    if amount < SMALLEST:
        return "-"
    return f"${amount:,.4f}" if amount < 1 else f"${amount:,.2f}"


def rounded(number: float) -> str:
    """A number as text: whole from ten on, else with two significant digits."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def way_name(pipeline: Pipeline) -> str:
    """The trigger as text, with the time that decides on its latency."""
    window, period = f"{pipeline.window_seconds:g} s", _period(pipeline.period_seconds)
    by_queue = (
        f"queue, drained every {window}"
        if pipeline.delivery == "drain"
        else f"queue, mapping with a window of {window}"
    )
    return {
        "queue": by_queue,
        "schedule": f"schedule, every {period}",
        "both": f"both: {by_queue}; schedule, every {period}",
    }[pipeline.trigger]


def _period(seconds: float) -> str:
    minutes = seconds / 60
    return "minute" if minutes == 1 else f"{minutes:g} minutes"


def seconds_text(seconds: float) -> str:
    """Seconds as text, in minutes from two of them on."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def ways(pipeline: Pipeline) -> list[Pipeline]:
    """The pipeline with each way in which executions may start, its own window and period kept."""
    drain, mapping = (
        replace(pipeline, trigger="queue", delivery=delivery) for delivery in DELIVERIES
    )
    scheduled = replace(pipeline, trigger="schedule")
    others = [
        drain,
        mapping,
        replace(mapping, window_seconds=1.0),
        scheduled,
        replace(scheduled, period_seconds=300.0),
        replace(pipeline, trigger="both"),
    ]
    return list(dict.fromkeys(others))


def alternatives(fleet: Fleet, pipeline: Pipeline) -> list[tuple[str, Bill]]:
    """Bills of other configurations: one change at a time, then all that save together."""
    each = fleet.readings_per_message
    direct = replace(fleet, basic_ingest=True)
    options = [
        ("as given", fleet, pipeline),
        ("Basic Ingest", direct, pipeline),
        *((way_name(other), fleet, other) for other in ways(pipeline) if other != pipeline),
        *(
            (f"observability: {level}", fleet, replace(pipeline, observability=level))
            for level in LEVELS
            if level != pipeline.observability
        ),
        ("1 reading per message", replace(fleet, readings_per_message=1), pipeline),
        (
            f"{2 * each} readings per message",
            replace(fleet, readings_per_message=2 * each),
            pipeline,
        ),
        ("objects kept 1 month", fleet, replace(pipeline, months_kept=1)),
        *([("no Parquet", fleet, replace(pipeline, clean=False))] if pipeline.clean else []),
        (
            f"schedule, Basic Ingest, {2 * each} readings per message",
            replace(direct, readings_per_message=2 * each),
            replace(pipeline, trigger="schedule"),
        ),
    ]
    if pipeline.trigger != "schedule" and pipeline.delivery == "mapping":
        wide = replace(pipeline, window_seconds=300.0)
        options.insert(2, ("QueueWindowSeconds 300", fleet, wide))
    return [(name, bill(f, p)) for name, f, p in options]


def most_used_quota(result: SimulationResult) -> str:
    """The AWS quota of which the largest share is used, and that share."""
    key, share = max(result.quotas().items(), key=lambda pair: pair[1])
    reached = ", reached" if share >= REACHED else ""
    return f"{quota(key).name}: {share:.0%}{reached}" if share >= 0.01 else "all under 1 %"


def bottleneck(result: SimulationResult) -> str:
    """The part that is too slow, with the setting that helps; empty where the pipeline keeps up."""
    if result.keeps_up:
        return ""
    if not result.by_mapping:
        return "Extract (raise DRAIN_SECONDS or its memory, or let the queue's mapping deliver)"
    if result.database_busy >= result.trigger_busy:
        return "PostgreSQL (more processors, or several databases)"
    return "the queue trigger (raise QueueConcurrency)"


def cost_data(made: Bill, result: SimulationResult) -> dict[str, Any]:
    """The bill and the simulation as plain data, for scripts."""
    fleet, batches = made.fleet, made.batches
    time = latency(fleet, made.pipeline)
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
        "dollars_a_million_readings": made.per_million(),
        "beyond_messages": made.beyond_messages,
        "aim": TARGET,
        "services": dict(made.services()),
        "lines": list(lines),
        "keeps_up": result.keeps_up,
        "lag_seconds": result.lag,
        "latency_seconds": {"typical": time.typical, "longest": time.longest},
        "concurrency": result.concurrency,
        "quotas": result.quotas(),
    }
