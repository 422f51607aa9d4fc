"""AWS quotas that a growing pipeline reaches, from ``quotas.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Quota", "quota", "quotas"]


@dataclass(frozen=True, kw_only=True)
class Quota:
    """One AWS quota."""

    key: str
    name: str
    limit: float
    unit: str
    adjustable: bool
    """True where AWS raises it on request."""
    remedy: str
    """Change to the fleet or the settings that brings the load below it."""
    page: str
    checked: str


@cache
def quotas() -> dict[str, Quota]:
    """The table, by key."""
    table = tomllib.loads(Path(__file__).with_name("quotas.toml").read_text(encoding="utf-8"))
    return {key: Quota(key=key, **fields) for key, fields in table.items()}


def quota(key: str) -> Quota:
    """The quota of that key. Raises ``KeyError`` where there is none."""
    return quotas()[key]
