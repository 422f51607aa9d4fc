"""Names and literals in SQL, quoted so that no contract can break out of them."""

from __future__ import annotations

import hashlib

from telemetry.contract.model import Contract
from telemetry.errors import ContractError

__all__ = ["NAME_BYTES", "list_names", "qualified", "quote_name", "quote_text", "service_name"]

NAME_BYTES = 63
"""Longest name PostgreSQL keeps; it cuts longer ones in silence, so that two may become one."""


def quote_name(name: str) -> str:
    """The name as a quoted identifier. Raises :class:`ContractError` where it can't be one."""
    if not name or "\0" in name or len(name.encode()) > NAME_BYTES:
        raise ContractError(f"{name!r} can't name anything: PostgreSQL takes 1 to 63 bytes.")
    return '"' + name.replace('"', '""') + '"'


def quote_text(value: str) -> str:
    """The text as a literal, with either value of ``standard_conforming_strings``."""
    if "\0" in value:
        raise ContractError("PostgreSQL can't hold the character U+0000 in a text.")
    quoted = "'" + value.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in quoted else quoted


def qualified(contract: Contract) -> str:
    """The contract's table, qualified and quoted."""
    return f"{quote_name(contract.schema)}.{quote_name(contract.table)}"


def service_name(contract: Contract, part: str) -> str:
    """Qualified and quoted name of something in the service schema that belongs to the table."""
    name = f"{contract.schema}.{contract.table}.{part}"
    if len(name) > NAME_BYTES:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        name = f"{name[: NAME_BYTES - len(part) - 10]}_{digest}.{part}"
    return f'"etl".{quote_name(name)}'


def list_names(columns: tuple[str, ...]) -> str:
    """The names as a list of quoted identifiers."""
    return ", ".join(quote_name(name) for name in columns)
