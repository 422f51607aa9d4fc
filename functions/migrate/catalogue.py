"""What the database's catalogue says about a table, as plain dataclasses."""

from __future__ import annotations

from typing import Any

from telemetry.contract import Contract
from telemetry.ddl import ExistingColumn, ExistingTable, qualified
from telemetry.errors import ContractError

__all__ = ["read_table"]

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

_CHECKS = "SELECT conname FROM pg_constraint WHERE conrelid = %s AND contype = 'c' ORDER BY 1"

_TABLES = ("r", "p")
"""Kinds of relation that hold rows of their own: ordinary and partitioned tables."""


def read_table(cursor: Any, contract: Contract) -> ExistingTable | None:
    """The contract's table as it is, or ``None`` where there is none.

    Raises :class:`ContractError` where something else has that name.
    """
    name = qualified(contract)
    cursor.execute("SELECT to_regclass(%s)::oid", (name,))
    oid = cursor.fetchone()[0]
    if oid is None:
        return None
    cursor.execute(_RELATION, (oid,))
    kind, comment = cursor.fetchone()
    if kind not in _TABLES:
        raise ContractError(f"{name} exists and is not a table: give the contract another name.")
    cursor.execute(_COLUMNS, (oid,))
    columns = tuple(ExistingColumn(*row) for row in cursor.fetchall())
    cursor.execute(_KEY, (oid,))
    key = tuple(row[0] for row in cursor.fetchall())
    cursor.execute(_CHECKS, (oid,))
    checks = tuple(row[0] for row in cursor.fetchall())
    return ExistingTable(columns, key, comment, checks)
