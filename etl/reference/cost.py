"""``docs/cost.md``: the text of ``cost_page.md`` with figures from the cost model."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from etl.cost import usage
from etl.cost.batches import drain_capacity, payload_bytes
from etl.cost.bill import DATABASE_GB, TARGET, ZONES, bill, further_contract, optional
from etl.cost.counts import recorded
from etl.cost.durations import (
    MAP_END_SECONDS,
    MAP_START_SECONDS,
    MB_PER_VCPU,
    S3_SECONDS,
    SQS_SECONDS,
    STATE_SECONDS,
    database_seconds,
    measurements,
)
from etl.cost.formatting import dollars, dollars_per_million, rounded
from etl.cost.platform_lines import platform_bytes
from etl.cost.prices import AS_OF, prices
from etl.cost.settings import Fleet, Pipeline
from etl.cost.simulation import simulate
from etl.reference.cost_scale import (
    SCALES,
    fleet,
    measured_seconds,
    needed,
    reached_quotas,
    simulated,
)
from etl.reference.cost_ways import (
    DRAIN,
    MAPPING,
    SCHEDULE,
    WAYS,
    by_level,
    by_way,
    logged_kilobytes,
    neighbours,
    parts,
    second_trigger,
)
from etl.reference.markdown import generated, table
from infrastructure.settings import DeploySettings

__all__ = ["cost_page"]

TEMPLATE = Path(__file__).with_name("cost_page.md")
MESSAGES = (1, 10, 50, 100, 200, 500)
COMPACT = 85.0
"""Bytes of a reading with short names, or of a row of values."""


def cost_page() -> str:
    """The page, as Markdown."""
    rows_per_second = 1_000_000 / database_seconds(0, 1_000_000)
    drained, looped = (drain_capacity(fleet(1_000), one) * 50 for one in (SCHEDULE, DRAIN))
    text = TEMPLATE.read_text(encoding="utf-8").format(
        generated=generated("etl/reference/cost_page.md and etl/cost/"),
        key_figures=_key_figures(),
        by_scale=_by_scale(),
        by_way=by_way(),
        by_level=by_level(),
        neighbours=neighbours(),
        parts=parts(),
        level=Pipeline.observability,
        **second_trigger(),
        **_second_contract(),
        by_service=_by_service(),
        batching=_batching(),
        target=TARGET,
        compact=COMPACT,
        reading_bytes=_reading_bytes(),
        settings=_settings(),
        example=_example(),
        database=rounded(rows_per_second),
        drain=rounded(drained),
        loop=rounded(looped),
        simulated_drain=simulated(DRAIN),
        simulated_mapping=simulated(MAPPING),
        simulated_schedule=simulated(SCHEDULE),
        connections=DeploySettings.loader_connections,
        needed_50=needed(50),
        needed_1=needed(1),
        quotas=reached_quotas(),
        optional=_optional(),
        database_gb=DATABASE_GB,
        zones=ZONES,
        measured=measured_seconds(),
        prices=_prices(),
        as_of=AS_OF,
        **_assumptions(),
    )
    return text.rstrip() + "\n"


def _assumptions() -> dict[str, object]:
    measured = measurements()
    return {
        "s3": S3_SECONDS * 1000,
        "sqs": SQS_SECONDS * 1000,
        "whole": MB_PER_VCPU,
        "map_start": MAP_START_SECONDS,
        "map_end": MAP_END_SECONDS,
        "state": STATE_SECONDS * 1000,
        "recorded": recorded()["recorded"],
        "platform": platform_bytes("INFO"),
        **logged_kilobytes(),
        "event": usage.EVENT_BYTES,
        "objects": usage.OBJECTS_A_KEY_REQUEST,
        "machine": measured["machine"],
        "date": measured["measured"],
    }


def _reading_bytes() -> float:
    few, many = (payload_bytes(fleet(1, readings_per_message=n)) for n in (1, 2))
    return many - few


def _keeps_up(rate: float, pipeline: Pipeline) -> bool:
    """True if a drain can take the rate; the queue's mapping can have more pollers."""
    devices = fleet(rate)
    return pipeline == MAPPING or drain_capacity(devices, pipeline) > devices.messages


def _key_figures() -> str:
    rows = []
    for rate in (1_000, 5_000, 100_000):
        for (trigger, pipeline), basic in ((way, b) for way in WAYS for b in (False, True)):
            if _keeps_up(rate, pipeline):
                made = bill(fleet(rate, basic_ingest=basic), pipeline)
                name = trigger + (", Basic Ingest" if basic else "")
                rows.append(
                    [
                        rounded(rate),
                        name,
                        dollars(made.dollars()),
                        dollars_per_million(made.per_million()),
                    ]
                )
    return table(["readings/s", "trigger", "per month", "per million readings"], rows, numbers=True)


def _second_contract() -> dict[str, str]:
    """Dollars per month that a second contract adds at 100 readings per second."""
    found: dict[str, str] = {}
    for name, pipeline in zip(
        ("drain", "mapping", "schedule"), (DRAIN, MAPPING, SCHEDULE), strict=True
    ):
        fixed, batches = further_contract(bill(fleet(100), replace(pipeline, contracts=2)))
        found |= {"contract_fixed": dollars(fixed), f"contract_{name}": dollars(batches)}
    return found


def _by_scale() -> str:
    groups: tuple[usage.Group, ...] = (
        *("messaging", "devices", "rules", "readings", "storage", "fixed"),
    )
    head = ["readings/s", "trigger", "IoT messages", "IoT connections", "IoT rules", "the pipeline"]
    rows = []
    for name, pipeline in WAYS:
        for rate in (rate for rate in SCALES if _keeps_up(rate, pipeline)):
            made = bill(fleet(rate), pipeline)
            parts = [dollars_per_million(made.per_million(group)) for group in groups]
            rows.append(
                [
                    rounded(rate),
                    name,
                    *parts,
                    f"**{dollars_per_million(made.per_million())}**",
                ]
            )
    return table([*head, "storage", "fixed", "total"], rows, numbers=True)


def _by_service() -> str:
    made = [bill(fleet(1_000), pipeline) for _, pipeline in WAYS]
    made.append(bill(fleet(100_000), MAPPING))
    head = ["service", *(f"1,000/s, {name}" for name, _ in WAYS), f"100,000/s, {WAYS[1][0]}"]
    services = [dict(one.services()) for one in made]
    names = dict.fromkeys(name for one in reversed(made) for name, _ in one.services())
    rows = [[name, *(dollars(found.get(name, 0.0)) for found in services)] for name in names]
    rows.append(["**total**", *(f"**{dollars(one.dollars())}**" for one in made)])
    return table(head, rows, numbers=True)


def _batching() -> str:
    rows = []
    for each in MESSAGES:
        through, direct = (
            bill(fleet(10_000, readings_per_message=each, basic_ingest=basic), MAPPING)
            for basic in (False, True)
        )
        saved = through.dollars() - direct.dollars()
        rows.append(
            [
                str(each),
                f"{payload_bytes(through.fleet) / 1024:.1f} KiB",
                dollars_per_million(through.per_million()),
                dollars_per_million(direct.per_million()),
                f"{dollars(saved)} per month, {saved / through.dollars():.0%}",
            ]
        )
    head = [
        "readings per message",
        "message size",
        "through the broker",
        "Basic Ingest",
        "saved at 10,000 readings/s",
    ]
    return table(head, rows, numbers=True)


def _settings() -> str:
    base = fleet(5_000)
    schedule, wide = SCHEDULE, replace(MAPPING, window_seconds=300.0)
    options: list[tuple[str, Fleet, Pipeline]] = [
        ("queue, mapping, window 20 s", base, MAPPING),
        ("queue, mapping, window 300 s", base, wide),
        ("queue, drained every 25 s", base, DRAIN),
        ("schedule, every minute", base, schedule),
        ("schedule, every 5 minutes", base, replace(schedule, period_seconds=300.0)),
    ]
    compact = replace(base, reading_bytes=COMPACT)
    options += [(f"{name}, compact readings", compact, one) for name, _, one in options[1:4]]
    more = replace(compact, readings_per_message=200)
    options += [
        ("schedule, 100 readings per message", replace(base, readings_per_message=100), schedule)
    ]
    options += [("schedule, 200 readings per message, compact", more, schedule)]
    rows = []
    for name, devices, pipeline in options:
        made = bill(devices, pipeline)
        work = made.per_million("rules", "readings")
        reached = (
            "yes" if made.beyond_messages < TARGET else "without storage" if work < TARGET else "no"
        )
        costs = [
            made.per_million("rules"),
            made.per_million("readings"),
            made.per_million("storage"),
        ]
        rows.append(
            [
                name,
                rounded(made.batches.readings),
                *map(dollars_per_million, [*costs, made.beyond_messages]),
                reached,
            ]
        )
    head = ["at 5,000 readings/s", "readings per batch", "IoT rules"]
    head += ["the pipeline", "storage, 1 year"]
    return table([*head, "sum", f"under ${TARGET}"], rows, numbers=True)


def _example() -> str:
    from rich.console import Console

    from etl.cli.cost import summary

    chosen, pipeline = Fleet(devices=2_000, rate=1_000.0, basic_ingest=True), SCHEDULE
    console = Console(file=io.StringIO(), width=88, force_terminal=False, highlight=False)
    console.print(summary(bill(chosen, pipeline), simulate(chosen, pipeline)))
    written = console.file.getvalue()  # type: ignore[attr-defined]
    command = "etl cost --devices 2000 --rate 1000 --trigger schedule --basic-ingest"
    text = "\n".join(line.rstrip() for line in written.splitlines())
    return f"```\n$ {command}\n{text}\n```\n"


def _optional() -> str:
    rows = [
        [
            f"{line.price.service}: {line.price.what}",
            f"{rounded(line.amount)} {line.price.unit}",
            dollars(line.dollars),
        ]
        for line in optional()
    ]
    return table(["part", "usage per month", "dollars per month"], rows, numbers=True)


def _prices() -> str:
    rows = [
        [
            f"[{one.service}]({one.page}): {one.what}",
            f"${one.dollars:.10g}",
            f"1 {one.unit.removesuffix('s')}" if one.per == 1 else f"{rounded(one.per)} {one.unit}",
            one.checked,
            one.date,
        ]
        for one in prices().values()
    ]
    return table(["price", "dollars", "per", "checked", "date of the source"], rows, numbers=True)
