"""The SQL of a load, as pure functions of the contract.

Inserts happen in the order of the COPY object, which is ascending by the key. The module
``functions.load.rows`` explains why that matters.
"""

# ruff: noqa: S608 - the statements are made of quoted names; values come as parameters

from __future__ import annotations

from collections.abc import Sequence

from functions.load.conflict_policies import changes_row, new_value
from functions.load.sql_parts import names_of, same_key
from telemetry.contract import Contract
from telemetry.ddl import qualified, quote_name, quote_text, sql_type

__all__ = [
    "STAGING",
    "copy_in",
    "create_staging",
    "existing_times",
    "insert_staged",
    "missing_keys",
    "row_droppers",
    "splits_by_time",
    "update_staged",
    "upsert_staged",
]

STAGING = "pg_temp.staging"
"""A table of this transaction alone: two loads never share one."""

TIMES_PER_ROW = 8
"""Most existing times worth fetching for each row of a group: as many as fit between two rows of
one group where the table has the batch's usual interval (``GAP`` of Transform)."""


def copy_in(table: str, columns: Sequence[str]) -> str:
    """COPY from the client into a table."""
    return f"COPY {table} ({names_of(columns)}) FROM STDIN WITH (FORMAT csv)"


def create_staging(contract: Contract, columns: Sequence[str]) -> str:
    """A temporary table for the rows that may exist already; dropped at the commit."""
    defined = ", ".join(f"{quote_name(name)} {sql_type(contract.column(name))}" for name in columns)
    return f"CREATE TEMPORARY TABLE staging ({defined}) ON COMMIT DROP"


def insert_staged(contract: Contract, columns: Sequence[str]) -> str:
    """Inserts the staged rows whose key is not in the table yet."""
    return f"{_insert(contract, columns)} DO NOTHING"


def upsert_staged(contract: Contract, columns: Sequence[str], *, all_new: bool = False) -> str:
    """Inserts the staged rows or updates those they change; returns one row: inserted, updated.

    ``all_new``: hardly any key exists, so that none is looked up before.
    """
    values = [name for name in columns if name not in contract.key]
    setting = ", ".join(f"{quote_name(n)} = {new_value(contract, n)}" for n in values)
    # A row that would not change is not updated: no new version, no work for vacuum. Most of those
    # are filtered before ON CONFLICT, which would lock the row, and so write it, to find out.
    # A row that this statement inserted has no xmax; one that it updated was locked by it before.
    worth = "" if all_new else _worth(contract, values)
    return (
        f"WITH merged AS ({_insert(contract, columns, worth)} "
        f"DO UPDATE SET {setting} "
        f"WHERE {changes_row(contract, values)} RETURNING (xmax = 0) AS fresh) "
        "SELECT count(*) FILTER (WHERE fresh), count(*) FILTER (WHERE NOT fresh) FROM merged"
    )


def update_staged(contract: Contract, columns: Sequence[str]) -> str:
    """Updates the rows that staged ones change. For partitioned tables, which have no ``xmax`` to
    return: run it after :func:`insert_staged`, whose rows equal the staged ones."""
    values = [name for name in columns if name not in contract.key]
    setting = ", ".join(f"{quote_name(n)} = {new_value(contract, n)}" for n in values)
    return (
        f"UPDATE {qualified(contract)} AS present SET {setting} FROM {STAGING} AS excluded "
        f"WHERE {same_key(contract, 'present', 'excluded')} AND {changes_row(contract, values)}"
    )


def missing_keys(contract: Contract) -> str:
    """Counts the staged rows whose key is not in the table: 0 once they are merged."""
    same = same_key(contract, "t", "s")
    # With LIMIT the planner can't turn it into a join, and so never scans a large table.
    return (
        f"SELECT count(*) FROM {STAGING} AS s "
        f"WHERE (SELECT true FROM {qualified(contract)} AS t WHERE {same} LIMIT 1) IS NULL"
    )


def splits_by_time(contract: Contract) -> bool:
    """True if the key ends with a timestamp: only then do groups have a range of time."""
    return contract.column(contract.key[-1]).type == "timestamp"


def existing_times(contract: Contract, table: str | None = None) -> str:
    """The times of existing rows within each group's range, in the contract's table or another.

    Parameters: one array of text for each key column but the timestamp, then arrays of the groups'
    least times, greatest times and numbers of rows. Returns the place (from 1) of each group whose
    range holds rows of the table, and their times, as the COPY object writes them but without the
    offset, separated by spaces: at most :data:`TIMES_PER_ROW` for each row of the group, plus one.
    Each group is one probe of the primary key.
    """
    prefix, time = contract.key[:-1], quote_name(contract.key[-1])
    arrays = ", ".join([*["%s::text[]"] * len(prefix), *["%s::timestamptz[]"] * 2, "%s::bigint[]"])
    parts = ", ".join([*(f"k{i}" for i in range(len(prefix))), "least_time", "most_time", "n"])
    same = "".join(
        f"t.{quote_name(name)} = g.k{i}::{sql_type(contract.column(name))} AND "
        for i, name in enumerate(prefix)
    )
    # A correlated subquery never becomes a join, and so never scans a large table.
    near = (
        f"SELECT t.{time} AS at FROM {table or qualified(contract)} AS t "
        f"WHERE {same}t.{time} BETWEEN g.least_time AND g.most_time LIMIT g.n * {TIMES_PER_ROW} + 1"
    )
    text = """to_char(near.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')"""
    return (
        f"SELECT place, times FROM (SELECT g.place, "
        f"(SELECT string_agg({text}, ' ') FROM ({near}) AS near) AS times "
        f"FROM unnest({arrays}) WITH ORDINALITY AS g ({parts}, place)) AS found "
        "WHERE times IS NOT NULL"
    )


def row_droppers(contract: Contract) -> str:
    """Query for all that may drop a row of the table or of a partition without an error: triggers
    before each row, rules and row policies. One row of text for each, such as ``the trigger
    dropper on telemetry.fleet``."""
    table = f"{quote_text(qualified(contract))}::regclass"
    # 1: for each row; 2: before. A clone on a partition has a parent, which is named instead.
    return (
        f"WITH tables AS (SELECT {table} AS oid UNION SELECT relid FROM pg_partition_tree({table}))"
        "SELECT format('the trigger %s on %s', tgname, tgrelid::regclass) "
        "FROM pg_trigger JOIN tables ON tgrelid = tables.oid "
        "WHERE tgtype & 3 = 3 AND tgenabled <> 'D' AND tgparentid = 0 "
        "UNION ALL SELECT format('the rule %s on %s', rulename, ev_class::regclass) "
        "FROM pg_rewrite JOIN tables ON ev_class = tables.oid WHERE ev_enabled <> 'D' "
        "UNION ALL SELECT format('row-level security on %s', c.oid::regclass) "
        "FROM pg_class AS c JOIN tables USING (oid) WHERE relrowsecurity ORDER BY 1"
    )


def _worth(contract: Contract, values: Sequence[str]) -> str:
    """Condition on a staged row: its key is new, or it changes the existing row."""
    return (
        f" WHERE (SELECT {changes_row(contract, values)} FROM {qualified(contract)} AS present "
        f"WHERE {same_key(contract, 'present', 'excluded')} LIMIT 1) IS NOT FALSE"
    )


def _insert(contract: Contract, columns: Sequence[str], where: str = "") -> str:
    # No ORDER BY: a scan of a temporary table gives its rows as they were copied, which is in
    # order of the key already, and sorting them again costs a sixth of the load.
    return (
        f"INSERT INTO {qualified(contract)} AS present ({names_of(columns)}) "
        f"SELECT {names_of(columns)} FROM {STAGING} AS excluded{where} "
        f"ON CONFLICT ({names_of(contract.key)})"
    )
