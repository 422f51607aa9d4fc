"""The part of ``docs/cost.md`` that is simulated: how far it goes, and where quotas are met."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from etl.cost.bill import Bill, bill
from etl.cost.formatting import MET, count, held_up_by, nearest_quota
from etl.cost.quotas import quotas
from etl.cost.result import Outcome
from etl.cost.settings import Fleet, Pipeline, Trigger
from etl.cost.simulation import fitted, simulate

__all__ = ["SCALES", "TRIGGERS", "fleet", "met_quotas", "needed", "simulated", "table"]

TRIGGERS: tuple[Trigger, ...] = ("queue", "schedule")
SCALES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
NEVER_MET = {"iot_connection", "map_concurrency"}
"""Each device here has one reading a second, and an execution of the trigger one batch."""
Table = Sequence[Sequence[str]]


def table(head: Sequence[str], rows: Table) -> str:
    """Markdown; all columns but the first to the right."""
    lines = [" | ".join(head), " | ".join(["---", *["---:"] * (len(head) - 1)])]
    return "".join(f"| {line} |\n" for line in [*lines, *(" | ".join(row) for row in rows)])


def fleet(rate: float, **options: object) -> Fleet:
    """Of devices that each have one reading a second."""
    return Fleet(rate=float(rate), devices=int(rate), **options)  # type: ignore[arg-type]


@cache
def _fitted(devices: Fleet, pipeline: Pipeline) -> Outcome:
    """As it takes a second, and two tables ask for the same."""
    return fitted(devices, pipeline)


def simulated(trigger: Trigger) -> str:
    """As deployed, at each scale."""
    rows = []
    for rate in SCALES:
        outcome = simulate(fleet(rate), Pipeline(trigger=trigger))
        made: Bill = bill(outcome.fleet, outcome.pipeline)
        rows.append(
            [
                count(rate),
                count(made.batches.readings),
                f"yes, {outcome.lag:.0f} s behind" if outcome.keeps_up else "**no**",
                count(outcome.concurrency),
                f"{outcome.database_busy:.0%}",
                held_up_by(outcome) or "-",
                nearest_quota(outcome),
            ]
        )
    head = ["readings/s", "readings a batch", "keeps up", "Lambda at once", "database busy"]
    return table([*head, "held up by", "AWS's nearest quota"], rows)


def needed(each: int) -> str:
    """With as many pollers and writers as it takes; ``each``: readings a message."""
    rows = []
    for rate in SCALES[3:]:
        outcome: Outcome = _fitted(fleet(rate, readings_per_message=each), Pipeline())
        over = [quotas()[key].what for key, share in outcome.quotas().items() if share >= MET]
        rows.append(
            [
                count(rate),
                str(outcome.pipeline.pollers),
                str(outcome.pipeline.database_writers),
                "yes" if outcome.keeps_up else "**no**",
                count(outcome.concurrency),
                count(outcome.connections),
                count(outcome.in_flight),
                f"{outcome.starts:.1f}",
                "; ".join(over) or "-",
            ]
        )
    head = ["readings/s", "QueueConcurrency", "database writers", "keeps up", "Lambda at once"]
    head += ["connections", "messages in flight", "executions/s", "quotas met"]
    return table(head, rows)


def _met_at() -> dict[str, list[str]]:
    """Readings a second at which each quota is met, drawn on from the largest simulated fleet."""
    found: dict[str, list[str]] = {key: [] for key in quotas()}
    for each in (50, 1):
        outcome = _fitted(fleet(SCALES[-1], readings_per_message=each), Pipeline())
        shares = outcome.quotas()
        for key, texts in found.items():
            texts.append("-" if key in NEVER_MET else _about(SCALES[-1] / shares[key]))
    return found


def _about(rate: float) -> str:
    """Two digits, as that is what it is good for."""
    return f"{float(f'{rate:.2g}'):,.0f}"


def met_quotas() -> str:
    """AWS's quotas, and the rates at which they are met."""
    met = _met_at()
    rows = [
        [
            f"[{one.what}]({one.page})",
            f"{count(one.most)} {one.unit}",
            *met[one.key],
            "yes" if one.raised else "no",
            one.moves,
            one.checked,
        ]
        for one in quotas().values()
    ]
    head = ["quota", "default", "met at, 50 a message", "met at, 1 a message", "AWS raises it"]
    return table([*head, "what of ours moves the load", "checked"], rows)
