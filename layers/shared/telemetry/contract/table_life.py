"""The keys of ``[table]`` that decide how long its rows stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from telemetry.contract.model import Contract, Partition
from telemetry.contract.problems import Problem
from telemetry.contract.reader import Reader

__all__ = ["TABLE_LIFE_KEYS", "TABLE_LIFE_RULES", "read_table_life"]

TABLE_LIFE_KEYS = ("partition", "retention")

_DAYS = re.compile(r"([1-9][0-9]{0,4})d")
MAX_NAME = 63
MOST_DAYS = 36_500
"""Longest retention: a century."""
DAYS_BY_DAY = 90
"""Longest retention that partitions of a day are the default for. A table then has 130 partitions
at most; with more of them each query takes longer to plan."""


def read_table_life(reader: Reader, table: dict[str, Any]) -> dict[str, Any]:
    """Arguments of :class:`Contract` for the keys of :data:`TABLE_LIFE_KEYS`."""
    retention = _retention(reader, table)
    default: Partition = "none"
    if retention is not None:
        default = "day" if retention <= DAYS_BY_DAY else "month"
    partition: Partition = reader.choose(table, "table.", "partition", Partition, default)
    return {"partition": partition, "retention_days": retention}


def _retention(reader: Reader, table: dict[str, Any]) -> int | None:
    """Days of a text such as ``400d``."""
    if "retention" not in table:
        return None
    text = reader.take(table, "table.", "retention", str, "1d")
    match = _DAYS.fullmatch(text)
    days = int(match[1]) if match is not None else 0
    if not 1 <= days <= MOST_DAYS:
        reader.note(
            "table.retention",
            f"{text!r} is not a number of days; write one from 1d to {MOST_DAYS}d, as in '400d'",
        )
        return None
    return days


def partitions_have_a_time(contract: Contract) -> Iterator[Problem]:
    """Rows are put into partitions by the timestamp of the key: a key holds across them only so."""
    types = {column.name: column.type for column in contract.columns}
    last = contract.key[-1] if contract.key else ""
    if types.get(last) == "timestamp":
        return
    sentence = "needs a timestamp as the last column of the key"
    if contract.retention_days is not None:
        yield Problem("table.retention", sentence)
    elif contract.partition != "none":
        yield Problem("table.partition", sentence)


def retention_has_partitions(contract: Contract) -> Iterator[Problem]:
    """Old rows leave with their partition."""
    if contract.retention_days is not None and contract.partition == "none":
        yield Problem(
            "table.partition",
            "'none' can't be combined with retention, which drops partitions; write 'month', "
            "'day', or leave it out",
        )


def partition_names_fit(contract: Contract) -> Iterator[Problem]:
    """The longest partition's name is the table's and a date; PostgreSQL cuts longer names.

    The names of views are longer, and have a rule of their own.
    """
    most = MAX_NAME - len("_2026_11_29")
    if contract.analytics.views:
        return
    if contract.partition != "none" and len(contract.table.encode()) > most:
        yield Problem("table.name", f"is too long for a table with partitions; {most} bytes fit")


TABLE_LIFE_RULES = (partitions_have_a_time, retention_has_partitions, partition_names_fit)
