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
"""When the table was put together; each price has a date of its own."""

Checked = Literal["page", "transcript", "price list", "secondary", "unverified"]


@dataclass(frozen=True, kw_only=True)
class Price:
    """What one unit of something costs."""

    key: str
    service: str
    what: str
    dollars: float
    per: float
    """So many units for ``dollars``."""
    unit: str
    page: str
    """Where AWS states it."""
    checked: Checked
    date: str
    """Of what it was checked against."""

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
