"""Latency: from the publication of a message over MQTT to its visible rows, on the local stack.

Usage: ``python -m bench.latency [--quick] [WAY...]``, in the environment of ``make test``. Each way
(trigger and window) is deployed, warmed, and measured at several rates and sizes of messages. A
full run writes ``etl/reference/latency.json``, of which ``make reference`` makes
``docs/latency.md``; if ways are named, only these are measured, and the others keep their last
figures. ``--quick`` only prints.

The process that publishes also waits for the rows, so one clock stamps both ends
(:mod:`bench.latency_probe`). A way whose settings this version does not have is left out.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from bench.latency_probe import MessagesMissingError, Probe, Sample
from bench.latency_stages import mean_parts
from bench.machine import processor
from etl.aws.target import Target
from etl.deployment.laptop import bring_up
from infrastructure.settings import DEFAULT_CONTRACT
from local.stack import stop

RESULTS = Path(__file__).parents[1] / "etl" / "reference" / "latency.json"
SETTLE_SECONDS = 3.0
"""Time without messages in which the load of everything else on the machine is measured."""


@dataclass(frozen=True)
class Way:
    """A way of starting: its settings for :func:`bring_up`, and what to measure with it."""

    name: str
    settings: Mapping[str, Any]
    seconds: float
    """Duration of publishing of each case."""
    patience: float
    """Seconds to wait for the last rows."""
    cases: Sequence[tuple[float, int]]
    """Messages per second, and readings per message."""


ALL = tuple((rate, readings) for rate in (1, 10, 100, 500) for readings in (1, 50))
FIFTY = ((1, 50), (10, 50), (100, 50), (500, 50), (10, 1))
TWO = ((10, 50), (100, 50))
MAPPING = {"trigger": "queue", "delivery": "mapping"}
OPTIONAL = {"delivery": "mapping"}
"""Settings that a version without them has, as it were, with this value."""
WAYS = (
    Way("queue, window 1 s", {**MAPPING, "window": 1}, 25, 60, ALL),
    Way("queue, window 5 s", {**MAPPING, "window": 5}, 40, 60, FIFTY),
    Way("queue, window 20 s", {**MAPPING, "window": 20}, 80, 90, TWO),
    Way(
        "queue, drain every 25 s",
        {"trigger": "queue", "delivery": "drain", "window": 25},
        100,
        700,
        TWO,
    ),
    Way("schedule, 60 s", {"trigger": "schedule", "schedule": "rate(1 minute)"}, 150, 180, TWO),
)


@dataclass
class Result:
    """One case; times are in seconds."""

    way: str
    rate: float
    """Messages per second."""
    readings: int
    """Readings per message."""
    messages: int
    batches: int
    p50: float
    p95: float
    p99: float
    most: float
    others: float
    """Share of the processors (0..1) that something else used just before."""
    busy: float
    """Share of the processors (0..1) that was in use during the case, all together."""
    parts: dict[str, float] = field(default_factory=dict)
    """Mean seconds of each part of the way, of the messages whose batch has a trace."""


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of sorted values; ``share`` is between 0 and 1."""
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def summarized(
    way: str,
    rate: float,
    readings: int,
    samples: Sequence[Sample],
    *,
    others: float,
    busy: float,
    parts: Mapping[str, float],
) -> Result:
    """The figures of one case."""
    ordered = sorted(one.seconds for one in samples)
    shares = [round(percentile(ordered, share), 3) for share in (0.5, 0.95, 0.99, 1.0)]
    return Result(
        way,
        rate,
        readings,
        len(samples),
        len({one.batch for one in samples}),
        *shares,
        round(others, 3),
        round(busy, 3),
        {name: round(seconds, 4) for name, seconds in parts.items()},
    )


def deployed(way: Way, state: Path) -> Target | None:
    """The stack with the way's settings; ``None`` where this version does not know one of them."""
    known = inspect.signature(bring_up).parameters
    unknown = {name: value for name, value in way.settings.items() if name not in known}
    if any(OPTIONAL.get(name) != value for name, value in unknown.items()):
        return None
    settings = {name: value for name, value in way.settings.items() if name in known}
    return bring_up(state, "bench", DEFAULT_CONTRACT, die_with_parent=True, **settings)


def measure(way: Way, state: Path) -> Iterator[Result]:
    """Each case of a way; one whose rows do not come in time is left out."""
    target = deployed(way, state)
    if target is None:
        print(f"{way.name}: not measured, this version has no such setting", file=sys.stderr)
        return
    with Probe(target) as probe:
        for rate, readings in ((100, 1), (10, 50)):  # starts every function, some of them twice
            probe.run(rate, readings, min(3.0, way.seconds), way.patience)
        for rate, readings in way.cases:
            others = psutil.cpu_percent(SETTLE_SECONDS) / 100
            psutil.cpu_percent()
            try:
                samples = probe.run(rate, readings, way.seconds, way.patience)
            except MessagesMissingError as error:
                print(f"{way.name}, {rate}/s x {readings}: left out, {error}", file=sys.stderr)
                probe.forget()
                continue
            busy = psutil.cpu_percent() / 100
            parts = mean_parts(target, samples)
            yield summarized(
                way.name, rate, readings, samples, others=others, busy=busy, parts=parts
            )


def line(result: Result) -> str:
    """A case as one line of text."""
    figures = f"{result.p50:8.2f} {result.p95:8.2f} {result.p99:8.2f} {result.most:8.2f}"
    size = f"{result.rate:5.0f}/s x {result.readings:2d}"
    load = f"{result.messages:7,} messages  others {100 * result.others:3.0f} %"
    return f"{result.way:26} {size}  {figures}  {load}  busy {100 * result.busy:3.0f} %"


def read_results() -> dict[str, Any]:
    """The last results: ``{"machine": text, "measured": date, "results": [...]}``."""
    if not RESULTS.exists():
        return {"results": []}
    document: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return document


def write_results(found: Sequence[Result]) -> None:
    """Writes the results; those of ways that were not measured stay as they were."""
    measured = {one.way for one in found}
    kept = [one for one in read_results()["results"] if one["way"] not in measured]
    order = [way.name for way in WAYS]
    results = sorted([*kept, *map(asdict, found)], key=lambda one: order.index(one["way"]))
    machine = f"{processor()}, {os.cpu_count()} cores"
    document = {"machine": machine, "measured": f"{datetime.now(UTC):%Y-%m-%d}", "results": results}
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Measure the ways, and write or print the results."""
    quick = "--quick" in arguments
    chosen = [name for name in arguments if not name.startswith("-")]
    ways = [way for way in WAYS if not chosen or way.name in chosen]
    if quick:
        ways = [Way(ways[0].name, ways[0].settings, 6, ways[0].patience, ((10, 50),))]
    print(f"{'':26} {'':12} {'p50':>8} {'p95':>8} {'p99':>8} {'max':>8}")
    with TemporaryDirectory(prefix="telemetry-bench-") as name:
        state = Path(name) / "state"
        try:
            for way in ways:
                found = []
                for result in measure(way, state):
                    print(line(result), flush=True)
                    found.append(result)
                if not quick:
                    write_results(found)
        finally:
            stop(state)


if __name__ == "__main__":
    main(sys.argv[1:])
