"""The part of ``docs/cost.md`` on triggers and levels: price beside latency, and the neighbours."""

from __future__ import annotations

from dataclasses import replace

from etl.cost.batches import scheduled_share
from etl.cost.bill import Line, bill
from etl.cost.counts import (
    Part,
    PartName,
    Start,
    batch_part,
    children_functions,
    logged_bytes,
    part,
    recorded,
)
from etl.cost.formatting import dollars, seconds_text
from etl.cost.latency import latency
from etl.cost.neighbours import own_lambda, server
from etl.cost.platform_lines import platform_bytes
from etl.cost.settings import Fleet, Pipeline
from etl.cost.usage import EVENT_BYTES
from etl.reference.markdown import table
from infrastructure.core.levels import counts
from telemetry.metric_table import LEVELS

__all__ = [
    "DRAIN",
    "MAPPING",
    "SCHEDULE",
    "WAYS",
    "by_level",
    "by_way",
    "logged_kilobytes",
    "neighbours",
    "parts",
    "second_trigger",
]

DRAIN = Pipeline(trigger="queue", delivery="drain", window_seconds=25.0)
MAPPING = Pipeline(trigger="queue", delivery="mapping", window_seconds=20.0)
SCHEDULE = Pipeline(trigger="schedule", period_seconds=60.0)
WAYS: tuple[tuple[str, Pipeline], ...] = (
    ("queue, drain", DRAIN),
    ("queue, mapping", MAPPING),
    ("schedule", SCHEDULE),
)
RATES = (10, 100, 1_000)
EACH = (50, 1)
NAMED: tuple[tuple[str, Pipeline], ...] = (
    ("queue, drained every 25 s", DRAIN),
    ("queue, mapping, window 20 s", MAPPING),
    ("queue, mapping, window 1 s", replace(MAPPING, window_seconds=1.0)),
    ("schedule, every minute", SCHEDULE),
    ("schedule, every 5 minutes", replace(SCHEDULE, period_seconds=300.0)),
    ("both: drained every 25 s; schedule", replace(DRAIN, trigger="both")),
    ("both: mapping, window 20 s; schedule", replace(MAPPING, trigger="both")),
)
PARTS: tuple[tuple[str, Start, PartName], ...] = (
    ("queue, mapping: an execution", "mapping", "execution"),
    ("schedule: an execution that finds messages", "schedule", "execution"),
    ("schedule: one that finds none", "schedule", "idle_execution"),
    ("queue, drain: an execution of ten minutes", "drain", "execution"),
    ("queue, drain: a drain that finds messages", "drain", "drain"),
    ("queue, drain: one that finds none", "drain", "idle_drain"),
)


def _fleet(rate: float, each: int) -> Fleet:
    return Fleet(rate=float(rate), devices=int(rate), readings_per_message=each)


def by_way() -> str:
    """A table of the monthly price of each trigger, by rate and readings per message, with its
    latency."""
    rows = []
    for name, pipeline in NAMED:
        found = [bill(_fleet(rate, each), pipeline) for each in EACH for rate in RATES]
        time = latency(_fleet(RATES[0], EACH[0]), pipeline)
        rows.append(
            [
                name,
                *(dollars(one.dollars()) for one in found),
                seconds_text(time.typical),
                seconds_text(time.longest),
            ]
        )
    head = [f"{rate:,}/s, {each} per message" for each in EACH for rate in RATES]
    return table(["trigger", *head, "latency, mean", "longest"], rows, numbers=True)


def by_level() -> str:
    """A table of the levels of observability: their counts, and what each costs per month."""
    rows = []
    for level in LEVELS:
        has = counts(level)
        made = [
            bill(_fleet(RATES[0], EACH[0]), replace(pipeline, observability=level))
            for _, pipeline in WAYS
        ]
        rows.append(
            [
                level,
                str(has.metrics),
                str(has.alarms),
                str(has.dashboards),
                has.log_level,
                has.system_log_level,
                f"{has.traces_share:.0%}",
                *(dollars(one.dollars()) for one in made),
            ]
        )
    head = [
        "level",
        "metrics",
        "alarms",
        "dashboards",
        "log of Step Functions",
        "Lambda's own lines",
    ]
    names = [f"10/s, {name}" for name, _ in WAYS]
    return table([*head, "traces", *names], rows, numbers=True)


def neighbours() -> str:
    """A table of the monthly price of the same fleet by simpler designs."""
    rows = []
    for rate in RATES:
        for each in EACH:
            fleet = _fleet(rate, each)
            rows.append(
                [
                    f"{rate:,}",
                    str(each),
                    _sum(server(fleet, broker=True)),
                    _sum(server(fleet, broker=False)),
                    _sum(own_lambda(fleet)),
                    *(dollars(bill(fleet, pipeline).dollars()) for pipeline in (SCHEDULE, DRAIN)),
                ]
            )
    head = ["readings/s", "per message", "server, its own broker", "server, IoT Core"]
    head += ["Lambda on the queue", "ours, schedule", "ours, queue by drain"]
    return table(head, rows, numbers=True)


def _sum(lines: tuple[Line, ...]) -> str:
    return dollars(sum(line.dollars for line in lines))


def parts() -> str:
    """A table of the recorded counts of each part of an execution."""
    named: list[tuple[str, Part]] = [("a batch", batch_part())]
    named += [(name, part(start, of)) for name, start, of in PARTS]
    rows = [
        [name, *map(str, (one.transitions, one.puts, one.lists, one.gets, one.events))]
        for name, one in named
    ]
    head = ["part", "transitions", "S3 PUT", "S3 LIST", "S3 GET", "log events"]
    return table(head, rows, numbers=True) + _assumed()


def _assumed() -> str:
    if not recorded()["starts"]["drain"].get("assumed"):
        return ""
    return (
        "\nThe parts of `queue, drain` are those of its design; they have not been recorded yet.\n"
    )


def second_trigger() -> dict[str, str]:
    """Monthly dollars that a schedule adds to the queue trigger: where it finds nothing, and where
    it takes its share of 10 readings per second."""
    found: dict[str, str] = {}
    for rate, when in ((1e-6, "idle"), (10.0, "busy")):
        for name, pipeline in (("drain", DRAIN), ("mapping", MAPPING)):
            both = bill(Fleet(rate=rate, devices=1), replace(pipeline, trigger="both"))
            more = both.dollars() - bill(Fleet(rate=rate, devices=1), pipeline).dollars()
            found[f"both_{when}_{name}"] = dollars(more)
    share = scheduled_share(Fleet(rate=10.0, devices=1), replace(DRAIN, trigger="both"))
    return {**found, "both_share": f"{share:.0%}"}


def logged_kilobytes() -> dict[str, object]:
    """KB that an execution with one batch writes, by who writes it."""
    names = ("stage", *children_functions(), "summarize")
    events = part("mapping", "execution").events + batch_part().events
    return {
        "own_logs": sum(map(logged_bytes, names)) / 1000,
        "lambda_logs": len(names) * platform_bytes("INFO") / 1000,
        "states_logs": events * EVENT_BYTES // 1000,
    }
