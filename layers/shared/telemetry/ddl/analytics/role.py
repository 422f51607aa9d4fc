"""The analyst: reads the table and its views, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from telemetry.contract.model import Contract
from telemetry.ddl.analytics.levels import levels_of, service_name
from telemetry.ddl.analytics.views import views_of
from telemetry.ddl.names import qualified, quote_name

__all__ = [
    "ANALYST_CONNECTIONS",
    "LONGEST_READ_SECONDS",
    "plan_analyst_grants",
    "plan_marker_grants",
]

ANALYST_CONNECTIONS = 20
STATEMENT_SECONDS = 120
IDLE_SECONDS = 300
LONGEST_READ_SECONDS = 300
"""Age from which a migration ends an analyst's transaction that it would have to wait for."""


def plan_analyst_grants(
    contract: Contract, database: str, role: str, schemas: Sequence[str] = ()
) -> list[str]:
    """Statements that let the role read, with limits on what one query may take.

    ``schemas``: those of all contracts of the pipeline, in which an unqualified name is looked up;
    empty: that of this one.
    The settings are defaults, which a session may change; that it can't write, or read anything
    else, is a matter of what it was granted. A reader's lock conflicts with no load. Views are read
    with the rights of their owner, so the ledger needs no grant.
    """
    analyst = quote_name(role)
    path = ", ".join(quote_name(name) for name in schemas or (contract.schema,))
    relations = ", ".join([qualified(contract), *(view.name for view in views_of(contract))])
    return [
        f"GRANT CONNECT ON DATABASE {quote_name(database)} TO {analyst}",
        f"GRANT USAGE ON SCHEMA {quote_name(contract.schema)} TO {analyst}",
        f"GRANT SELECT ON {relations} TO {analyst}",
        f"ALTER ROLE {analyst} SET default_transaction_read_only = on",
        f"ALTER ROLE {analyst} SET statement_timeout = '{STATEMENT_SECONDS}s'",
        f"ALTER ROLE {analyst} SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'",
        f"ALTER ROLE {analyst} SET search_path = {path}",
    ]


def plan_marker_grants(contract: Contract, role: str) -> list[str]:
    """Statements that let the loader mark and refresh, by functions, and read the views."""
    loader = quote_name(role)
    grants = [f"GRANT SELECT ON {view.name} TO {loader}" for view in views_of(contract)]
    if levels_of(contract):
        functions = ", ".join(
            service_name(contract, part) for part in ("mark", "mark_groups", "refresh")
        )
        grants.append(f"GRANT EXECUTE ON FUNCTION {functions} TO {loader}")
    return grants
