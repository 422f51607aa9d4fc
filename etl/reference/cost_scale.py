"""The simulated part of ``docs/cost.md``: the rates that keep up, and the quotas they reach."""

from __future__ import annotations

from functools import cache

from etl.cost.bill import Bill, bill
from etl.cost.durations import billed_seconds, measurements
from etl.cost.formatting import REACHED, bottleneck, most_used_quota, rounded
from etl.cost.quotas import quotas
from etl.cost.result import SimulationResult
from etl.cost.scaling import simulate_scaled_up
from etl.cost.settings import Fleet, Pipeline
from etl.cost.simulation import simulate
from etl.reference.cost_ways import MAPPING
from etl.reference.markdown import table

__all__ = ["SCALES", "fleet", "measured_seconds", "needed", "reached_quotas", "simulated"]

SCALES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
NEVER_REACHED = {"iot_connection", "map_concurrency"}
"""Each device here sends one reading per second, and an execution of the trigger has one batch."""


def fleet(rate: float, **options: object) -> Fleet:
    """A fleet of devices that each send one reading per second."""
    return Fleet(rate=float(rate), devices=int(rate), **options)  # type: ignore[arg-type]


@cache
def _scaled_up(devices: Fleet, pipeline: Pipeline) -> SimulationResult:
    """Cached: it takes a second, and two tables need the same result."""
    return simulate_scaled_up(devices, pipeline)


def simulated(pipeline: Pipeline) -> str:
    """A table of simulations of that pipeline at each scale."""
    rows = []
    for rate in SCALES:
        result = simulate(fleet(rate), pipeline)
        made: Bill = bill(result.fleet, result.pipeline)
        rows.append(
            [
                rounded(rate),
                rounded(made.batches.readings),
                f"yes, after {result.lag:.0f} s" if result.keeps_up else "**no**",
                rounded(result.concurrency),
                f"{result.database_busy:.0%}",
                bottleneck(result) or "-",
                most_used_quota(result),
            ]
        )
    head = ["readings/s", "readings per batch", "keeps up", "concurrent functions", "database busy"]
    return table([*head, "bottleneck", "most used AWS quota"], rows, numbers=True)


def needed(each: int) -> str:
    """A table of the pollers and writers needed to keep up; ``each``: readings per message."""
    rows = []
    for rate in SCALES[3:]:
        result: SimulationResult = _scaled_up(fleet(rate, readings_per_message=each), MAPPING)
        over = [quotas()[key].name for key, share in result.quotas().items() if share >= REACHED]
        rows.append(
            [
                rounded(rate),
                str(result.pipeline.pollers),
                str(result.pipeline.database_writers),
                "yes" if result.keeps_up else "**no**",
                rounded(result.concurrency),
                rounded(result.connections),
                rounded(result.in_flight),
                f"{result.starts:.1f}",
                "; ".join(over) or "-",
            ]
        )
    head = [
        "readings/s",
        "QueueConcurrency",
        "database writers",
        "keeps up",
        "concurrent functions",
    ]
    head += ["connections", "messages in flight", "executions/s", "quotas reached"]
    return table(head, rows, numbers=True)


def _reached_at() -> dict[str, list[str]]:
    """Readings per second at which each quota is reached, extrapolated from the largest fleet."""
    found: dict[str, list[str]] = {key: [] for key in quotas()}
    for each in (50, 1):
        result = _scaled_up(fleet(SCALES[-1], readings_per_message=each), MAPPING)
        shares = result.quotas()
        for key, texts in found.items():
            texts.append("-" if key in NEVER_REACHED else _about(SCALES[-1] / shares[key]))
    return found


def _about(rate: float) -> str:
    """A rate with two significant digits: the extrapolation is no more precise."""
    return f"{float(f'{rate:.2g}'):,.0f}"


def reached_quotas() -> str:
    """A table of AWS quotas and the rates at which they are reached."""
    rates = _reached_at()
    rows = [
        [
            f"[{one.name}]({one.page})",
            f"{rounded(one.limit)} {one.unit}",
            *rates[one.key],
            "yes" if one.adjustable else "no",
            one.remedy,
            one.checked,
        ]
        for one in quotas().values()
    ]
    head = ["quota", "default", "reached at, 50 per message", "reached at, 1 per message"]
    return table([*head, "adjustable", "remedy", "checked"], rows, numbers=True)


def measured_seconds() -> str:
    """A table of the billed seconds of each function, by the size of the batch."""
    rows = []
    for name in measurements()["functions"]:
        seconds = [billed_seconds(name, n, 50 * n, Pipeline()) for n in (20, 200, 600)]
        rows.append([name, *(f"{one:.2f} s" for one in seconds)])
    head = ["billed seconds per call", "1,000 readings", "10,000 readings", "30,000 readings"]
    return table(head, rows, numbers=True)
