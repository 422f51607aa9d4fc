"""SQL of a contract: pure functions that return statements, and never run them.

::

    contract + the table as it is ──▶ plan_table ──▶ statements, or a refusal
                                      plan_ledger      (idempotent)
                                      plan_batch_locks, plan_load_lock  (idempotent)
                                      plan_grants      (idempotent)

A table is extended automatically: new columns, types that hold every value of the old type, columns
that are no longer required, indexes, partitions, comments. A change that could lose data is refused
with a :class:`ContractError` that holds the statement for an operator to run.

Only the migrate function, as the owner, creates partitions, at each deployment and each day: those
of the last month and of a year ahead, or of days, and one for all other rows (``<table>_other``),
so that no row is ever refused. The next time it moves the rows of that one into partitions of
their own.
"""

from __future__ import annotations

from telemetry.ddl.locks import (
    BATCH_LOCKS,
    BATCH_SLOTS,
    load_lock,
    plan_batch_locks,
    plan_load_lock,
)
from telemetry.ddl.names import qualified, quote_name, quote_text
from telemetry.ddl.partitions import (
    ExistingPartition,
    expired,
    horizon,
    other_partition,
    plan_partitions,
    qualified_partition,
)
from telemetry.ddl.retention import RETENTION, in_dropped_range
from telemetry.ddl.service import CONFLICTS, ERASURES, LEDGER, plan_grants, plan_ledger
from telemetry.ddl.tables import ExistingColumn, ExistingTable, index_name, plan_table
from telemetry.ddl.types import check_name, is_check_of, sql_type

__all__ = [
    "BATCH_LOCKS",
    "BATCH_SLOTS",
    "CONFLICTS",
    "ERASURES",
    "LEDGER",
    "RETENTION",
    "ExistingColumn",
    "ExistingPartition",
    "ExistingTable",
    "check_name",
    "expired",
    "horizon",
    "in_dropped_range",
    "index_name",
    "is_check_of",
    "load_lock",
    "other_partition",
    "plan_batch_locks",
    "plan_grants",
    "plan_ledger",
    "plan_load_lock",
    "plan_partitions",
    "plan_table",
    "qualified",
    "qualified_partition",
    "quote_name",
    "quote_text",
    "sql_type",
]
