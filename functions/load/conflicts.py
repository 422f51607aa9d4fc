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
from functions.load.sql_parts import (
    conflicting,
    insert_conflicts,
    key_object,
    names_of,
    same_key,
)
from functions.load.statements import STAGING
from telemetry.contract import Contract
from telemetry.ddl import qualified

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
    fills = contract.on_conflict == "fill_missing"
    stays = "" if fills else " AND present.written_by <> excluded.xmin"
    # With LIMIT the planner can't turn it into a join, and so never scans a large table.
    return (
        f"WITH lost AS (SELECT {key_object(contract, 'excluded')} AS key, "
        "to_jsonb(excluded) AS reading, "
        f"present.written_by <> excluded.xmin AS stays FROM {STAGING} AS excluded "
        f"CROSS JOIN LATERAL (SELECT {names_of(compared, 't')}, t.xmin AS written_by "
        f"FROM {qualified(contract)} AS t "
        f"WHERE {same_key(contract, 't', 'excluded')} LIMIT 1) AS present "
        f"WHERE {conflicting(contract, 'present', 'excluded', compared)}{stays}), "
        f"kept AS ({insert_conflicts(contract, 'reading', 'lost')}) "
        "SELECT count(*) FILTER (WHERE stays) FROM lost"
    )


def keep_replaced(contract: Contract, columns: Sequence[str]) -> str:
    """Keeps the values of the existing rows that staged readings will replace.

    Run it before the update. Parameters: batch id, raw key, contract digest. Returns the number of
    staged readings whose key exists, and of those that will change their row. A row that differs
    only in what was stamped at arrival is not kept.
    """
    values = [name for name in columns if name not in contract.key]
    differs = conflicting(contract, "present", "excluded", compared_columns(contract, columns))
    return (
        f"WITH existing AS (SELECT {key_object(contract, 'excluded')} AS key, present.whole_row, "
        f"{changes_row(contract, values)} AS changes, {differs} AS differs "
        f"FROM {STAGING} AS excluded CROSS JOIN LATERAL (SELECT t AS whole_row, "
        f"{names_of(values, 't')} FROM {qualified(contract)} AS t "
        f"WHERE {same_key(contract, 't', 'excluded')} LIMIT 1) AS present), "
        "replaced AS (SELECT key, to_jsonb(whole_row) AS reading FROM existing "
        "WHERE changes AND differs), "
        f"kept AS ({insert_conflicts(contract, 'row', 'replaced')}) "
        "SELECT count(*), count(*) FILTER (WHERE changes) FROM existing"
    )
