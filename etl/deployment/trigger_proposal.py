"""Proposes the cheapest trigger that keeps a wanted latency at a fleet's rate.

:func:`offers` prices each trigger by :mod:`etl.cost`, and simulates whether it keeps up;
:func:`propose` takes the cheapest that does and is fast enough. ``etl settings init`` shows them
and writes what follows from the proposal: :meth:`Offer.settings`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etl.cost.bill import bill
from etl.cost.settings import Fleet, Pipeline
from etl.cost.simulation import simulate
from telemetry.metric_table import Level

__all__ = ["LEVEL", "MOST_DRAINED", "Demand", "Offer", "offers", "propose", "reason"]

LEVEL: Level = "lean"
"""Level of observability that is proposed: it has the alarms on lost and waiting data."""
MOST_DRAINED = 10_000
"""Readings per second up to which one drain loop is proposed: it receives with one function."""
OVERHEAD_SECONDS = 5
"""Most of the latency that is not the window: drain or staging, the map's start, three functions,
the transaction. So a window of 25 s is offered for a latency of 30 s."""
LEAST_DRAIN_WINDOW, LONGEST_DRAIN_WINDOW = 5, 120
"""Seconds. A longer window is cheaper, up to where the schedule is."""
SECONDS_A_DAY = 86_400
SMALL_WINDOW = 20
"""Longest window of the queue's mapping that is offered; longer ones are the drain's."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """A fleet, and the latency that its rows may have.

    Raises ``ValueError`` for numbers below their least: 1 device, 1 reading in a message; latency
    above 0, and a message a day of the whole fleet. All have to be finite.
    """

    devices: int
    rate: float
    """Readings per second, over all devices."""
    readings_per_message: int
    latency: float
    """Seconds from a message's arrival at AWS IoT to its rows."""

    def __post_init__(self) -> None:
        if not self.latency > 0:
            raise ValueError("the latency must be greater than 0")
        if not math.isfinite(self.rate):
            raise ValueError("the rate must be a finite number")
        if self.fleet.messages < 1 / SECONDS_A_DAY:  # the fleet checks the others
            raise ValueError("the fleet sends less than a message a day")

    @property
    def fleet(self) -> Fleet:
        """The fleet as the cost model has it."""
        return Fleet(
            devices=self.devices, rate=self.rate, readings_per_message=self.readings_per_message
        )


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One trigger with its price for a fleet."""

    name: str
    pipeline: Pipeline
    dollars: float
    """Dollars per month, without database and network."""
    latency: float
    """Seconds from the arrival of a batch's oldest message to its rows, simulated: the median."""
    keeps_up: bool
    """True where rows are loaded as fast as messages arrive."""

    def fits(self, demand: Demand) -> bool:
        """True where the offer keeps the demand's rate and latency."""
        return self.keeps_up and self.latency <= demand.latency

    @property
    def settings(self) -> dict[str, Any]:
        """Values of the settings file by key."""
        found: dict[str, Any] = {"run.trigger": self.pipeline.trigger}
        if self.pipeline.trigger == "schedule":
            minutes = round(self.pipeline.period_seconds / 60)
            found["run.schedule"] = f"rate({minutes} minute{'s' * (minutes > 1)})"
        else:
            found["run.queue_delivery"] = self.pipeline.delivery
            found["run.queue_window_seconds"] = round(self.pipeline.window_seconds)
        return {**found, "operation.observability": LEVEL}


def offers(demand: Demand) -> tuple[Offer, ...]:
    """Every trigger with its price, in the order in which they get faster."""
    spare = demand.latency - OVERHEAD_SECONDS
    drain = round(max(LEAST_DRAIN_WINDOW, min(LONGEST_DRAIN_WINDOW, spare)))
    mapping = round(max(1, min(SMALL_WINDOW, spare)))
    scheduled = [
        (f"schedule, each {'minute' if minutes == 1 else f'{minutes} minutes'}", minutes * 60.0)
        for minutes in (5, 1)
    ]
    pipelines = [
        *(
            (name, Pipeline(trigger="schedule", period_seconds=period, observability=LEVEL))
            for name, period in scheduled
        ),
        (
            f"queue, drained each {drain} s",
            Pipeline(
                trigger="queue",
                delivery="drain",
                window_seconds=float(drain),
                observability=LEVEL,
            ),
        ),
        (
            f"queue, mapping with a window of {mapping} s",
            Pipeline(
                trigger="queue",
                delivery="mapping",
                window_seconds=float(mapping),
                observability=LEVEL,
            ),
        ),
    ]
    return tuple(_offer(demand, name, pipeline) for name, pipeline in pipelines)


def _offer(demand: Demand, name: str, pipeline: Pipeline) -> Offer:
    result = simulate(demand.fleet, pipeline)
    drains = pipeline.trigger == "queue" and pipeline.delivery == "drain"
    return Offer(
        name=name,
        pipeline=pipeline,
        dollars=bill(demand.fleet, pipeline).dollars(),
        latency=result.lag,
        keeps_up=result.keeps_up and not (drains and demand.rate > MOST_DRAINED),
    )


def propose(demand: Demand, found: Sequence[Offer]) -> Offer:
    """The cheapest offer that fits; the fastest of those that keep up where none is fast enough."""
    fitting = [one for one in found if one.fits(demand)]
    if fitting:
        return min(fitting, key=lambda one: one.dollars)
    return min([one for one in found if one.keeps_up] or found, key=lambda one: one.latency)


def reason(demand: Demand, chosen: Offer, found: Sequence[Offer]) -> str:
    """The reason for this trigger, with the others' prices, for a comment in the settings file."""
    others = "; ".join(f"{one.name}: {_price(one)}" for one in found if one is not chosen)
    verdict = (
        "the cheapest trigger that keeps this"
        if chosen.fits(demand)
        else "the fastest trigger, though not as fast as wanted"
    )
    return (
        f"Chosen for {demand.devices:,} devices, {demand.rate:,g} readings/s, "
        f"{demand.readings_per_message:,} in a message, rows within {demand.latency:,g} s: "
        f"{chosen.name}, {_price(chosen)}, is {verdict}. {others}."
    )


def _price(offer: Offer) -> str:
    lag = f"{offer.latency:.0f} s" if offer.keeps_up else "falls behind"
    return f"${offer.dollars:,.0f} a month, {lag}"
