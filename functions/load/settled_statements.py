"""The SQL that settles the row of each gathered key, and writes it. Pure.

The tables and names are those of :mod:`functions.load.order_statements`.
"""

# ruff: noqa: S608 - the statements are made of quoted names; values come as parameters

from __future__ import annotations

from collections.abc import Sequence

from functions.load.order_statements import (
    DISPUTED,
    GATHERED,
    LATER,
    ORIGIN,
    PLACE,
    values_of,
)
from functions.load.sql_parts import (
    conflicting,
    differs,
    insert_conflicts,
    key_object,
    names_of,
    same_key,
)
from functions.load.statements import STAGING
from telemetry.contract import Contract
from telemetry.ddl import qualified, quote_name

__all__ = [
    "count_settled",
    "create_settled",
    "insert_settled",
    "keep_losers",
    "keep_replaced_rows",
    "unstage_disputed",
    "update_settled",
]

SETTLED = "pg_temp.settled"
EXISTED, CHANGES, LOST, REPLACES = '" existed"', '" changes"', '" lost"', '" replaces"'


def create_settled(contract: Contract, columns: Sequence[str]) -> str:
    """Folds the gathered readings of each key, by the policy, and compares the result with the
    existing row and with the batch's own reading."""
    values = values_of(contract, columns)
    compared = [name for name in contract.compared if name in columns]
    found = ", ".join(["true AS found", *(f"t.{quote_name(name)}" for name in values)])
    lost = conflicting(contract, "own", "fold", compared)
    replaces = conflicting(contract, "present", "fold", compared)
    return (
        f"CREATE TEMPORARY TABLE settled ON COMMIT DROP AS WITH fold AS ({_fold(contract, values)})"
        f" SELECT fold.*, present.found IS NOT NULL AS {EXISTED}, "
        f"{differs('present', 'fold', values)} AS {CHANGES}, {lost} AS {LOST}, "
        f"present.found IS NOT NULL AND {replaces} AS {REPLACES} FROM fold "
        f"JOIN {GATHERED} AS own ON own.{ORIGIN} = 0 AND {same_key(contract, 'own', 'fold')} "
        f"LEFT JOIN LATERAL (SELECT {found} FROM {qualified(contract)} AS t "
        f"WHERE {same_key(contract, 't', 'fold')} LIMIT 1) AS present ON true; "
        f"ANALYZE {SETTLED}"
    )


def _fold(contract: Contract, values: Sequence[str]) -> str:
    key = names_of(contract.key)
    # The same message may be in two batches: the version that was loaded last is the newest one.
    tie = f"{ORIGIN}, g::text"
    if contract.on_conflict == "fill_missing":
        filled = ", ".join(
            f"(array_agg({quote_name(name)} ORDER BY coalesce({LATER}[{number}], {PLACE}), {tie}) "
            f"FILTER (WHERE {quote_name(name)} IS NOT NULL))[1] AS {quote_name(name)}"
            for number, name in enumerate(values, 1)
        )
        return f"SELECT {key}, {filled} FROM {GATHERED} AS g GROUP BY {key}"
    greatest = ""
    if contract.on_conflict == "keep_greatest":
        greatest = f"{quote_name(str(contract.greatest))} DESC NULLS LAST, "
    order = f"{PLACE} DESC" if contract.on_conflict == "keep_last" else PLACE
    return (
        f"SELECT DISTINCT ON ({key}) {names_of((*contract.key, *values))} FROM {GATHERED} AS g "
        f"ORDER BY {key}, {greatest}{order}, {tie}"
    )


def count_settled() -> str:
    """Counts the batch's readings: inserted, updated, unchanged, lost; and the rows among the
    updated ones that held the values of another reading."""
    return (
        f"SELECT count(*) FILTER (WHERE NOT {EXISTED}), "
        f"count(*) FILTER (WHERE {EXISTED} AND {CHANGES}), "
        f"count(*) FILTER (WHERE {EXISTED} AND NOT {CHANGES} AND NOT {LOST}), "
        f"count(*) FILTER (WHERE {EXISTED} AND NOT {CHANGES} AND {LOST}), "
        f"count(*) FILTER (WHERE {CHANGES} AND {REPLACES}) FROM {SETTLED}"
    )


def keep_losers(contract: Contract, columns: Sequence[str]) -> str:
    """Keeps the batch's readings that are not the row. Parameters: batch, raw key, digest."""
    reading = f"(SELECT excluded FROM (SELECT {names_of(columns, 'own')}) AS excluded)"
    lost = (
        f"SELECT {key_object(contract, 's')} AS key, to_jsonb({reading}) AS reading "
        f"FROM {SETTLED} AS s JOIN {GATHERED} AS own ON own.{ORIGIN} = 0 "
        f"AND {same_key(contract, 'own', 's')} WHERE s.{LOST}"
    )
    return insert_conflicts(contract, "reading", f"({lost}) AS lost")


def keep_replaced_rows(contract: Contract, columns: Sequence[str], *, again: bool) -> str:
    """Keeps the values of existing rows that will be replaced. Parameters: batch, raw key, digest.

    ``again``: only those with values of another batch that are replaced. A former version of this
    batch's own reading is not kept.
    """
    values = values_of(contract, columns)
    whose = f" AND {_replaces_others(contract, columns)}" if again else ""
    replaced = (
        f"SELECT {key_object(contract, 's')} AS key, to_jsonb(present.whole_row) AS reading "
        f"FROM {SETTLED} AS s CROSS JOIN LATERAL (SELECT t AS whole_row, {names_of(values, 't')} "
        f"FROM {qualified(contract)} AS t "
        f"WHERE {same_key(contract, 't', 's')} LIMIT 1) AS present "
        f"WHERE s.{CHANGES} AND s.{REPLACES}{whose}"
    )
    return insert_conflicts(contract, "row", f"({replaced}) AS lost")


def update_settled(contract: Contract, columns: Sequence[str]) -> str:
    """Writes the rows whose values change."""
    values = values_of(contract, columns)
    setting = ", ".join(f"{quote_name(name)} = s.{quote_name(name)}" for name in values)
    return (
        f"UPDATE {qualified(contract)} AS t SET {setting} FROM {SETTLED} AS s "
        f"WHERE {same_key(contract, 't', 's')} AND s.{EXISTED} AND s.{CHANGES}"
    )


def insert_settled(contract: Contract, columns: Sequence[str]) -> str:
    """Inserts the rows that are missing."""
    names = (*contract.key, *values_of(contract, columns))
    return (
        f"INSERT INTO {qualified(contract)} ({names_of(names)}) SELECT {names_of(names)} "
        f"FROM {SETTLED} WHERE NOT {EXISTED} ORDER BY {names_of(contract.key)}"
    )


def unstage_disputed(contract: Contract) -> str:
    """Takes the settled keys out of the staged ones."""
    return (
        f"DELETE FROM {STAGING} AS excluded USING {DISPUTED} AS d "
        f"WHERE {same_key(contract, 'd', 'excluded')}"
    )


def _replaces_others(contract: Contract, columns: Sequence[str]) -> str:
    """Condition that the existing row has values of another batch's reading, and the settled one
    has not.

    A former version of the batch's own reading may be in the row as well: as some of the values of
    ``fill_missing``, or as the stamps of arrival of a row that the other reading repeated.
    """
    compared = [name for name in contract.compared if name in columns]
    if contract.on_conflict == "fill_missing":  # its values may be of several readings
        names = [quote_name(name) for name in compared]
        each = [f"g.{n} = present.{n} AND present.{n} <> s.{n}" for n in names]
        lost = f"({' OR '.join(each) or 'false'})"
    else:
        lost = f"NOT {differs('present', 'g', compared)}" if compared else "false"
    return (
        f"EXISTS (SELECT FROM {GATHERED} AS g WHERE g.{ORIGIN} > 0 "
        f"AND {same_key(contract, 'g', 's')} AND {lost})"
    )
