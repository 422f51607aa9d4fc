"""Locks that keep loads apart, as tables of the service schema.

Any role may take any advisory lock of PostgreSQL, and ``pg_locks`` shows everyone the numbers in
use: whoever may connect could stop all loads. A table is locked only by roles with a permission on
it, and these have none for others than the loader and the owner.

::

    etl.batch_locks                       a fixed number of rows: a load locks the one of its batch
    etl."<schema>.<table>.load_lock"      without rows: loads lock the table, shared or exclusively
"""

# ruff: noqa: S608 - the statements are made of quoted names and numbers

from __future__ import annotations

from telemetry.contract.model import Contract
from telemetry.ddl.names import quote_name, quote_text, service_name

__all__ = [
    "BATCH_LOCKS",
    "BATCH_SLOTS",
    "load_lock",
    "plan_batch_locks",
    "plan_load_lock",
    "plan_lock_grants",
]

BATCH_LOCKS = '"etl"."batch_locks"'
"""Qualified and quoted name of the table with one row for each slot."""

BATCH_SLOTS = 4096
"""Number of slots, a power of two. Two batches that share one are loaded one after the other, which
is harmless: of 50 loads at once, one pair does so in every third case."""


def load_lock(contract: Contract) -> str:
    """Qualified and quoted name of the table that loads of this contract's table lock."""
    return service_name(contract, "load_lock")


def plan_batch_locks() -> list[str]:
    """Statements that create the service schema and the slots, where they are missing."""
    return [
        'CREATE SCHEMA IF NOT EXISTS "etl"',
        f"CREATE TABLE IF NOT EXISTS {BATCH_LOCKS} (slot integer PRIMARY KEY)",
        f"COMMENT ON TABLE {BATCH_LOCKS} IS "
        + quote_text("A load locks the row of its batch's slot; the rows never change."),
        f"INSERT INTO {BATCH_LOCKS} SELECT generate_series(0, {BATCH_SLOTS - 1}) "
        f"EXCEPT SELECT slot FROM {BATCH_LOCKS}",
    ]


def plan_load_lock(contract: Contract) -> list[str]:
    """Statements that create the lock on the contract's table, where it is missing."""
    name = load_lock(contract)
    about = "Without rows: loads lock this table, so that only they can make each other wait."
    return [
        f"CREATE TABLE IF NOT EXISTS {name} ()",
        f"COMMENT ON TABLE {name} IS {quote_text(about)}",
    ]


def plan_lock_grants(contract: Contract, role: str) -> list[str]:
    """Statements that let the loader take the locks: UPDATE is what PostgreSQL asks for."""
    return [
        f"GRANT SELECT, UPDATE ON {BATCH_LOCKS} TO {quote_name(role)}",
        f"GRANT UPDATE ON {load_lock(contract)} TO {quote_name(role)}",
    ]
