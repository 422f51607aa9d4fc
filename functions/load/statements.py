"""The SQL of a load, as pure functions of the contract.

Inserts happen in ascending order of the key, text compared byte by byte: the order of the COPY
object. ``functions.load.rows`` explains why that matters.
"""

# ruff: noqa: S608 - the statements are made of quoted names; values come as parameters

from __future__ import annotations

from collections.abc import Sequence

from telemetry.contract import Contract
from telemetry.ddl import qualified, quote_name, sql_type

__all__ = [
    "STAGING",
    "copy_in",
    "create_staging",
    "merge_staging",
    "missing_keys",
    "newer_groups",
    "splits_by_time",
]

STAGING = "pg_temp.staging"
"""This transaction's own table: two loads never share one."""


def copy_in(table: str, columns: Sequence[str]) -> str:
    """COPY from the client into a table."""
    return f"COPY {table} ({_names(columns)}) FROM STDIN WITH (FORMAT csv)"


def create_staging(contract: Contract, columns: Sequence[str]) -> str:
    """A temporary table for the rows that may be in the table already; gone at the end."""
    defined = ", ".join(f"{quote_name(name)} {sql_type(contract.column(name))}" for name in columns)
    return f"CREATE TEMPORARY TABLE staging ({defined}) ON COMMIT DROP"


def merge_staging(contract: Contract, columns: Sequence[str]) -> str:
    """Moves the staged rows into the table; answers one row: inserted, updated."""
    names = _names(columns)
    values = [name for name in columns if name not in contract.key]
    if contract.on_conflict == "keep_first" or not values:
        action = "DO NOTHING"
    else:
        setting = ", ".join(f"{quote_name(n)} = excluded.{quote_name(n)}" for n in values)
        old = ", ".join(f"present.{quote_name(n)}" for n in values)
        new = ", ".join(f"excluded.{quote_name(n)}" for n in values)
        # A row that is the same already is left alone: no new version, no work for vacuum.
        action = f"DO UPDATE SET {setting} WHERE ({old}) IS DISTINCT FROM ({new})"
    # A row this statement inserted has no deleter or locker (xmax); one it updated was locked.
    return (
        f"WITH merged AS (INSERT INTO {qualified(contract)} AS present ({names}) "
        f"SELECT {names} FROM {STAGING} ORDER BY {_order(contract)} "
        f"ON CONFLICT ({_names(contract.key)}) {action} RETURNING (xmax = 0) AS fresh) "
        "SELECT count(*) FILTER (WHERE fresh), count(*) FILTER (WHERE NOT fresh) FROM merged"
    )


def missing_keys(contract: Contract) -> str:
    """Counts the staged rows whose key is not in the table: none, once they are merged."""
    same = " AND ".join(f"t.{quote_name(n)} = s.{quote_name(n)}" for n in contract.key)
    # With LIMIT the planner can't make a join of it, and so never reads a large table through.
    return (
        f"SELECT count(*) FROM {STAGING} AS s "
        f"WHERE (SELECT true FROM {qualified(contract)} AS t WHERE {same} LIMIT 1) IS NULL"
    )


def splits_by_time(contract: Contract) -> bool:
    """Whether the key ends with a timestamp: only then does a watermark mean anything."""
    return contract.column(contract.key[-1]).type == "timestamp"


def newer_groups(contract: Contract) -> str:
    """Tells for each group whether all its rows are newer than what is loaded of it.

    Parameters: one array of text for each key column but the timestamp, then one of the groups'
    smallest times. Answers the places (from 1) of those groups. Each is one probe of the primary
    key's last entry for the group.
    """
    prefix, time = contract.key[:-1], quote_name(contract.key[-1])
    arrays = ", ".join(["%s::text[]"] * len(prefix) + ["%s::timestamptz[]"])
    parts = ", ".join(f"k{i}" for i in range(len(prefix))) + (", " if prefix else "")
    same = " AND ".join(
        f"t.{quote_name(name)} = g.k{i}::{sql_type(contract.column(name))}"
        for i, name in enumerate(prefix)
    )
    return (
        f"SELECT g.place FROM unnest({arrays}) WITH ORDINALITY AS g ({parts}least_time, place) "
        f"WHERE coalesce(g.least_time > (SELECT max(t.{time}) FROM {qualified(contract)} AS t "
        f"WHERE {same or 'true'}), true)"
    )


def _names(columns: Sequence[str]) -> str:
    return ", ".join(quote_name(name) for name in columns)


def _order(contract: Contract) -> str:
    return ", ".join(
        quote_name(name) + (' COLLATE "C"' if contract.column(name).type == "text" else "")
        for name in contract.key
    )
