"""The SQL of a load, as pure functions of the contract.

Inserts happen in the order of the COPY object, which is ascending by the key. The module
``functions.load.rows`` explains why that matters.
"""

# ruff: noqa: S608 - the statements are made of quoted names; values come as parameters

from __future__ import annotations

from collections.abc import Sequence

from telemetry.contract import Contract
from telemetry.ddl import qualified, quote_name, quote_text, sql_type

__all__ = [
    "STAGING",
    "copy_in",
    "create_staging",
    "insert_staged",
    "keeps_first",
    "known_times",
    "may_drop_rows",
    "missing_keys",
    "splits_by_time",
    "update_staged",
    "upsert_staged",
]

STAGING = "pg_temp.staging"
"""This transaction's own table: two loads never share one."""

KNOWN_PER_ROW = 8
"""Loaded times that are worth fetching for each row of a group; as many as fit between two rows
of one group where the table has the batch's usual interval (``GAP`` of Transform)."""


def copy_in(table: str, columns: Sequence[str]) -> str:
    """COPY from the client into a table."""
    return f"COPY {table} ({_names(columns)}) FROM STDIN WITH (FORMAT csv)"


def create_staging(contract: Contract, columns: Sequence[str]) -> str:
    """A temporary table for the rows that may be in the table already; gone at the end."""
    defined = ", ".join(f"{quote_name(name)} {sql_type(contract.column(name))}" for name in columns)
    return f"CREATE TEMPORARY TABLE staging ({defined}) ON COMMIT DROP"


def keeps_first(contract: Contract, columns: Sequence[str]) -> bool:
    """Whether a row that is there already stays as it is, whatever comes."""
    if contract.on_conflict == "keep_greatest" and contract.greatest not in columns:
        return True
    return contract.on_conflict == "keep_first" or set(columns) <= set(contract.key)


def insert_staged(contract: Contract, columns: Sequence[str]) -> str:
    """Inserts the staged rows that are not in the table yet."""
    return f"{_insert(contract, columns)} DO NOTHING"


def upsert_staged(contract: Contract, columns: Sequence[str]) -> str:
    """Inserts the staged rows or updates those they change; answers one row: inserted, updated."""
    values = [name for name in columns if name not in contract.key]
    setting = ", ".join(f"{quote_name(n)} = {_new_value(contract, n)}" for n in values)
    # A row that changes nothing is left alone: no new version, no work for vacuum. Mostly that is
    # seen before ON CONFLICT comes to it, which would lock the row, and so write it, to find out.
    # One that this statement inserted has no xmax; one that it updated was locked by it before.
    return (
        f"WITH merged AS ({_insert(contract, columns, _worth(contract, values))} "
        f"DO UPDATE SET {setting} "
        f"WHERE {_changes(contract, values)} RETURNING (xmax = 0) AS fresh) "
        "SELECT count(*) FILTER (WHERE fresh), count(*) FILTER (WHERE NOT fresh) FROM merged"
    )


def update_staged(contract: Contract, columns: Sequence[str]) -> str:
    """Updates the rows that staged ones change. For partitioned tables, of which ``xmax`` can't be
    asked: after :func:`insert_staged`, whose rows are what was staged and so are never changed."""
    values = [name for name in columns if name not in contract.key]
    setting = ", ".join(f"{quote_name(n)} = {_new_value(contract, n)}" for n in values)
    return (
        f"UPDATE {qualified(contract)} AS present SET {setting} FROM {STAGING} AS excluded "
        f"WHERE {_same_key(contract, 'present', 'excluded')} AND {_changes(contract, values)}"
    )


def _new_value(contract: Contract, name: str) -> str:
    """What a column of a row that is there becomes."""
    old, new = f"present.{quote_name(name)}", f"excluded.{quote_name(name)}"
    return f"coalesce({old}, {new})" if contract.on_conflict == "fill_missing" else new


def _changes(contract: Contract, values: Sequence[str]) -> str:
    """Whether the row that comes changes the one that is there."""
    if contract.greatest is not None:
        old, new = (f"{row}.{quote_name(contract.greatest)}" for row in ("present", "excluded"))
        return f"({new} > {old} OR {old} IS NULL AND {new} IS NOT NULL)"
    if contract.on_conflict == "fill_missing":
        pairs = ((f"present.{quote_name(n)}", f"excluded.{quote_name(n)}") for n in values)
        return f"({' OR '.join(f'{old} IS NULL AND {new} IS NOT NULL' for old, new in pairs)})"
    old = ", ".join(f"present.{quote_name(n)}" for n in values)
    new = ", ".join(f"excluded.{quote_name(n)}" for n in values)
    return f"({old}) IS DISTINCT FROM ({new})"


def missing_keys(contract: Contract) -> str:
    """Counts the staged rows whose key is not in the table: 0 once they are merged."""
    same = _same_key(contract, "t", "s")
    # With LIMIT the planner can't make a join of it, and so never reads a large table through.
    return (
        f"SELECT count(*) FROM {STAGING} AS s "
        f"WHERE (SELECT true FROM {qualified(contract)} AS t WHERE {same} LIMIT 1) IS NULL"
    )


def splits_by_time(contract: Contract) -> bool:
    """Whether the key ends with a timestamp: only then do groups have a span of time."""
    return contract.column(contract.key[-1]).type == "timestamp"


def known_times(contract: Contract) -> str:
    """The loaded times within each group's span.

    Parameters: one array of text for each key column but the timestamp, then arrays of the groups'
    least times, greatest times and numbers of rows. Answers the place (from 1) of each group whose
    span holds rows of the table, and their times, as the COPY object writes them but without the
    offset, separated by blanks: at most :data:`KNOWN_PER_ROW` for each row of the group, and one.
    Each group is one probe of the primary key.
    """
    prefix, time = contract.key[:-1], quote_name(contract.key[-1])
    arrays = ", ".join([*["%s::text[]"] * len(prefix), *["%s::timestamptz[]"] * 2, "%s::bigint[]"])
    parts = ", ".join([*(f"k{i}" for i in range(len(prefix))), "least_time", "most_time", "n"])
    same = "".join(
        f"t.{quote_name(name)} = g.k{i}::{sql_type(contract.column(name))} AND "
        for i, name in enumerate(prefix)
    )
    # A correlated subquery is never made a join, and so never reads a large table through.
    near = (
        f"SELECT t.{time} AS at FROM {qualified(contract)} AS t "
        f"WHERE {same}t.{time} BETWEEN g.least_time AND g.most_time LIMIT g.n * {KNOWN_PER_ROW} + 1"
    )
    text = """to_char(near.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')"""
    return (
        f"SELECT place, times FROM (SELECT g.place, "
        f"(SELECT string_agg({text}, ' ') FROM ({near}) AS near) AS times "
        f"FROM unnest({arrays}) WITH ORDINALITY AS g ({parts}, place)) AS found "
        "WHERE times IS NOT NULL"
    )


def may_drop_rows(contract: Contract) -> str:
    """Whether the table, or a partition of it, has what drops a row without an error: a trigger
    before each row, a rule, a row policy."""
    table = f"{quote_text(qualified(contract))}::regclass"
    before_row = "EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgtype & 3 = 3)"
    return (
        f"SELECT bool_or({before_row} OR relrowsecurity OR relhasrules) FROM pg_class AS c "
        f"WHERE oid = {table} OR oid IN (SELECT relid FROM pg_partition_tree({table}))"
    )


def _names(columns: Sequence[str]) -> str:
    return ", ".join(quote_name(name) for name in columns)


def _worth(contract: Contract, values: Sequence[str]) -> str:
    """Condition on a staged row: it is new, or it changes what is there."""
    return (
        f" WHERE (SELECT {_changes(contract, values)} FROM {qualified(contract)} AS present "
        f"WHERE {_same_key(contract, 'present', 'excluded')} LIMIT 1) IS NOT FALSE"
    )


def _same_key(contract: Contract, one: str, other: str) -> str:
    return " AND ".join(f"{one}.{quote_name(n)} = {other}.{quote_name(n)}" for n in contract.key)


def _insert(contract: Contract, columns: Sequence[str], where: str = "") -> str:
    # No ORDER BY: a scan of a temporary table gives its rows as they were copied, which is in
    # order of the key already, and sorting them again costs a sixth of the load.
    return (
        f"INSERT INTO {qualified(contract)} AS present ({_names(columns)}) "
        f"SELECT {_names(columns)} FROM {STAGING} AS excluded{where} "
        f"ON CONFLICT ({_names(contract.key)})"
    )
