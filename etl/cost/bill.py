"""Usage times price: what a month and a million readings cost, by service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from etl.cost.batches import Batches, batches_of
from etl.cost.prices import Price, price
from etl.cost.settings import Fleet, Pipeline
from etl.cost.usage import Group, Use, monthly_use

__all__ = ["AIM", "Bill", "Line", "bill", "optional"]

AIM = 0.02
"""Dollars for a million readings beyond IoT's messages: what we set out for."""
HOURS = 730.0
DATABASE_GB, ENDPOINTS, ZONES, PROXY_VCPUS = 100, 1, 2, 2


@dataclass(frozen=True)
class Line:
    """One line of a bill."""

    price: Price
    amount: float
    """Units of the price, a month."""
    group: Group

    @property
    def dollars(self) -> float:
        """A month."""
        return self.amount * self.price.each


@dataclass(frozen=True)
class Bill:
    """A month's bill of one fleet and one way of setting the pipeline."""

    fleet: Fleet
    pipeline: Pipeline
    batches: Batches
    lines: tuple[Line, ...]

    def dollars(self, *groups: Group) -> float:
        """A month, of these groups; of all where none is named."""
        return sum(line.dollars for line in self.lines if not groups or line.group in groups)

    def a_million(self, *groups: Group) -> float:
        """The same for a million readings."""
        return self.dollars(*groups) / self.fleet.readings_a_month

    @property
    def beyond_messages(self) -> float:
        """Dollars a million readings, of what grows with readings, IoT's messages aside."""
        return self.a_million("rules", "readings", "storage")

    def services(self) -> list[tuple[str, float]]:
        """Dollars a month by service, IoT's parts apart, the dearest first."""
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


def bill(fleet: Fleet, pipeline: Pipeline | None = None) -> Bill:
    """The bill, database and network aside."""
    pipeline = pipeline or Pipeline()
    return Bill(fleet, pipeline, batches_of(fleet, pipeline), _lines(monthly_use(fleet, pipeline)))


def optional() -> Sequence[Line]:
    """What a database in a network of one's own adds a month, each part by itself."""
    return _lines(
        (
            Use("db_hours", HOURS, "optional"),
            Use("db_storage", DATABASE_GB, "optional"),
            Use("proxy_hours", HOURS * PROXY_VCPUS, "optional"),
            Use("endpoint_hours", HOURS * ENDPOINTS * ZONES, "optional"),
            Use("nat_hours", HOURS * ZONES, "optional"),
        )
    )


def _lines(uses: Iterable[Use]) -> tuple[Line, ...]:
    """One line for each price and group."""
    found: dict[tuple[str, Group], float] = {}
    for use in uses:
        found[use.price, use.group] = found.get((use.price, use.group), 0.0) + use.amount
    return tuple(Line(price(key), amount, group) for (key, group), amount in found.items())
