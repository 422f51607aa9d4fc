"""``docs/cost.md``, every figure of it worked out here: ``python -m etl.reference.cost`` writes it.

A test makes the page anew and compares.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from etl.cost import usage
from etl.cost.batches import drain_capacity, payload_bytes
from etl.cost.bill import AIM, DATABASE_GB, ZONES, bill, optional
from etl.cost.durations import (
    S3_SECONDS,
    SQS_SECONDS,
    WHOLE_PROCESSOR,
    billed_seconds,
    database_seconds,
    measured,
)
from etl.cost.formatting import count, dollars, small
from etl.cost.prices import AS_OF, prices
from etl.cost.settings import Fleet, Pipeline
from etl.cost.simulation import simulate
from etl.reference.cost_scale import SCALES, TRIGGERS, fleet, met_quotas, needed, simulated, table
from etl.reference.cost_text import (
    ASSUMED,
    BASIC_INGEST,
    INTRODUCTION,
    PARTS,
    QUOTAS,
    REACH,
    SCALE,
    SOURCES,
)
from infrastructure.settings import DeploySettings

__all__ = ["PAGE", "main", "page"]

PAGE = Path(__file__).parents[2] / "docs" / "cost.md"
MESSAGES = (1, 10, 50, 100, 200, 500)
COMPACT = 85.0
"""Bytes of a reading with short names, such as a contract of rows takes."""


def page() -> str:
    """The whole page, as Markdown."""
    known = measured()
    parts = [
        INTRODUCTION,
        _key_figures(),
        "## Dollars by scale\n",
        _by_scale(),
        _both(),
        PARTS,
        "## By service\n",
        _by_service(),
        "## What batching on the device and Basic Ingest save\n",
        _batching(),
        REACH.format(aim=AIM, compact=COMPACT, measured=_reading_bytes()),
        _settings(),
        BASIC_INGEST,
        "## The command\n",
        _example(),
        SCALE.format(
            database=count(1 / database_seconds(0, 1_000_000) * 1_000_000),
            drain=count(drain_capacity(fleet(1_000), Pipeline(trigger="schedule")) * 50),
        ),
        simulated("queue"),
        "The same with the schedule:\n",
        simulated("schedule"),
        "What it takes to keep up, with the queue trigger, all else as it is. As deployed, "
        f"`LoaderConnections` allows\n{DeploySettings.loader_connections} connections.\n",
        needed(50),
        "The same with one reading a message, beyond the quotas that AWS begins with:\n",
        needed(1),
        QUOTAS,
        met_quotas(),
        "## Database and network\n",
        _optional(),
        "## What was measured\n",
        _measured(),
        ASSUMED.format(
            s3=S3_SECONDS * 1000,
            sqs=SQS_SECONDS * 1000,
            whole=WHOLE_PROCESSOR,
            metrics=usage.METRICS,
            alarms=usage.ALARMS,
            event=usage.EVENT_BYTES,
            objects=usage.OBJECTS_A_KEY_REQUEST,
            machine=known["machine"],
            date=known["measured"],
        ),
        SOURCES.format(as_of=AS_OF),
        _prices(),
    ]
    return "\n".join(parts)


def _reading_bytes() -> float:
    few, many = (payload_bytes(fleet(1, readings_per_message=n)) for n in (1, 2))
    return many - few


def _keeps_up(rate: float, pipeline: Pipeline) -> bool:
    """Whether a scheduled drain takes it; the queue's trigger can be given more pollers."""
    devices = fleet(rate)
    return pipeline.trigger == "queue" or drain_capacity(devices, pipeline) > devices.messages


def _key_figures() -> str:
    rows = []
    for rate in (1_000, 5_000, 100_000):
        for trigger, basic in ((t, b) for t in TRIGGERS for b in (False, True)):
            pipeline = Pipeline(trigger=trigger)
            if _keeps_up(rate, pipeline):
                made = bill(fleet(rate, basic_ingest=basic), pipeline)
                name = trigger + (", Basic Ingest" if basic else "")
                rows.append([count(rate), name, dollars(made.dollars()), small(made.a_million())])
    return table(["readings/s", "trigger", "a month", "a million readings"], rows)


def _both() -> str:
    """What the schedule costs where the queue's trigger leaves it nothing."""
    idle = Fleet(rate=1e-6, devices=1)
    queue, schedule = (
        bill(idle, Pipeline(trigger=trigger)).dollars("fixed") for trigger in TRIGGERS
    )
    return (
        f"`TriggerMode` `both`, the default, adds what a schedule costs that finds nothing:\n"
        f"{dollars(schedule - queue)} a month.\n"
    )


def _by_scale() -> str:
    groups: tuple[usage.Group, ...] = (
        *("messaging", "devices", "rules", "readings", "storage", "fixed"),
    )
    head = ["readings/s", "trigger", "IoT messages", "IoT connections", "IoT rules", "the pipeline"]
    rows = []
    for pipeline in (Pipeline(trigger=trigger) for trigger in TRIGGERS):
        for rate in (rate for rate in SCALES if _keeps_up(rate, pipeline)):
            made = bill(fleet(rate), pipeline)
            parts = [small(made.a_million(group)) for group in groups]
            rows.append([count(rate), pipeline.trigger, *parts, f"**{small(made.a_million())}**"])
    return table([*head, "storage", "fixed", "all"], rows)


def _by_service() -> str:
    made = [
        bill(fleet(rate), Pipeline(trigger=trigger))
        for rate, trigger in zip((1_000, 1_000, 100_000), (*TRIGGERS, TRIGGERS[0]), strict=True)
    ]
    head = ["service", "1,000/s, queue", "1,000/s, schedule", "100,000/s, queue"]
    services = [dict(one.services()) for one in made]
    rows = [
        [name, *(dollars(found.get(name, 0.0)) for found in services)]
        for name, _ in made[2].services()
    ]
    rows.append(["**all, a month**", *(f"**{dollars(one.dollars())}**" for one in made)])
    return table(head, rows)


def _batching() -> str:
    rows = []
    for each in MESSAGES:
        through, direct = (
            bill(fleet(10_000, readings_per_message=each, basic_ingest=basic))
            for basic in (False, True)
        )
        saved = through.dollars() - direct.dollars()
        rows.append(
            [
                str(each),
                f"{payload_bytes(through.fleet) / 1024:.1f} KiB",
                small(through.a_million()),
                small(direct.a_million()),
                f"{dollars(saved)} a month, {saved / through.dollars():.0%}",
            ]
        )
    head = [
        "readings a message",
        "message",
        "through the broker",
        "Basic Ingest",
        "saved at 10,000/s",
    ]
    return table(head, rows)


def _settings() -> str:
    base = fleet(5_000)
    queue, schedule = Pipeline(), Pipeline(trigger="schedule")
    wide = replace(queue, window_seconds=300.0)
    ways: list[tuple[str, Fleet, Pipeline]] = [
        ("queue, window 20 s (as deployed)", base, queue),
        ("queue, window 300 s", base, wide),
        ("schedule, each minute", base, schedule),
        ("schedule, each 5 minutes", base, replace(schedule, period_seconds=300.0)),
    ]
    compact = replace(base, reading_bytes=COMPACT)
    ways += [(f"{name}, compact readings", compact, way) for name, _, way in ways[1:3]]
    more = replace(compact, readings_per_message=200)
    ways += [
        ("schedule, 100 readings a message", replace(base, readings_per_message=100), schedule)
    ]
    ways += [("schedule, 200 readings a message, compact", more, schedule)]
    rows = []
    for name, devices, pipeline in ways:
        made = bill(devices, pipeline)
        work = made.a_million("rules", "readings")
        reached = "yes" if made.beyond_messages < AIM else "without storage" if work < AIM else "no"
        parts = [made.a_million("rules"), made.a_million("readings"), made.a_million("storage")]
        rows.append(
            [
                name,
                count(made.batches.readings),
                *map(small, [*parts, made.beyond_messages]),
                reached,
            ]
        )
    head = [
        "at 5,000 readings/s",
        "readings a batch",
        "IoT rules",
        "the pipeline",
        "storage, a year",
    ]
    return table([*head, "together", f"under ${AIM}"], rows)


def _example() -> str:
    from rich.console import Console

    from etl.cli.cost import told

    chosen, pipeline = Fleet(devices=2_000, rate=1_000.0, basic_ingest=True), Pipeline()
    pipeline = replace(pipeline, trigger="schedule")
    console = Console(file=io.StringIO(), width=88, force_terminal=False, highlight=False)
    console.print(told(bill(chosen, pipeline), simulate(chosen, pipeline)))
    written = console.file.getvalue()  # type: ignore[attr-defined]
    command = "etl cost --devices 2000 --rate 1000 --trigger schedule --basic-ingest"
    text = "\n".join(line.rstrip() for line in written.splitlines())
    return f"```\n$ {command}\n{text}\n```\n"


def _optional() -> str:
    rows = [
        [
            f"{line.price.service}: {line.price.what}",
            f"{count(line.amount)} {line.price.unit}",
            dollars(line.dollars),
        ]
        for line in optional()
    ]
    text = (
        f"\nWith {DATABASE_GB} GB of storage. In each of {ZONES} zones an interface endpoint for "
        "Secrets Manager (S3's gateway endpoint is free), or a NAT gateway: one or the other. None "
        "of it is in the figures above.\n"
    )
    return table(["part", "a month", "dollars a month"], rows) + text


def _measured() -> str:
    rows = []
    for name in measured()["functions"]:
        seconds = [billed_seconds(name, n, 50 * n, Pipeline()) for n in (20, 200, 600)]
        rows.append([name, *(f"{one:.2f} s" for one in seconds)])
    head = ["billed seconds of a call", "1,000 readings", "10,000 readings", "30,000 readings"]
    return table(head, rows)


def _prices() -> str:
    rows = [
        [
            f"[{one.service}]({one.page}): {one.what}",
            f"${one.dollars:.10g}",
            f"{count(one.per)} {one.unit}",
            one.checked,
            one.date,
        ]
        for one in prices().values()
    ]
    return table(["what", "dollars", "for", "checked", "against"], rows)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
