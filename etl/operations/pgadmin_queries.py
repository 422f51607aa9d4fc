"""Saved queries for pgAdmin: the first questions about a pipeline's database, as SQL to adapt."""

from __future__ import annotations

from dataclasses import dataclass, replace

from telemetry.contract import Contract, ContractSet
from telemetry.ddl import LEDGER, qualified, quote_name, quote_text

__all__ = ["SavedQuery", "queries_of_all", "saved_queries"]

NEWEST = 200
"""Limit of the queries for the latest rows."""


@dataclass(frozen=True)
class SavedQuery:
    """One query with its name in the menu."""

    name: str
    about: str
    sql: str

    @property
    def file_name(self) -> str:
        """``rows-per-device.sql``"""
        return self.name.lower().replace(" ", "-") + ".sql"

    def text(self) -> str:
        """The query, with its description as a comment above it."""
        return f"-- {self.about}\n{self.sql}\n"


def queries_of_all(contracts: ContractSet) -> list[SavedQuery]:
    """The queries that fit the tables of a pipeline, those of further contracts under their names.

    A query about the whole pipeline stands there once.
    """
    found = saved_queries(contracts.first)
    texts = {query.sql for query in found}
    for contract in contracts.further:
        own = [query for query in saved_queries(contract) if query.sql not in texts]
        found += [replace(query, name=f"{contract.name} {query.name}") for query in own]
    return found


def saved_queries(contract: Contract) -> list[SavedQuery]:
    """The queries that fit the contract's table."""
    table = qualified(contract)
    time = next(
        (name for name in reversed(contract.key) if contract.column(name).type == "timestamp"), None
    )
    # By the guide for contracts, the key's first column names the device.
    device = next((name for name in contract.key if name != time), None)
    found: list[SavedQuery] = []
    if time is not None:
        found.append(_latest(table, time))
    if device is not None:
        found.append(_per_device(table, device, time))
    if device is not None and time is not None:
        found.append(_latest_per_device(table, device, time))
    return [*found, _rejects(contract), _history(contract), _sizes(contract)]


def _latest(table: str, time: str) -> SavedQuery:
    return SavedQuery(
        "Latest readings",
        f"The latest {NEWEST} readings.",
        f"SELECT *\nFROM {table}\nORDER BY {quote_name(time)} DESC\nLIMIT {NEWEST};",
    )


def _per_device(table: str, device: str, time: str | None) -> SavedQuery:
    name = quote_name(device)
    columns = [name, 'count(*) AS "rows"']
    if time is not None:
        at = quote_name(time)
        columns += [f'min({at}) AS "first"', f'max({at}) AS "last"']
    listed = ",\n       ".join(columns)
    return SavedQuery(
        "Rows per device",
        f"Number of rows for each {device}, with the first and the last time.",
        f'SELECT {listed}\nFROM {table}\nGROUP BY {name}\nORDER BY "rows" DESC, {name};',
    )


def _latest_per_device(table: str, device: str, time: str) -> SavedQuery:
    name, at = quote_name(device), quote_name(time)
    return SavedQuery(
        "Latest per device",
        f"The latest reading of each {device}.",
        f"SELECT DISTINCT ON ({name}) *\nFROM {table}\nORDER BY {name}, {at} DESC;",
    )


def _rejects(contract: Contract) -> SavedQuery:
    return SavedQuery(
        "Rejects by reason",
        "Readings that could not become rows, by reason; a reading may have several reasons. "
        "`etl rejects show` shows the bytes.",
        "SELECT reason,\n"
        "       sum(amount::bigint) AS readings,\n"
        "       count(*) AS batches,\n"
        "       max(loaded_at) AS last_loaded\n"
        f"FROM {LEDGER}, jsonb_each_text(rejected_by) AS rejected (reason, amount)\n"
        f"WHERE contract = {quote_text(contract.name)}\n"
        "GROUP BY reason\nORDER BY readings DESC;",
    )


def _history(contract: Contract) -> SavedQuery:
    return SavedQuery(
        "Load history",
        "The micro-batches that were loaded last: "
        "read = inserted + updated + unchanged + duplicates + conflicts + rejected + set aside.",
        "SELECT loaded_at, status, messages, read, inserted, updated, unchanged,\n"
        "       duplicates, conflicts + conflicts_in_table AS conflicts, rejected, set_aside,\n"
        "       loads, min_time, max_time, execution, batch_id\n"
        f"FROM {LEDGER}\nWHERE contract = {quote_text(contract.name)}\n"
        f"ORDER BY loaded_at DESC\nLIMIT {NEWEST};",
    )


def _sizes(contract: Contract) -> SavedQuery:
    schemas = ", ".join(quote_text(name) for name in dict.fromkeys((contract.schema, "etl")))
    return SavedQuery(
        "Table sizes",
        "Space on disk of tables and indexes; each partition is a table of its own.",
        'SELECT relation.oid::regclass AS "table",\n'
        "       greatest(relation.reltuples, 0)::bigint AS rows_estimated,\n"
        "       pg_size_pretty(pg_table_size(relation.oid)) AS data,\n"
        "       pg_size_pretty(pg_indexes_size(relation.oid)) AS indexes,\n"
        "       pg_size_pretty(pg_total_relation_size(relation.oid)) AS total\n"
        "FROM pg_class AS relation\n"
        "JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace\n"
        f"WHERE schema.nspname IN ({schemas}) AND relation.relkind IN ('r', 'm')\n"
        "ORDER BY pg_total_relation_size(relation.oid) DESC;",
    )
