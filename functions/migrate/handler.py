"""Lambda function, called once by each deployment: schema, ledger, views, roles and grants.

Event: ``{}``, or ``{"rollups": "rebuild"|"refresh"}``, which leaves all else as it is; ``seconds``
limits the refresh of rollups; or ``{"erase": {...}}``, which deletes the rows of one device
(:mod:`functions.migrate.erasure`). With ``{"loader_version": id}`` the loader is the login of that
version of its secret, which a rotation is about to make the current one. Result: ``{"table":
[...], "role": "created"|"updated", "grants": [...], "views": [...], "left": marks}``, or
``{"left": marks}``. What is marked is read from rows.

``{"partitions": "maintain"}``, which a schedule sends, makes partitions ahead and drops what is
older than the contract's retention; the result is that of :mod:`functions.migrate.retention`.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from functions.migrate.analytics import bring_up_to_date, forget_figures
from functions.migrate.erasure import erase, parse_erasure
from functions.migrate.migration import LOADER_CONNECTIONS, migrate
from functions.migrate.retention import Maintenance, drop_detached, maintain
from functions.migrate.stored_objects import missing_batches
from telemetry import settings, tracing
from telemetry.contract import Contract, load_contracts
from telemetry.database import connect, connect_as, credentials, version_credentials
from telemetry.entry import lambda_entry, seconds_left
from telemetry.errors import ConfigurationError, TransientError
from telemetry.logs import log
from telemetry.storage import list_objects

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

__all__ = ["handle"]


DEPLOY_SECONDS = 20.0
"""Most seconds that a deployment waits for rollups; later loads refresh the rest."""
REBUILD_SECONDS = 240.0
PARTITION_SECONDS = 60.0
"""Time that must be left for the next partition to be counted and dropped."""
SPARE_SECONDS = 5.0
"""Time left for the result, when a refresh has used up its own."""


@lambda_entry
def handle(event: dict[str, Any]) -> dict[str, Any]:
    """Applies the packaged contract as the owner."""
    contract = load_contracts().first
    database = settings.DatabaseSettings.from_environment()
    version = event.get("loader_version", "")
    owner = settings.text("OWNER_SECRET_ARN")
    asked = event.get("rollups")
    if asked not in (None, "rebuild", "refresh"):
        raise ConfigurationError(
            f"{asked!r} is not an operation on rollups: use rebuild or refresh."
        )
    if event.get("partitions") not in (None, "maintain"):
        raise ConfigurationError(
            f"{event['partitions']!r} is not an operation on partitions: use maintain."
        )
    erasure = parse_erasure(event["erase"]) if "erase" in event else None
    with closing(connect(database, owner, "telemetry migrate")) as connection:
        if event.get("partitions") is not None:
            return _maintained(connection, contract)
        if erasure is not None:
            with tracing.step("erase"):
                drop_detached(connection, contract)  # whose rows are not in the table any more
                return erase(connection, contract, erasure, max(1.0, seconds_left() - 30.0))
        done: dict[str, Any] = {}
        if asked is None:
            with tracing.step("migrate"):
                done = _migrate(connection, contract, database, version)
        elif asked == "rebuild":
            forget_figures(connection, contract)
        with tracing.step("refresh rollups"):
            most = DEPLOY_SECONDS if asked is None else REBUILD_SECONDS
            seconds = min(float(event.get("seconds", most)), seconds_left() - SPARE_SECONDS)
            left = _refreshed(connection, contract, seconds, must=asked is not None)
    log.info("Refreshed rollups", contract=contract.name, left=left)
    return {**done, "left": left}


def _maintained(connection: Connection, contract: Contract) -> dict[str, Any]:
    """Makes and drops partitions, and logs what stays though it is older than the retention."""
    missing = partial(missing_batches, partial(list_objects, settings.text("DATA_BUCKET")))
    with tracing.step("maintain"):
        done: Maintenance = maintain(
            connection,
            contract,
            missing,
            datetime.now(UTC),
            lambda: seconds_left() > PARTITION_SECONDS,
        )
    (log.warning if done.kept else log.info)(
        "Maintained partitions",
        contract=contract.name,
        made=len(done.made),
        dropped=[one.partition for one in done.dropped],
        rows=sum(one.rows for one in done.dropped),
        kept=[f"{one.partition}: {one.reason}" for one in done.kept],
        left=done.left,
    )
    return done.as_dict()


def _refreshed(
    connection: Connection, contract: Contract, seconds: float, *, must: bool
) -> int | None:
    """Refreshes rollups. A deployment doesn't fail because they are busy: later loads refresh the
    rest, and the migration is done. ``None``: how many marks are left is not known."""
    try:
        return bring_up_to_date(connection, contract, seconds)
    except TransientError as error:
        if must:
            raise
        log.warning("Rollups were not refreshed; later loads do it", reason=str(error))
        return None


def _migrate(
    connection: Connection,
    contract: Contract,
    database: settings.DatabaseSettings,
    version: str,
) -> dict[str, Any]:
    secret = settings.text("LOADER_SECRET_ARN")
    # Fresh: the owner may have been rotated since, and deployments are rare.
    loader = version_credentials(secret, version) if version else credentials(secret, fresh=True)
    analyst = credentials(settings.text("ANALYST_SECRET_ARN"), fresh=True)
    connections = settings.whole_number("LOADER_CONNECTIONS", LOADER_CONNECTIONS, least=1)
    done = migrate(connection, contract, loader, analyst, connections=connections)
    if version:
        # A login that the server refuses must never become the functions'.
        connect_as(database, loader, "telemetry rotate").close()
    log.info(
        "Migrated",
        contract=contract.name,
        digest=contract.digest,
        changes=len(done.table),
        views=len(done.views),
        role=done.role,
    )
    return done.as_dict()
