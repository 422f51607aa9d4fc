"""A table as the database's catalogue describes it, as plain dataclasses."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from telemetry.contract import Contract
from telemetry.ddl import ExistingColumn, ExistingTable, qualified, quote_name
from telemetry.ddl.analytics import view_names
from telemetry.errors import ContractError

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

__all__ = ["read_table", "stray_months"]

MOST_STRAY_MONTHS = 120
"""Most partitions that one migration creates for rows outside the expected range: a clock that
jumps about must not create thousands."""

_RELATION = "SELECT relkind, obj_description(oid, 'pg_class') FROM pg_class WHERE oid = %s"
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull,
       atthasdef OR attidentity <> '', col_description(attrelid, attnum)
FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
_KEY = """
SELECT attname
FROM pg_index, unnest(indkey) WITH ORDINALITY AS part (number, place), pg_attribute
WHERE indrelid = %s AND indisprimary AND attrelid = indrelid AND attnum = number
ORDER BY place"""

_INDEXES = """
SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = %s"""
_PARTITIONS = """
SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = %s"""
_CHECKS = "SELECT conname FROM pg_constraint WHERE conrelid = %s AND contype = 'c' ORDER BY 1"

_TABLES = ("r", "p")
"""Kinds of relation that hold rows of their own: ordinary and partitioned tables."""


def read_table(cursor: Cursor, contract: Contract) -> ExistingTable | None:
    """The contract's table as it is, or ``None`` where there is none.

    Raises :class:`ContractError` where something else has that name.
    """
    name = qualified(contract)
    cursor.execute("SELECT to_regclass(%s)::oid", (name,))
    [(oid,)] = cursor.fetchall()
    if oid is None:
        return None
    cursor.execute(_RELATION, (oid,))
    [(kind, comment)] = cursor.fetchall()
    if kind not in _TABLES:
        raise ContractError(f"{name} exists and is not a table: give the contract another name.")
    cursor.execute(_COLUMNS, (oid,))
    columns = tuple(ExistingColumn(*row) for row in cursor.fetchall())
    cursor.execute(_KEY, (oid,))
    key = tuple(row[0] for row in cursor.fetchall())
    cursor.execute(_CHECKS, (oid,))
    checks = tuple(row[0] for row in cursor.fetchall())
    return ExistingTable(
        columns,
        key,
        comment,
        checks,
        partitioned=kind == "p",
        indexes=_names(cursor, _INDEXES, oid),
        partitions=_names(cursor, _PARTITIONS, oid),
        views=tuple(name for name in view_names(contract) if _is_view(cursor, name)),
    )


def _is_view(cursor: Cursor, name: str) -> bool:
    cursor.execute("SELECT relkind = 'v' FROM pg_class WHERE oid = to_regclass(%s)::oid", (name,))
    found = cursor.fetchone()
    return found is not None and bool(found[0])


def stray_months(cursor: Cursor, contract: Contract) -> list[date]:
    """First days of the months (UTC) of which ``<table>_other`` has rows, the fullest first."""
    other = f"{quote_name(contract.schema)}.{quote_name(contract.table + '_other')}"
    time = quote_name(contract.key[-1])
    cursor.execute(
        f"SELECT date_trunc('month', {time} AT TIME ZONE 'UTC')::date FROM {other} "  # noqa: S608
        f"WHERE {time} >= '0002-01-01' AND {time} < '9999-01-01' "
        f"GROUP BY 1 ORDER BY count(*) DESC LIMIT {MOST_STRAY_MONTHS}"
    )
    return [row[0] for row in cursor.fetchall()]


def _names(cursor: Cursor, query: str, oid: int) -> frozenset[str]:
    cursor.execute(query, (oid,))
    return frozenset(row[0] for row in cursor.fetchall())
