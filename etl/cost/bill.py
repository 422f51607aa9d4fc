"""Usage times price: the cost of a month and of a million readings, by service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from etl.cost.batches import Batches, batches_of
from etl.cost.prices import Price, price
from etl.cost.settings import Fleet, Pipeline
from etl.cost.usage import Group, Usage, monthly_usage

__all__ = ["TARGET", "Bill", "Line", "bill", "further_contract", "lines_of", "optional"]

TARGET = 0.02
"""Target in dollars per million readings, without IoT's price for messages."""
HOURS = 730.0
DATABASE_GB, ENDPOINTS, ZONES, PROXY_VCPUS = 100, 1, 2, 2


@dataclass(frozen=True)
class Line:
    """One line of a bill."""

    price: Price
    amount: float
    """Units of the price per month."""
    group: Group

    @property
    def dollars(self) -> float:
        """Dollars per month."""
        return self.amount * self.price.each


@dataclass(frozen=True)
class Bill:
    """A month's bill for one fleet and one configuration of the pipeline."""

    fleet: Fleet
    pipeline: Pipeline
    batches: Batches
    """The queue trigger's where both triggers are on."""
    lines: tuple[Line, ...]

    def dollars(self, *groups: Group) -> float:
        """Dollars per month of these groups; of all groups where none is named."""
        return sum(line.dollars for line in self.lines if not groups or line.group in groups)

    def per_million(self, *groups: Group) -> float:
        """Dollars per million readings of these groups; of all groups where none is named."""
        return self.dollars(*groups) / self.fleet.readings_a_month

    @property
    def beyond_messages(self) -> float:
        """Dollars per million readings of all that grows with them, without IoT's messages."""
        return self.per_million("rules", "readings", "storage")

    def services(self) -> list[tuple[str, float]]:
        """Dollars per month by service, highest first; IoT and S3 are split into their parts."""
        found: dict[str, float] = {}
        for line in self.lines:
            name = line.price.service
            if name == "IoT Core":
                part = {"messaging": "messages", "devices": "connections", "rules": "rules"}
                name = f"IoT Core, {part[line.group]}"
            elif name == "S3":
                name = "S3, storage" if line.group == "storage" else "S3, requests"
            found[name] = found.get(name, 0.0) + line.dollars
        return sorted(found.items(), key=lambda pair: -pair[1])


def further_contract(made: Bill) -> tuple[float, float]:
    """Dollars per month that each contract after the first one adds to a bill: fixed ones, and
    those for the batches of its own. Nothing where there is only one."""
    further = made.pipeline.contracts - 1
    if not further:
        return 0.0, 0.0
    alone = bill(made.fleet, replace(made.pipeline, contracts=1))
    fixed = made.dollars("fixed") - alone.dollars("fixed")
    return fixed / further, (made.dollars() - alone.dollars() - fixed) / further


def bill(fleet: Fleet, pipeline: Pipeline | None = None) -> Bill:
    """The bill without database and network."""
    pipeline = pipeline or Pipeline()
    return Bill(
        fleet, pipeline, batches_of(fleet, pipeline), lines_of(monthly_usage(fleet, pipeline))
    )


def optional() -> Sequence[Line]:
    """Monthly lines for a database and its network, which no bill includes."""
    return lines_of(
        (
            Usage("db_hours", HOURS, "optional"),
            Usage("db_storage", DATABASE_GB, "optional"),
            Usage("proxy_hours", HOURS * PROXY_VCPUS, "optional"),
            Usage("endpoint_hours", HOURS * ENDPOINTS * ZONES, "optional"),
            Usage("nat_hours", HOURS * ZONES, "optional"),
        )
    )


def lines_of(uses: Iterable[Usage]) -> tuple[Line, ...]:
    """Bill lines of this usage, one for each price and group."""
    found: dict[tuple[str, Group], float] = {}
    for use in uses:
        found[use.price, use.group] = found.get((use.price, use.group), 0.0) + use.amount
    return tuple(Line(price(key), amount, group) for (key, group), amount in found.items())
