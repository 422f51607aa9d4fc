"""The record of the ranges of time whose rows retention has taken out of a table.

::

    attached ──▶ kept         a batch with rows in it is not in S3: nothing is dropped
        └──────▶ detached     its rows are not in the table any more; they are counted next
                     └──────▶ dropped      the rows are counted, and gone

What was inserted and is neither in the table nor in a detached partition was dropped: the rows of
this record are part of the reconciliation.
"""

from __future__ import annotations

from telemetry.contract.model import Contract
from telemetry.ddl.names import qualified, quote_name, quote_text

__all__ = ["RETENTION", "in_dropped_range", "plan_retention"]

RETENTION = '"etl"."retention"'
"""Qualified and quoted name of the record."""

_COLUMNS = """\
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contract text NOT NULL,
    relation text NOT NULL,
    partition text NOT NULL,
    from_time timestamptz,
    to_time timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('kept', 'detached', 'dropped')),
    rows bigint NOT NULL DEFAULT 0,
    reason text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT now()"""


def plan_retention() -> list[str]:
    """Statements that create the record, where it is missing."""
    about = "Ranges of time whose rows left a table because they are older than its retention."
    return [
        f"CREATE TABLE IF NOT EXISTS {RETENTION} (\n{_COLUMNS}\n)",
        f"CREATE INDEX IF NOT EXISTS retention_by_relation ON {RETENTION} (relation, from_time)",
        f"COMMENT ON TABLE {RETENTION} IS {quote_text(about)}",
    ]


def in_dropped_range(contract: Contract, row: str) -> str:
    """Condition that a row's time is in a range whose rows have left the contract's table."""
    time = f"{row}.{quote_name(contract.key[-1])}"
    return (
        f"EXISTS (SELECT FROM {RETENTION} AS gone "
        f"WHERE gone.relation = {quote_text(qualified(contract))} AND gone.status <> 'kept' "
        f"AND {time} < gone.to_time AND (gone.from_time IS NULL OR {time} >= gone.from_time))"
    )
