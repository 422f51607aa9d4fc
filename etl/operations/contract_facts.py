"""Freshness and last loads of a deployed contract, for its data dictionary."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from etl.aws.target import Target
from telemetry.contract import Contract

__all__ = ["ContractFacts", "LastLoad", "read_facts"]

MOST_LOADS = 5

_FRESHNESS = """
SELECT max(max_time), max(loaded_at) FROM etl.ledger
WHERE contract = %s AND status = 'loaded' AND accepted > 0"""
_LAST_LOADS = """
SELECT batch_id, loaded_at, status, read, accepted, rejected, max_time FROM etl.ledger
WHERE contract = %s ORDER BY loaded_at DESC, batch_id LIMIT %s"""


@dataclass(frozen=True)
class LastLoad:
    """One of the latest micro-batches, counts in readings."""

    batch_id: str
    loaded_at: datetime
    status: str
    read: int
    accepted: int
    rejected: int
    newest: datetime | None
    """Time of its newest reading."""


@dataclass(frozen=True)
class ContractFacts:
    """Freshness of a contract by the ledger; times are in UTC."""

    newest: datetime | None
    """Time of the newest reading that was loaded; ``None``: nothing was."""
    last_load: datetime | None
    loads: list[LastLoad]
    """The latest batches, newest first, whatever their status."""

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return asdict(self)


def read_facts(target: Target, contract: Contract) -> ContractFacts:
    """Read the freshness and the latest loads of one contract from the ledger."""
    with closing(target.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET TimeZone = 'UTC'")
        cursor.execute(_FRESHNESS, (contract.name,))
        [(newest, last_load)] = cursor.fetchall()
        cursor.execute(_LAST_LOADS, (contract.name, MOST_LOADS))
        return ContractFacts(newest, last_load, [LastLoad(*row) for row in cursor.fetchall()])
