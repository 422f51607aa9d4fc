"""Migrates the database to the contract: plan, then run, in one transaction.

DDL is transactional in PostgreSQL: either everything is in place afterwards, or nothing changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from functions.migrate.analytics import plan_views, run
from functions.migrate.catalogue import read_table, stray_days
from functions.migrate.lock_holders import end_overdue_sessions
from functions.migrate.migration_lock import busy_errors, hold_migration_lock
from telemetry.contract import Contract
from telemetry.database import Credentials
from telemetry.ddl import (
    ExistingTable,
    plan_grants,
    plan_ledger,
    plan_load_lock,
    plan_partitions,
    plan_table,
    quote_name,
    quote_text,
)
from telemetry.ddl.analytics import (
    ANALYST_CONNECTIONS,
    plan_analyst_grants,
    plan_marker_grants,
)
from telemetry.errors import ConfigurationError

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

__all__ = ["LOADER_CONNECTIONS", "Migration", "migrate"]

LOADER_CONNECTIONS = 50


@dataclass(frozen=True)
class Migration:
    """Result of a migration; it holds no password."""

    table: list[str]
    """Statements that created or changed the contract's table; empty where it was right."""
    role: str
    """``created`` or ``updated``."""
    grants: list[str]
    views: list[str]
    """Statements that made or changed what analysts get; empty where it was right."""

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON members."""
        return asdict(self)


def migrate(
    connection: Connection,
    contract: Contract,
    loader: Credentials,
    analyst: Credentials | None = None,
    *,
    connections: int = LOADER_CONNECTIONS,
    schemas: Sequence[str] = (),
) -> Migration:
    """Creates or evolves table, ledger, views, roles and grants, as the connection's owner.

    ``connections`` is how many the loader may have at once: whatever runs at the same time, the
    database's other users keep theirs. ``schemas``: those of all contracts of the pipeline; empty:
    that of this one. Raises :class:`ContractError` where an operator has to make
    the change, and ``DatabaseBusyError`` where a session keeps a lock, with nothing changed.
    Sessions of the analyst that keep one for too long are ended (:func:`end_overdue_sessions`).
    """
    from psycopg2 import errors

    with busy_errors(connection, contract):
        try:
            return _migrate(connection, contract, loader, analyst, connections, schemas)
        except errors.LockNotAvailable:
            if analyst is None or not end_overdue_sessions(connection, contract, analyst.username):
                raise
            return _migrate(connection, contract, loader, analyst, connections, schemas)


def _migrate(
    connection: Connection,
    contract: Contract,
    loader: Credentials,
    analyst: Credentials | None,
    connections: int,
    schemas: Sequence[str],
) -> Migration:
    """Migrates in one transaction, which waits for no lock for long."""
    with connection, connection.cursor() as cursor:
        hold_migration_lock(cursor, contract)
        existing = read_table(cursor, contract)
        changes = plan_table(contract, existing)
        views = plan_views(cursor, contract, _added(contract, existing))
        run(cursor, [*plan_load_lock(contract), *plan_ledger(), *views.before, *changes])
        present = existing.partitions if existing is not None else ()
        strays = stray_days(cursor, contract) if any(one.default for one in present) else []
        partitions = plan_partitions(contract, present, strays, datetime.now(UTC))
        for statement in partitions:
            cursor.execute(statement)
        run(cursor, views.after)
        database = connection.info.dbname
        role = _ensure_role(cursor, "loader", loader, connections, database)
        grants = plan_grants(contract, database, loader.username)
        grants += plan_marker_grants(contract, loader.username)
        if analyst is not None:
            _ensure_role(cursor, "analyst", analyst, ANALYST_CONNECTIONS, database)
            grants += plan_analyst_grants(contract, database, analyst.username, schemas)
        run(cursor, grants)
    return Migration(changes + partitions, role, grants, [*views.before, *views.after])


def _added(contract: Contract, existing: ExistingTable | None) -> frozenset[str]:
    """Columns that the table does not have yet."""
    present = {column.name for column in existing.columns} if existing is not None else set()
    return frozenset(column.name for column in contract.columns) - present


def _ensure_role(
    cursor: Cursor, part: str, user: Credentials, connections: int, database: str
) -> str:
    """Makes the role log in with the secret's password, and hold no power of its own.

    A role may change its own password and the settings that its sessions begin with; PostgreSQL
    can't forbid it. So both are set back.
    """
    cursor.execute(
        "SELECT rolname = current_user, rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls "
        "FROM pg_roles WHERE rolname = %s",
        (user.username,),
    )
    found = cursor.fetchone()
    if found is not None and any(found):
        raise ConfigurationError(
            f"The {part}'s secret names the role {user.username!r}, which owns the schema or has "
            f"administrative rights. Give the {part} a role of its own, such as telemetry_{part}."
        )
    verb = "CREATE" if found is None else "ALTER"
    verifier = _verifier(cursor, user)
    cursor.execute(
        f"{verb} ROLE {quote_name(user.username)} LOGIN CONNECTION LIMIT {connections:d} "
        f"PASSWORD {quote_text(verifier)}"
    )
    name = quote_name(user.username)
    cursor.execute(f"ALTER ROLE {name} RESET ALL")
    cursor.execute(f"ALTER ROLE {name} IN DATABASE {quote_name(database)} RESET ALL")
    return "created" if found is None else "updated"


def _verifier(cursor: Cursor, user: Credentials) -> str:
    """The SCRAM verifier of the password: the server, and so its log, never sees the password."""
    from psycopg2.extensions import encrypt_password

    verifier: str = encrypt_password(
        user.password, user.username, scope=cursor.connection, algorithm="scram-sha-256"
    )
    return verifier
