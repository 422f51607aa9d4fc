"""SQL of the maintenance. Pure; values come as parameters."""

# ruff: noqa: S608 - the statements are made of quoted names

from __future__ import annotations

from collections.abc import Iterator

from telemetry.contract import Contract
from telemetry.ddl import (
    LEDGER,
    RETENTION,
    other_partition,
    qualified,
    qualified_partition,
    quote_name,
)
from telemetry.ddl.analytics import kept_name, levels_of, mark_columns, marks_name

__all__ = [
    "BATCHES_OF_RANGES",
    "DETACHED",
    "FORGET_DETACHED",
    "FORGET_KEPT",
    "READERS",
    "RECORD_DETACHED",
    "RECORD_DROPPED",
    "RECORD_KEPT",
    "count",
    "delete_late_rows",
    "detach",
    "drop",
    "forget_figures",
    "grant",
    "late_ranges",
    "relation",
]

# A batch that was loaded again with another contract may have rows outside its latest range.
BATCHES_OF_RANGES = f"""
SELECT raw_key FROM {LEDGER} AS batch
WHERE status = 'loaded' AND (accepted > 0 OR inserted_before <> 0)
  AND (inserted_before <> 0 OR min_time IS NULL OR max_time IS NULL OR EXISTS (
    SELECT FROM unnest(%s::timestamptz[], %s::timestamptz[]) AS wanted (first, after)
    WHERE batch.min_time < wanted.after AND batch.max_time >= wanted.first))
  AND contract <> ALL (%s::text[])"""
"""Raw keys of the batches that may have rows in one of the ranges. Parameters: first moments,
moments after the last, and the contracts whose batches have their rows in other tables."""

DETACHED = f"""
SELECT id, partition, from_time, to_time FROM {RETENTION}
WHERE relation = %s AND status = 'detached' ORDER BY id"""
RECORD_DETACHED = f"""
INSERT INTO {RETENTION} (contract, relation, partition, from_time, to_time, status)
VALUES (%s, %s, %s, %s, %s, 'detached') RETURNING id"""
RECORD_DROPPED = f"""
UPDATE {RETENTION} SET status = 'dropped', rows = %s, changed_at = now()
WHERE id = %s AND status = 'detached'"""
FORGET_DETACHED = f"DELETE FROM {RETENTION} WHERE id = %s AND status = 'detached'"
FORGET_KEPT = f"DELETE FROM {RETENTION} WHERE relation = %s AND status = 'kept'"
RECORD_KEPT = f"""
INSERT INTO {RETENTION} (contract, relation, partition, from_time, to_time, status, reason)
VALUES (%s, %s, %s, %s, %s, 'kept', %s)"""

READERS = f"""
SELECT rolname FROM pg_class CROSS JOIN LATERAL aclexplode(relacl) AS entry
JOIN pg_roles ON pg_roles.oid = entry.grantee
WHERE pg_class.oid = '{RETENTION}'::regclass AND privilege_type = 'SELECT'
  AND rolname <> current_user"""
"""Roles that may read the record, and so count what is detached."""


def relation(contract: Contract) -> str:
    """Name by which the record knows the contract's table."""
    return qualified(contract)


def detach(contract: Contract, partition: str) -> str:
    """Statement that takes a partition out of the table, with its rows.

    Not ``CONCURRENTLY``, which PostgreSQL refuses where there is a default partition.
    """
    name = qualified_partition(contract, partition)
    return f"ALTER TABLE {qualified(contract)} DETACH PARTITION {name}"


def grant(contract: Contract, partition: str, role: str) -> str:
    """Statement that lets a role count the rows of a detached partition."""
    return f"GRANT SELECT ON {qualified_partition(contract, partition)} TO {quote_name(role)}"


def count(contract: Contract, partition: str) -> str:
    """Query for the number of a partition's rows."""
    return f"SELECT count(*) FROM {qualified_partition(contract, partition)}"


def drop(contract: Contract, partition: str) -> str:
    """Statement that drops a detached partition."""
    return f"DROP TABLE {qualified_partition(contract, partition)}"


def forget_figures(contract: Contract) -> Iterator[str]:
    """Yield statements that delete the rollups of a range of whole days. Parameters: its bounds."""
    for level in levels_of(contract):
        start = level.start(f"kept.{quote_name(level.column)}")
        yield (
            f"DELETE FROM {kept_name(contract, level)} AS kept "
            f"WHERE {start} >= %s::timestamptz AND {start} < %s::timestamptz"
        )


def late_ranges(contract: Contract) -> str:
    """Query for the months or days of the rows of ``<table>_other`` before a moment, in order."""
    first, after = _unit(contract, "late")
    return (
        f"SELECT DISTINCT {first} AS first, {after} FROM {_other(contract)} AS late "
        f"WHERE late.{quote_name(contract.key[-1])} < %s ORDER BY first"
    )


def delete_late_rows(contract: Contract) -> str:
    """Statement that deletes the rows of ``<table>_other`` in some months or days, marks their
    rollups, records how many they were by month or day, and returns that.

    Parameters: first moments, moments after the last, and the record's contract, table and
    partition.
    """
    time = quote_name(contract.key[-1])
    first, after = _unit(contract, "gone")
    return f"""
WITH gone AS (
    DELETE FROM {_other(contract)} AS late
    USING unnest(%s::timestamptz[], %s::timestamptz[]) AS wanted (first, after)
    WHERE late.{time} >= wanted.first AND late.{time} < wanted.after
    RETURNING late.*
){_marking(contract)}
INSERT INTO {RETENTION} (contract, relation, partition, from_time, to_time, status, rows)
SELECT %s, %s, %s, {first}, {after}, 'dropped', count(*) FROM gone GROUP BY 4, 5
RETURNING from_time, to_time, rows"""


def _marking(contract: Contract) -> str:
    """Part of the statement that marks the spans of the deleted rows, if there are rollups."""
    if not levels_of(contract):
        return ""
    time = quote_name(contract.key[-1])
    series = [quote_name(name) for name in contract.key[:-1]]
    finest, *coarser = levels_of(contract)
    span = finest.column
    listed = ", ".join([*series, f"{finest.of(f'gone.{time}')} AS {span}"])
    spans = ", ".join([span, *(level.of(span) for level in coarser)])
    collected = "".join(f", array_agg({name})" for name in series)
    return f""", marked AS (
    INSERT INTO {marks_name(contract)} ({mark_columns(contract)})
    SELECT {spans}{collected} FROM (SELECT DISTINCT {listed} FROM gone) AS every GROUP BY {span}
)"""


def _unit(contract: Contract, row: str) -> tuple[str, str]:
    """First moment of a row's month or day, and of the one after it."""
    unit = "day" if contract.partition == "day" else "month"
    local = f"date_trunc('{unit}', {row}.{quote_name(contract.key[-1])} AT TIME ZONE 'UTC')"
    return (
        f"{local} AT TIME ZONE 'UTC'",
        f"({local} + interval '1 {unit}') AT TIME ZONE 'UTC'",
    )


def _other(contract: Contract) -> str:
    return qualified_partition(contract, other_partition(contract))
