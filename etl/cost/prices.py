"""The price table, ``prices.toml``: each price with AWS's page, how it was checked, and when."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

__all__ = ["AS_OF", "REGION", "Checked", "Price", "price", "prices"]

REGION = "us-east-1"
AS_OF = "2026-11"
"""Month in which the table was compiled; each price also has a date of its own."""

Checked = Literal["page", "transcript", "price list", "secondary", "unverified"]


@dataclass(frozen=True, kw_only=True)
class Price:
    """The price of one unit of a service."""

    key: str
    service: str
    what: str
    dollars: float
    per: float
    """Number of units that ``dollars`` buys."""
    unit: str
    page: str
    """AWS's page that states it."""
    checked: Checked
    date: str
    """Date of the source it was checked against."""

    @property
    def each(self) -> float:
        """Dollars for one unit."""
        return self.dollars / self.per


@cache
def prices() -> dict[str, Price]:
    """The table, by key."""
    table = tomllib.loads(Path(__file__).with_name("prices.toml").read_text(encoding="utf-8"))
    return {key: Price(key=key, **fields) for key, fields in table.items()}


def price(key: str) -> Price:
    """The price of that key. Raises ``KeyError`` where there is none."""
    return prices()[key]
