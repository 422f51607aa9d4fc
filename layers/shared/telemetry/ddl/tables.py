"""The contract's table: statements that create it, or change it to what the contract says."""

# ruff: noqa: S608 - the statements are made of quoted names and literals

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from telemetry.contract.model import Column, Contract
from telemetry.ddl.names import NAME_BYTES, list_names, qualified, quote_name, quote_text
from telemetry.ddl.partitions import ExistingPartition
from telemetry.ddl.types import check_name, check_of, is_check_of, is_wider, sql_type
from telemetry.errors import ContractError

__all__ = ["ExistingColumn", "ExistingTable", "index_name", "plan_table"]


@dataclass(frozen=True)
class ExistingColumn:
    """A column as the catalogue describes it."""

    name: str
    type: str
    """Type as ``format_type`` writes it, such as ``timestamp with time zone``."""
    nullable: bool = True
    filled: bool = False
    """True if it has a default, is generated or an identity: an INSERT may leave it out."""
    comment: str | None = None


@dataclass(frozen=True)
class ExistingTable:
    """A table as the catalogue describes it."""

    columns: tuple[ExistingColumn, ...]
    key: tuple[str, ...]
    """Columns of the primary key, in order; empty where there is none."""
    comment: str | None = None
    checks: tuple[str, ...] = ()
    """Names of its check constraints."""
    partitioned: bool = False
    indexes: frozenset[str] = frozenset()
    """Names."""
    partitions: tuple[ExistingPartition, ...] = ()
    views: tuple[str, ...] = ()
    """Ours, made of it: qualified and quoted, in an order in which they can be dropped."""


def plan_table(contract: Contract, existing: ExistingTable | None) -> list[str]:
    """Statements that make the table match the contract; none where it already does.

    Raises :class:`ContractError` where an operator has to decide.
    """
    if existing is None:
        statements = [
            f"CREATE SCHEMA IF NOT EXISTS {quote_name(contract.schema)}",
            _create_table(contract),
        ]
        existing = ExistingTable((), contract.key, partitioned=contract.partition != "none")
    else:
        _refuse_destruction(contract, existing)
        statements = _grow(contract, existing)
    return statements + _indexes(contract, existing) + _comments(contract, existing)


def index_name(table: str, columns: tuple[str, ...]) -> str:
    """``<table>_<columns>_idx``, with a hash in place of a part that is too long."""
    name = "_".join((table, *columns))
    if len(name) + 4 > NAME_BYTES:
        name = name[: NAME_BYTES - 13] + "_" + hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name}_idx"


def _create_table(contract: Contract) -> str:
    lines = [f"    {_definition(contract, column)}" for column in contract.columns]
    lines += [f"    {check_of(column)}" for column in contract.columns if column.values]
    lines.append(f"    PRIMARY KEY ({list_names(contract.key)})")
    body = ",\n".join(lines)
    by = f" PARTITION BY RANGE ({quote_name(contract.key[-1])})"
    partitioned = by if contract.partition != "none" else ""
    return f"CREATE TABLE IF NOT EXISTS {qualified(contract)} (\n{body}\n){partitioned}"


def _definition(contract: Contract, column: Column) -> str:
    required = column.required or column.name in contract.key
    return f"{quote_name(column.name)} {sql_type(column)}{' NOT NULL' if required else ''}"


def _grow(contract: Contract, existing: ExistingTable) -> list[str]:
    """New columns, wider types, and columns that may now be empty."""
    table, present = qualified(contract), {column.name: column for column in existing.columns}
    statements = []
    for column in contract.columns:
        name = quote_name(column.name)
        found = present.get(column.name)
        if found is None:
            # Never NOT NULL, even where required: the rows loaded before have no value for it.
            # Transform rejects new readings without one, so none comes in either way.
            statements.append(
                f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {name} {sql_type(column)}"
            )
            continue
        if is_wider(sql_type(column), found.type):
            statements.append(f"ALTER TABLE {table} ALTER COLUMN {name} TYPE {sql_type(column)}")
        if not (found.nullable or column.required or column.name in contract.key):
            statements.append(f"ALTER TABLE {table} ALTER COLUMN {name} DROP NOT NULL")
        statements += _new_checks(table, column, existing)
    return statements


def _new_checks(table: str, column: Column, existing: ExistingTable) -> list[str]:
    """The check of an enum whose values have changed, in place of those made for it before.

    ``NOT VALID``: rows loaded before are not looked at (nor is the table locked for long), and a
    value that is no longer in the contract may stay in them.
    """
    name = check_name(column) if column.values else None
    if name in existing.checks:
        return []
    old = [check for check in existing.checks if is_check_of(column, check)]
    changes = [f"DROP CONSTRAINT {quote_name(check)}" for check in old]
    if name is not None:
        changes.append(f"ADD {check_of(column)} NOT VALID")
    return [f"ALTER TABLE {table} {', '.join(changes)}"] if changes else []


def _refuse_destruction(contract: Contract, existing: ExistingTable) -> None:
    """Raises with every statement that an operator has to run."""
    table, wanted = qualified(contract), {column.name: column for column in contract.columns}
    refused = []
    for found in existing.columns:
        name, column = quote_name(found.name), wanted.get(found.name)
        if column is None:
            if not (found.nullable or found.filled):
                refused.append(f"ALTER TABLE {table} ALTER COLUMN {name} DROP NOT NULL;")
        elif found.type != sql_type(column) and not is_wider(sql_type(column), found.type):
            kind = sql_type(column)
            refused.append(
                f"ALTER TABLE {table} ALTER COLUMN {name} TYPE {kind} USING {name}::{kind};"
            )
    if existing.key != contract.key:
        refused.append(f"ALTER TABLE {table} ADD PRIMARY KEY ({list_names(contract.key)});")
        if existing.key:
            refused[-1] = (
                f"-- drop the primary key ({list_names(existing.key)}), then\n{refused[-1]}"
            )
    if existing.partitioned != (contract.partition != "none"):
        refused.append(
            f"-- a table can't become partitioned, or cease to be: rename {table}, migrate,\n"
            f"-- then INSERT INTO {table} SELECT * FROM the renamed one;"
        )
    if refused and existing.views:
        views = ", ".join(existing.views)
        refused.insert(0, f"DROP VIEW {views}; -- the migration makes them again")
    if refused:
        raise ContractError(
            f"The table {table} differs from the contract {contract.name!r} in a way that may "
            "lose rows or lock the table for long, so it was left as it is. If it is meant, run "
            "as the owner, then migrate again:\n" + "\n".join(refused)
        )


def _indexes(contract: Contract, existing: ExistingTable) -> list[str]:
    """Indexes that are missing. One that left the contract is not dropped."""
    return [
        f"CREATE INDEX IF NOT EXISTS {quote_name(name)} ON {qualified(contract)} "
        f"({list_names(columns)})"
        for columns in contract.indexes
        if (name := index_name(contract.table, columns)) not in existing.indexes
    ]


def _comments(contract: Contract, existing: ExistingTable) -> list[str]:
    """Comments that differ from the contract's descriptions and units."""
    table, present = qualified(contract), {column.name: column for column in existing.columns}
    statements = []
    about = contract.description or f"Readings of the contract {contract.name}."
    if existing.comment != about:
        statements.append(f"COMMENT ON TABLE {table} IS {quote_text(about)}")
    for column in contract.columns:
        unit = f"[{column.unit}]" if column.unit else ""
        wanted = f"{column.description} {unit}".strip() or None
        found = present.get(column.name)
        if wanted != (found.comment if found else None):
            value = quote_text(wanted) if wanted else "NULL"
            statements.append(f"COMMENT ON COLUMN {table}.{quote_name(column.name)} IS {value}")
    return statements
