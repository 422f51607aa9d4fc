"""Pieces of SQL that the statements of a load are made of. Pure.

``one`` and ``other`` are tables or aliases. All names are quoted; values come as parameters.
"""

# ruff: noqa: S608 - the statements are made of quoted names; values come as parameters

from __future__ import annotations

from collections.abc import Sequence

from telemetry.contract import Contract
from telemetry.ddl import CONFLICTS, quote_name, quote_text

__all__ = [
    "conflicting",
    "contradicts",
    "differs",
    "insert_conflicts",
    "key_object",
    "names_of",
    "same_key",
]


def names_of(columns: Sequence[str], table: str | None = None) -> str:
    """The columns as a list, of this table."""
    before = f"{table}." if table else ""
    return ", ".join(f"{before}{quote_name(name)}" for name in columns)


def same_key(contract: Contract, one: str, other: str) -> str:
    """Condition that two rows have one key."""
    return " AND ".join(f"{one}.{quote_name(n)} = {other}.{quote_name(n)}" for n in contract.key)


def key_object(contract: Contract, table: str) -> str:
    """The key's columns and values as one JSON object."""
    parts = ", ".join(f"{quote_text(n)}, {table}.{quote_name(n)}" for n in contract.key)
    return f"jsonb_build_object({parts})"


def differs(one: str, other: str, columns: Sequence[str]) -> str:
    """Condition that two rows differ in one of the columns, a missing value being one as well."""
    return f"(({names_of(columns, one)}) IS DISTINCT FROM ({names_of(columns, other)}))"


def contradicts(one: str, other: str, columns: Sequence[str]) -> str:
    """Condition that both rows have a value in a column, and not the same one."""
    parts = [f"{one}.{quote_name(n)} <> {other}.{quote_name(n)}" for n in columns]
    return f"coalesce({' OR '.join(parts)}, false)" if parts else "false"


def conflicting(contract: Contract, one: str, other: str, compared: Sequence[str]) -> str:
    """Condition that two rows of one key conflict; ``compared`` are the columns that decide it."""
    if contract.on_conflict == "fill_missing":  # no value contradicts none
        return contradicts(one, other, compared)
    return differs(one, other, compared) if compared else "false"


def insert_conflicts(contract: Contract, lost: str, origin: str) -> str:
    """Inserts what lost into ``etl.conflicts``; ``origin`` has the columns ``key`` and ``reading``.

    ``lost``: ``reading`` or ``row``. Parameters: batch id, raw key, contract digest.
    """
    return (
        f"INSERT INTO {CONFLICTS} "
        "(contract, batch_id, raw_key, contract_digest, lost, key, reading, digest) "
        f"SELECT {quote_text(contract.name)}, %s, %s, %s, {quote_text(lost)}, key, reading, "
        f"sha256(convert_to(reading::text, 'UTF8')) FROM {origin} ON CONFLICT DO NOTHING"
    )
