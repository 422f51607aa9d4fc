"""PostgreSQL types of a contract's columns, and which of them hold another's values."""

from __future__ import annotations

import hashlib
import re

from telemetry.contract.model import Column, ColumnType
from telemetry.ddl.names import NAME_BYTES, quote_name, quote_text

__all__ = ["check_name", "check_of", "is_check_of", "is_wider", "sql_type"]

_SQL_TYPES: dict[ColumnType, str] = {
    "text": "text",
    "smallint": "smallint",
    "integer": "integer",
    "bigint": "bigint",
    "real": "real",
    "float": "double precision",
    "decimal": "numeric",
    "boolean": "boolean",
    # Text with a check: a value can be added or taken away at once, without rewriting a row. Of
    # PostgreSQL's own enum types none can be taken away, and each must be made before the table.
    "enum": "text",
    "jsonb": "jsonb",
    # The short name is what people write; the long one is what the catalogue answers.
    "timestamp": "timestamp with time zone",
}

_WIDER: dict[str, frozenset[str]] = {
    "smallint": frozenset({"integer", "bigint", "numeric", "real", "double precision"}),
    "integer": frozenset({"bigint", "numeric", "double precision"}),
    "bigint": frozenset({"numeric"}),
    "real": frozenset({"double precision"}),
    "character varying": frozenset({"text"}),
}
"""Types that hold every value of a type unchanged."""

_SIZED = re.compile(r"(character varying|numeric)\((\d+)(?:,(\d+))?\)\Z")


def sql_type(column: Column) -> str:
    """The column's type, as the catalogue writes it."""
    if column.type == "decimal":
        return f"numeric({column.precision},{column.scale})"
    return _SQL_TYPES[column.type]


def is_wider(new: str, old: str) -> bool:
    """True if each value of ``old`` is one of ``new``, types as the catalogue writes them."""
    before, after = _SIZED.match(old), _SIZED.match(new)
    kind = before[1] if before else old
    if new in _WIDER.get(kind, ()) or (before and new == kind):
        return True
    digits = {"smallint": 5, "integer": 10, "bigint": 19}.get(old)
    if after is not None and after[1] == "numeric" and digits is not None:
        return int(after[2]) - int(after[3] or 0) >= digits
    if before is None or after is None or before[1] != after[1]:
        return False
    scale, new_scale = int(before[3] or 0), int(after[3] or 0)
    whole, new_whole = int(before[2]) - scale, int(after[2]) - new_scale
    return new != old and new_scale >= scale and new_whole >= whole


def check_name(column: Column) -> str:
    """Name of an enum's constraint; it depends on the values, so other values get another name."""
    values = "\0".join(value for value, _ in column.values)
    digest = hashlib.sha256(f"{column.name}\0{values}".encode()).hexdigest()[:8]
    return f"{_check_prefix(column)}{digest}"


def is_check_of(column: Column, check: str) -> bool:
    """True if a constraint of that name was made for the column, by these or other values."""
    prefix = _check_prefix(column)
    return check.startswith(prefix) and len(check) == len(prefix) + 8


def check_of(column: Column) -> str:
    """The constraint that a column has one of its values."""
    values = ", ".join(quote_text(value) for value, _ in column.values)
    name = quote_name(check_name(column))
    return f"CONSTRAINT {name} CHECK ({quote_name(column.name)} IN ({values}))"


def _check_prefix(column: Column) -> str:
    return f"{column.name[: NAME_BYTES - 15]}_is_one_"
