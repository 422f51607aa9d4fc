"""Monthly partitions: made ahead, and for months that rows have come from already."""

# ruff: noqa: S608 - the statements are made of quoted names and literals

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from telemetry.contract.model import Contract
from telemetry.ddl.names import qualified, quote_name, quote_text

__all__ = ["plan_partitions"]

MONTHS_AHEAD = 12
"""Months for which partitions are made before any row comes."""


def plan_partitions(
    contract: Contract, present: frozenset[str], strays: Iterable[date], today: date
) -> list[str]:
    """Statements that make the partitions that are missing; none where the table has no need.

    ``present`` are names of partitions, ``strays`` days in months that ``<table>_other`` has rows
    of. Those rows are moved. All of it belongs into one transaction.
    """
    if contract.partition == "none":
        return []
    other = _partition(contract, "other")
    statements = []
    if f"{contract.table}_other" not in present:
        statements.append(f"CREATE TABLE {other} PARTITION OF {qualified(contract)} DEFAULT")
    ahead = [_month(today, number) for number in range(-1, MONTHS_AHEAD + 1)]
    for month in sorted({*ahead, *(_month(day, 0) for day in strays)}):
        if f"{contract.table}_{month:%Y_%m}" not in present:
            statements += _new_partition(contract, month, other)
    return statements


def _new_partition(contract: Contract, month: date, other: str) -> list[str]:
    """Filled before it is attached: PostgreSQL refuses a partition whose rows lie in the default
    one, and whoever reads meanwhile waits for the lock and then sees every row once."""
    name = _partition(contract, f"{month:%Y_%m}")
    time = quote_name(contract.key[-1])
    start, end = (quote_text(f"{day} 00:00:00+00") for day in (month, _month(month, 1)))
    return [
        f"CREATE TABLE {name} "
        f"(LIKE {qualified(contract)} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"LOCK TABLE {other} IN ACCESS EXCLUSIVE MODE",
        f"WITH moved AS (DELETE FROM {other} WHERE {time} >= {start} AND {time} < {end} "
        f"RETURNING *) INSERT INTO {name} SELECT * FROM moved",
        f"ALTER TABLE {qualified(contract)} ATTACH PARTITION {name} FOR VALUES "
        f"FROM ({start}) TO ({end})",
    ]


def _partition(contract: Contract, ending: str) -> str:
    return f"{quote_name(contract.schema)}.{quote_name(f'{contract.table}_{ending}')}"


def _month(day: date, number: int) -> date:
    """First day of the month that comes so many after that of ``day``."""
    months = day.year * 12 + day.month - 1 + number
    return date(months // 12, months % 12 + 1, 1)
