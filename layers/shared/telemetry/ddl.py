"""From a contract to SQL: pure functions that return statements, and never run them.

::

    contract + the table as it is ──▶ plan_table ──▶ statements, or a refusal
                                      plan_ledger      (idempotent)
                                      plan_grants      (idempotent)

A table grows by itself: a new column is added, a column that is no longer required may be empty,
comments follow the contract. What could lose rows or rewrite a large table under a lock is
refused with a :class:`ContractError` that holds the statement a person would run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from telemetry.contract.model import Column, ColumnType, Contract
from telemetry.errors import ContractError

__all__ = [
    "LEDGER",
    "ExistingColumn",
    "ExistingTable",
    "check_name",
    "plan_grants",
    "plan_ledger",
    "plan_table",
    "qualified",
    "quote_name",
    "quote_text",
    "sql_type",
]

SERVICE_SCHEMA = "etl"
LEDGER = '"etl"."ledger"'
"""The ledger's qualified and quoted name."""

NAME_BYTES = 63
"""Longest name PostgreSQL keeps; it cuts longer ones in silence, so that two may become one."""

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

_BALANCE = "CHECK (read = accepted + duplicates + rejected + set_aside)"

_LEDGER_COLUMNS = f"""\
    batch_id text PRIMARY KEY,
    raw_key text NOT NULL,
    execution text NOT NULL,
    contract text NOT NULL,
    contract_digest text NOT NULL,
    status text NOT NULL CHECK (status IN ('loaded', 'quarantined')),
    messages integer NOT NULL,
    read bigint NOT NULL,
    accepted bigint NOT NULL,
    duplicates bigint NOT NULL,
    rejected bigint NOT NULL,
    set_aside bigint NOT NULL DEFAULT 0,
    rejected_by jsonb NOT NULL DEFAULT '{{}}',
    inserted bigint NOT NULL,
    updated bigint NOT NULL,
    unchanged bigint NOT NULL,
    min_time timestamptz,
    max_time timestamptz,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT every_reading_is_accounted_for
        {_BALANCE},
    CONSTRAINT every_accepted_reading_is_a_row
        CHECK (status <> 'loaded' OR accepted = inserted + updated + unchanged)"""

# A lock that waits for all loads is taken only where there is something to change.
_EVOLVE_LEDGER = f"""\
DO $evolve$ BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = {LEDGER!r}::regclass AND attname = 'set_aside' AND NOT attisdropped
    ) THEN
        ALTER TABLE {LEDGER}
            ADD COLUMN set_aside bigint NOT NULL DEFAULT 0,
            DROP CONSTRAINT IF EXISTS every_reading_is_accounted_for,
            ADD CONSTRAINT every_reading_is_accounted_for {_BALANCE};
    END IF;
END $evolve$"""


@dataclass(frozen=True)
class ExistingColumn:
    """A column as the catalogue describes it."""

    name: str
    type: str
    """As ``format_type`` writes it, such as ``timestamp with time zone``."""
    nullable: bool = True
    filled: bool = False
    """Whether it has a default, is generated or an identity: an INSERT may leave it out."""
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


def quote_name(name: str) -> str:
    """The name as a quoted identifier. Raises :class:`ContractError` where it can't be one."""
    if not name or "\0" in name or len(name.encode()) > NAME_BYTES:
        raise ContractError(f"{name!r} can't name anything: PostgreSQL takes 1 to 63 bytes.")
    return '"' + name.replace('"', '""') + '"'


def quote_text(value: str) -> str:
    """The text as a literal, whatever ``standard_conforming_strings`` says."""
    if "\0" in value:
        raise ContractError("PostgreSQL can't hold the character U+0000 in a text.")
    quoted = "'" + value.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in quoted else quoted


def qualified(contract: Contract) -> str:
    """The contract's table, qualified and quoted."""
    return f"{quote_name(contract.schema)}.{quote_name(contract.table)}"


def sql_type(column: Column) -> str:
    """The column's type, as the catalogue writes it."""
    if column.type == "decimal":
        return f"numeric({column.precision},{column.scale})"
    return _SQL_TYPES[column.type]


def plan_table(contract: Contract, existing: ExistingTable | None) -> list[str]:
    """Statements that make the table what the contract says; none where it already is.

    Raises :class:`ContractError` where only a person should do that.
    """
    if existing is None:
        statements = [
            f"CREATE SCHEMA IF NOT EXISTS {quote_name(contract.schema)}",
            _create_table(contract),
        ]
        existing = ExistingTable(columns=(), key=contract.key)
    else:
        _refuse_destruction(contract, existing)
        statements = _grow(contract, existing)
    return statements + _comments(contract, existing)


def plan_ledger() -> list[str]:
    """Statements that create the service schema and the ledger, or bring an older one forward."""
    return [
        f"CREATE SCHEMA IF NOT EXISTS {quote_name(SERVICE_SCHEMA)}",
        f"CREATE TABLE IF NOT EXISTS {LEDGER} (\n{_LEDGER_COLUMNS}\n)",
        _EVOLVE_LEDGER,
        f"CREATE INDEX IF NOT EXISTS ledger_by_execution ON {LEDGER} (execution)",
        f"COMMENT ON TABLE {LEDGER} IS "
        + quote_text("One row per micro-batch, written in the transaction that loads its rows."),
    ]


def plan_grants(contract: Contract, database: str, role: str) -> list[str]:
    """Statements that let the loader do its work and nothing else."""
    loader = quote_name(role)
    schemas = ", ".join(quote_name(name) for name in (contract.schema, SERVICE_SCHEMA))
    return [
        f"GRANT CONNECT, TEMPORARY ON DATABASE {quote_name(database)} TO {loader}",
        f"GRANT USAGE ON SCHEMA {schemas} TO {loader}",
        f"GRANT SELECT, INSERT, UPDATE ON {qualified(contract)}, {LEDGER} TO {loader}",
    ]


def _create_table(contract: Contract) -> str:
    lines = [f"    {_definition(contract, column)}" for column in contract.columns]
    lines += [f"    {_check(column)}" for column in contract.columns if column.values]
    lines.append(f"    PRIMARY KEY ({_names(contract.key)})")
    body = ",\n".join(lines)
    return f"CREATE TABLE IF NOT EXISTS {qualified(contract)} (\n{body}\n)"


def _definition(contract: Contract, column: Column) -> str:
    required = column.required or column.name in contract.key
    return f"{quote_name(column.name)} {sql_type(column)}{' NOT NULL' if required else ''}"


def _grow(contract: Contract, existing: ExistingTable) -> list[str]:
    """New columns, and columns that may now be empty."""
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
        elif not (found.nullable or column.required or column.name in contract.key):
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
    old = [check for check in existing.checks if _is_check_of(column, check)]
    changes = [f"DROP CONSTRAINT {quote_name(check)}" for check in old]
    if name is not None:
        changes.append(f"ADD {_check(column)} NOT VALID")
    return [f"ALTER TABLE {table} {', '.join(changes)}"] if changes else []


def check_name(column: Column) -> str:
    """Name of an enum's constraint; it tells the values, so that other values have another one."""
    values = "\0".join(value for value, _ in column.values)
    digest = hashlib.sha256(f"{column.name}\0{values}".encode()).hexdigest()[:8]
    return f"{_check_prefix(column)}{digest}"


def _check_prefix(column: Column) -> str:
    return f"{column.name[: NAME_BYTES - 15]}_is_one_"


def _is_check_of(column: Column, check: str) -> bool:
    prefix = _check_prefix(column)
    return check.startswith(prefix) and len(check) == len(prefix) + 8


def _check(column: Column) -> str:
    values = ", ".join(quote_text(value) for value, _ in column.values)
    name = quote_name(check_name(column))
    return f"CONSTRAINT {name} CHECK ({quote_name(column.name)} IN ({values}))"


def _refuse_destruction(contract: Contract, existing: ExistingTable) -> None:
    """Raises with every statement that is left to a person."""
    table, wanted = qualified(contract), {column.name: column for column in contract.columns}
    refused = []
    for found in existing.columns:
        name, column = quote_name(found.name), wanted.get(found.name)
        if column is None:
            if not (found.nullable or found.filled):
                refused.append(f"ALTER TABLE {table} ALTER COLUMN {name} DROP NOT NULL;")
        elif found.type != sql_type(column):
            kind = sql_type(column)
            refused.append(
                f"ALTER TABLE {table} ALTER COLUMN {name} TYPE {kind} USING {name}::{kind};"
            )
    if existing.key != contract.key:
        refused.append(f"ALTER TABLE {table} ADD PRIMARY KEY ({_names(contract.key)});")
        if existing.key:
            refused[-1] = f"-- drop the primary key ({_names(existing.key)}), then\n{refused[-1]}"
    if refused:
        raise ContractError(
            f"The table {table} differs from the contract {contract.name!r} in a way that may "
            "lose rows or lock the table for long, so it was left as it is. If it is meant, run "
            "as the owner, then migrate again:\n" + "\n".join(refused)
        )


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


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(quote_name(name) for name in columns)
