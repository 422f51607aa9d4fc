"""From a contract to SQL: pure functions that return statements, and never run them.

::

    contract + the table as it is ──▶ plan_table ──▶ statements, or a refusal
                                      plan_ledger      (idempotent)
                                      plan_grants      (idempotent)

A table grows by itself: a new column is added, a type becomes one that holds every value of the
old one, a column that is no longer required may be empty, indexes and partitions are made, comments
follow the contract. What could lose anything is refused with a :class:`ContractError` that holds
the statement a person would run.

Nobody but the owner, who migrates, makes partitions: those of the last month and of a year ahead,
and one for whatever else comes (``<table>_other``), so that no row is ever refused. The next
migration moves what gathered there into partitions of its own.
"""

from __future__ import annotations

from telemetry.ddl.names import qualified, quote_name, quote_text
from telemetry.ddl.partitions import plan_partitions
from telemetry.ddl.service import LEDGER, plan_grants, plan_ledger
from telemetry.ddl.tables import ExistingColumn, ExistingTable, index_name, plan_table
from telemetry.ddl.types import check_name, sql_type

__all__ = [
    "LEDGER",
    "ExistingColumn",
    "ExistingTable",
    "check_name",
    "index_name",
    "plan_grants",
    "plan_ledger",
    "plan_partitions",
    "plan_table",
    "qualified",
    "quote_name",
    "quote_text",
    "sql_type",
]
