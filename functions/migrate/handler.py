"""Lambda function, called once by each deployment: schema, ledger, loader role and grants.

Event: ``{}``. Result: ``{"table": [...], "role": "created"|"updated", "grants": [...]}``.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

from functions.migrate.migration import LOADER_CONNECTIONS, migrate
from telemetry import settings, tracing
from telemetry.contract import load_contract
from telemetry.database import connect, credentials
from telemetry.entry import lambda_entry
from telemetry.logs import log

__all__ = ["handle"]


@lambda_entry
def handle(_event: dict[str, Any]) -> dict[str, Any]:
    """Applies the packaged contract as the owner."""
    contract = load_contract()
    # Fresh: the owner may have been rotated since, and deployments are rare.
    loader = credentials(settings.text("LOADER_SECRET_ARN"), fresh=True)
    database = settings.DatabaseSettings.from_environment()
    owner = settings.text("OWNER_SECRET_ARN")
    connections = settings.whole_number("LOADER_CONNECTIONS", LOADER_CONNECTIONS, least=1)
    with (
        tracing.step("migrate"),
        closing(connect(database, owner, "telemetry migrate")) as connection,
    ):
        done = migrate(connection, contract, loader, connections=connections)
    log.info(
        "Migrated",
        contract=contract.name,
        digest=contract.digest,
        changes=len(done.table),
        role=done.role,
    )
    return done.as_dict()
