"""The SQL that finds conflicts with existing rows and keeps what lost. Pure.

A reading whose key exists is a repeat where it equals the row in all compared columns, and a
conflict where it doesn't. One of the two is not the row afterwards: that one is kept in
``etl.conflicts``, with the batch, in the transaction of the load.

==================  =================================  ==========================================
policy              existing row stays                 reading becomes the row
==================  =================================  ==========================================
``keep_first``      the reading is kept                never
``keep_last``       never                              the row's former values are kept
``keep_greatest``   the reading is kept                the row's former values are kept
``fill_missing``    the reading is kept, if one of     never: it only fills columns without a
                    its values contradicts the row     value
==================  =================================  ==========================================

Two loads never wait for each other here: the primary key begins with the batch.
"""

# ruff: noqa: S608 - the statements are made of quoted names; values come as parameters

from __future__ import annotations

from collections.abc import Sequence

from functions.load.conflict_policies import changes_row
from functions.load.statements import STAGING
from telemetry.contract import Contract
from telemetry.ddl import CONFLICTS, qualified, quote_name, quote_text

__all__ = ["compared_columns", "keep_lost", "keep_replaced", "replaces_values"]


def compared_columns(contract: Contract, columns: Sequence[str]) -> list[str]:
    """The columns of a batch that decide whether a reading repeats the existing row."""
    return [name for name in contract.compared if name in columns]


def replaces_values(contract: Contract) -> bool:
    """True for the policies by which a reading may replace values of the existing row."""
    return contract.on_conflict in ("keep_last", "keep_greatest")


def keep_lost(contract: Contract, columns: Sequence[str]) -> str:
    """Keeps the staged readings that contradict a row that stays; returns their number.

    Run it after the merge. Parameters: batch id, raw key, contract digest. Rows that this
    transaction has written have the ``xmin`` of the staged ones, unless they were written under
    another savepoint; they are left out, so that a trigger that changes values counts no conflict.
    A reading that filled one column and contradicts another is kept and not counted: it is
    counted as updated.
    """
    compared = compared_columns(contract, columns)
    names = ", ".join(f"t.{quote_name(name)}" for name in compared)
    fills = contract.on_conflict == "fill_missing"
    stays = "" if fills else " AND present.written_by <> excluded.xmin"
    # With LIMIT the planner can't turn it into a join, and so never scans a large table.
    return (
        f"WITH lost AS (SELECT {_key(contract)} AS key, to_jsonb(excluded) AS reading, "
        f"present.written_by <> excluded.xmin AS stays FROM {STAGING} AS excluded "
        f"CROSS JOIN LATERAL (SELECT {names}, t.xmin AS written_by FROM {qualified(contract)} AS t "
        f"WHERE {_same_key(contract)} LIMIT 1) AS present "
        f"WHERE {_contradicts(compared, fills=fills)}{stays}), "
        f"kept AS ({_insert(contract, 'reading', 'lost')}) "
        "SELECT count(*) FILTER (WHERE stays) FROM lost"
    )


def keep_replaced(contract: Contract, columns: Sequence[str]) -> str:
    """Keeps the values of the existing rows that staged readings will replace.

    Run it before the update. Parameters: batch id, raw key, contract digest. Returns the number of
    staged readings whose key exists, and of those that will change their row. A row that differs
    only in what was stamped at arrival is not kept.
    """
    values = [name for name in columns if name not in contract.key]
    compared = compared_columns(contract, columns)
    differs = _contradicts(compared, fills=False) if compared else "false"
    return (
        f"WITH existing AS (SELECT {_key(contract)} AS key, present.whole_row, "
        f"{changes_row(contract, values)} AS changes, {differs} AS differs "
        f"FROM {STAGING} AS excluded CROSS JOIN LATERAL (SELECT t AS whole_row, "
        f"{', '.join(f't.{quote_name(name)}' for name in values)} FROM {qualified(contract)} AS t "
        f"WHERE {_same_key(contract)} LIMIT 1) AS present), "
        "replaced AS (SELECT key, to_jsonb(whole_row) AS reading FROM existing "
        "WHERE changes AND differs), "
        f"kept AS ({_insert(contract, 'row', 'replaced')}) "
        "SELECT count(*), count(*) FILTER (WHERE changes) FROM existing"
    )


def _contradicts(compared: Sequence[str], *, fills: bool) -> str:
    if fills:  # no value contradicts none
        parts = [f"present.{quote_name(n)} <> excluded.{quote_name(n)}" for n in compared]
        return f"coalesce({' OR '.join(parts)}, false)" if parts else "false"
    row = ", ".join(f"present.{quote_name(name)}" for name in compared)
    reading = ", ".join(f"excluded.{quote_name(name)}" for name in compared)
    return f"({row}) IS DISTINCT FROM ({reading})"


def _insert(contract: Contract, lost: str, origin: str) -> str:
    return (
        f"INSERT INTO {CONFLICTS} "
        "(contract, batch_id, raw_key, contract_digest, lost, key, reading, digest) "
        f"SELECT {quote_text(contract.name)}, %s, %s, %s, {quote_text(lost)}, key, reading, "
        f"sha256(convert_to(reading::text, 'UTF8')) FROM {origin} ON CONFLICT DO NOTHING"
    )


def _key(contract: Contract) -> str:
    parts = ", ".join(f"{quote_text(n)}, excluded.{quote_name(n)}" for n in contract.key)
    return f"jsonb_build_object({parts})"


def _same_key(contract: Contract) -> str:
    return " AND ".join(f"t.{quote_name(n)} = excluded.{quote_name(n)}" for n in contract.key)
