"""Keeps migrations, maintenance and refreshes apart, and waits for no lock for long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from functions.migrate.analytics import keep_out_refreshes, run
from functions.migrate.lock_holders import locked_message
from telemetry.contract import Contract
from telemetry.database import database_errors
from telemetry.ddl import BATCH_LOCKS, plan_batch_locks
from telemetry.errors import DatabaseBusyError

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

__all__ = ["busy_errors", "hold_migration_lock"]

LOCK_SECONDS = 10
"""Longest wait for one lock. Deployment and schedule try again a few times."""

_PREPARE = (
    # ALTER TABLE queues every load behind itself while it waits: better fail soon.
    f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'",
    # "relation already exists, skipping" is what IF NOT EXISTS is for.
    "SET LOCAL client_min_messages = 'warning'",
)
_KEEP_OUT_MIGRATIONS = f"LOCK TABLE {BATCH_LOCKS} IN SHARE UPDATE EXCLUSIVE MODE"
"""Conflicts with itself, and not with what loads do."""


def hold_migration_lock(cursor: Cursor, contract: Contract) -> None:
    """Waits for a migration or a refresh that is at work, and keeps others out until the
    transaction ends; from here on no lock is waited for longer than :data:`LOCK_SECONDS`."""
    for statement in _PREPARE:
        cursor.execute(statement)
    _keep_out_migrations(cursor)
    keep_out_refreshes(cursor, contract)


def _keep_out_migrations(cursor: Cursor) -> None:
    """Waits for a migration that is at work, and keeps others out.

    CREATE ... IF NOT EXISTS is not atomic: of two first migrations, the second one waits for the
    first to commit, and is refused then.
    """
    from psycopg2 import errors

    cursor.execute("SAVEPOINT locks")
    try:
        run(cursor, plan_batch_locks())
    except (errors.UniqueViolation, errors.DuplicateSchema, errors.DuplicateTable):
        cursor.execute("ROLLBACK TO SAVEPOINT locks")
        run(cursor, plan_batch_locks())
    cursor.execute(_KEEP_OUT_MIGRATIONS)


@contextmanager
def busy_errors(connection: Connection, contract: Contract) -> Iterator[None]:
    """Turns errors into the pipeline's; one about a lock names who holds it."""
    from psycopg2 import errors

    with database_errors():
        try:
            yield
        except errors.LockNotAvailable as error:
            raise DatabaseBusyError(locked_message(connection, contract)) from error
