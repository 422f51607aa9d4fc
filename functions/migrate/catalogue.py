"""A table as the database's catalogue describes it, as plain dataclasses."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from telemetry.contract import Contract
from telemetry.ddl import (
    ExistingColumn,
    ExistingPartition,
    ExistingTable,
    other_partition,
    qualified,
    qualified_partition,
    quote_name,
)
from telemetry.ddl.analytics import view_names
from telemetry.errors import ContractError

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

__all__ = ["read_partitions", "read_table", "stray_days"]

MOST_STRAYS = 120
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
# Bounds are written in the zone of the session, so they are read in it as well.
_PARTITIONS = """
SELECT relname, bound = 'DEFAULT',
       extract(epoch FROM substring(bound FROM $$FROM \\('([^']*)'\\)$$)::timestamptz)::float8,
       extract(epoch FROM substring(bound FROM $$TO \\('([^']*)'\\)$$)::timestamptz)::float8
FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
CROSS JOIN LATERAL pg_get_expr(relpartbound, pg_class.oid) AS bound
WHERE inhparent = %s ORDER BY 1"""
_CHECKS = "SELECT conname FROM pg_constraint WHERE conrelid = %s AND contype = 'c' ORDER BY 1"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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
        partitions=read_partitions(cursor, contract),
        views=tuple(name for name in view_names(contract) if _is_view(cursor, name)),
    )


def _is_view(cursor: Cursor, name: str) -> bool:
    cursor.execute("SELECT relkind = 'v' FROM pg_class WHERE oid = to_regclass(%s)::oid", (name,))
    found = cursor.fetchone()
    return found is not None and bool(found[0])


def read_partitions(cursor: Cursor, contract: Contract) -> tuple[ExistingPartition, ...]:
    """The partitions of the contract's table; none where it has none, or is not there."""
    cursor.execute("SELECT to_regclass(%s)::oid", (qualified(contract),))
    [(oid,)] = cursor.fetchall()
    if oid is None or contract.partition == "none":
        return ()
    cursor.execute(_PARTITIONS, (oid,))
    return tuple(
        ExistingPartition(name, _moment(start), _moment(end), default)
        for name, default, start, end in cursor.fetchall()
    )


def _moment(seconds: float | None) -> datetime | None:
    """The moment of so many seconds since 1970; ``None`` also for what no ``datetime`` can hold."""
    try:
        return None if seconds is None else EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def stray_days(cursor: Cursor, contract: Contract) -> list[date]:
    """First days of the months, or the days (UTC), of which ``<table>_other`` has rows, the fullest
    first."""
    other = qualified_partition(contract, other_partition(contract))
    time = quote_name(contract.key[-1])
    unit = "day" if contract.partition == "day" else "month"
    cursor.execute(
        f"SELECT date_trunc('{unit}', {time} AT TIME ZONE 'UTC')::date FROM {other} "  # noqa: S608
        f"WHERE {time} >= '0002-01-01' AND {time} < '9999-01-01' "
        f"GROUP BY 1 ORDER BY count(*) DESC LIMIT {MOST_STRAYS}"
    )
    return [row[0] for row in cursor.fetchall()]


def _names(cursor: Cursor, query: str, oid: int) -> frozenset[str]:
    cursor.execute(query, (oid,))
    return frozenset(row[0] for row in cursor.fetchall())
