"""Lambda function, called once by each deployment: schema, ledger, views, roles and grants.

Event: ``{}``, or ``{"rollups": "rebuild"|"refresh"}``, which leaves all else as it is; ``seconds``
limits the refresh of rollups; or ``{"erase": {...}}``, which deletes the rows of one device
(:mod:`functions.migrate.erasure`). With ``{"loader_version": id}`` the loader is the login of that
version of its secret, which a rotation is about to make the current one. Result: ``{"table":
[...], "role": "created"|"updated", "grants": [...], "views": [...], "left": marks}``, or
``{"left": marks}``. What is marked is read from rows.

``{"partitions": "maintain"}``, which a schedule sends, makes partitions ahead and drops what is
older than the contract's retention; the result is that of :mod:`functions.migrate.retention`.

All of it is done for each contract of the pipeline, with ``"contract": name`` for that one; an
erasure is of one contract, which is the first one unless it is named. Of several contracts the
result has the sum, and under ``contracts`` the result of each by name.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from functions.migrate.analytics import bring_up_to_date, forget_figures
from functions.migrate.erasure import Erasure, erase, parse_erasure
from functions.migrate.migration import LOADER_CONNECTIONS, migrate
from functions.migrate.retention import Maintenance, drop_detached, maintain
from functions.migrate.stored_objects import missing_batches
from telemetry import settings, tracing
from telemetry.contract import Contract, ContractSet, load_contracts
from telemetry.database import connect, connect_as, credentials, version_credentials
from telemetry.entry import lambda_entry, seconds_left
from telemetry.errors import ConfigurationError, TelemetryError, TransientError
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
    """Applies the packaged contracts as the owner."""
    contracts = load_contracts()
    named = event.get("contract")
    chosen = contracts.contracts if named is None else (contracts.named(str(named)),)
    database = settings.DatabaseSettings.from_environment()
    asked = _asked(event, "rollups", "rebuild", "refresh")
    maintains = _asked(event, "partitions", "maintain")
    erasure = parse_erasure(event["erase"]) if "erase" in event else None
    owner = settings.text("OWNER_SECRET_ARN")
    with closing(connect(database, owner, "telemetry migrate")) as connection:
        if maintains is not None:
            return _maintained(connection, contracts, chosen)
        if erasure is not None:
            return _erased(connection, contracts, chosen[0], erasure)
        done: dict[str, dict[str, Any]] = {contract.name: {} for contract in chosen}
        if asked is None:
            with tracing.step("migrate"):
                version = event.get("loader_version", "")
                schemas = tuple(dict.fromkeys(contract.schema for contract in contracts))
                for contract in chosen:
                    done[contract.name] = _migrate(connection, contract, database, version, schemas)
        elif asked == "rebuild":
            for contract in chosen:
                forget_figures(connection, contract)
        with tracing.step("refresh rollups"):
            most = DEPLOY_SECONDS if asked is None else REBUILD_SECONDS
            seconds = min(float(event.get("seconds", most)), seconds_left() - SPARE_SECONDS)
            left = _refreshed(connection, chosen, seconds, must=asked is not None)
    for contract in chosen:
        done[contract.name]["left"] = left[contract.name]
        log.info("Refreshed rollups", contract=contract.name, left=left[contract.name])
    return _together(done)


def _asked(event: Mapping[str, Any], what: str, *operations: str) -> Any:
    """The operation that the event asks for, or ``None``. Raises :class:`ConfigurationError`."""
    asked = event.get(what)
    if asked not in (None, *operations):
        raise ConfigurationError(
            f"{asked!r} is not an operation on {what}: use {' or '.join(operations)}."
        )
    return asked


def _together(results: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The result of all contracts: that of the only one, or the sum of all, and each by name."""
    first, *further = results.values()
    if not further:
        return first
    whole = dict(first)
    for result in further:
        for name, value in result.items():
            if isinstance(value, list):
                whole[name] = whole[name] + value
            elif not isinstance(value, str):  # the role is one, and the first one's the news
                whole[name] = None if None in (whole[name], value) else whole[name] + value
    return {**whole, "contracts": dict(results)}


def _maintained(
    connection: Connection, contracts: ContractSet, chosen: Sequence[Contract]
) -> dict[str, Any]:
    """Maintains each table for its share of the time. One that fails doesn't keep the others from
    being maintained; the first failure is raised in the end."""
    done: dict[str, dict[str, Any]] = {}
    failures: list[TelemetryError] = []
    for place, contract in enumerate(chosen, 1):
        try:
            later = len(chosen) - place
            done[contract.name] = _maintained_one(connection, contracts, contract, later)
        except TelemetryError as error:
            log.error("Partitions were not maintained", contract=contract.name, cause=str(error))
            failures.append(error)
    if failures:
        raise failures[0]
    return _together(done)


def _maintained_one(
    connection: Connection, contracts: ContractSet, contract: Contract, later: int
) -> dict[str, Any]:
    """Makes and drops partitions, and logs what stays though it is older than the retention.

    ``later``: the number of contracts that are still to come, and share the time.
    """
    missing = partial(missing_batches, partial(list_objects, settings.text("DATA_BUCKET")))
    kept_for_others = seconds_left() * later / (later + 1) if later else 0.0
    with tracing.step("maintain"):
        done: Maintenance = maintain(
            connection,
            contract,
            missing,
            datetime.now(UTC),
            lambda: seconds_left() > PARTITION_SECONDS and seconds_left() >= kept_for_others,
            tuple(name for name in contracts.names if name != contract.name),
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


def _erased(
    connection: Connection, contracts: ContractSet, contract: Contract, erasure: Erasure
) -> dict[str, Any]:
    """Erases in one contract's table. The record of a further contract's part of a request has its
    name, as each part counts the rows of one table."""
    name = contracts.key_name(contract)
    if name is not None:
        erasure = replace(erasure, request=f"{erasure.request}.{name}")
    with tracing.step("erase"):
        drop_detached(connection, contract)  # whose rows are not in the table any more
        return erase(connection, contract, erasure, max(1.0, seconds_left() - 30.0))


def _refreshed(
    connection: Connection, contracts: Sequence[Contract], seconds: float, *, must: bool
) -> dict[str, int | None]:
    """Refreshes the rollups of each contract for its share of the time that is left then; returns
    how many marks are left of each."""
    deadline, left = time.monotonic() + seconds, {}
    for place, contract in enumerate(contracts):
        share = (deadline - time.monotonic()) / (len(contracts) - place)
        left[contract.name] = _refreshed_one(connection, contract, share, must=must)
    return left


def _refreshed_one(
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
    schemas: Sequence[str],
) -> dict[str, Any]:
    secret = settings.text("LOADER_SECRET_ARN")
    # Fresh: the owner may have been rotated since, and deployments are rare.
    loader = version_credentials(secret, version) if version else credentials(secret, fresh=True)
    analyst = credentials(settings.text("ANALYST_SECRET_ARN"), fresh=True)
    connections = settings.whole_number("LOADER_CONNECTIONS", LOADER_CONNECTIONS, least=1)
    done = migrate(connection, contract, loader, analyst, connections=connections, schemas=schemas)
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
