"""Names who holds the locks that a migration waited for in vain, and ends what is overdue."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from telemetry.contract import Contract
from telemetry.ddl import qualified, quote_name
from telemetry.ddl.analytics import LONGEST_READ_SECONDS
from telemetry.logs import log

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

__all__ = ["end_overdue_sessions", "locked_message"]

MOST_NAMED = 5
ENDING_MILLISECONDS = 5000
"""Longest wait for the end of one session."""

# Each column is one that PostgreSQL shows to every role, except for the start of a transaction,
# which an owner without pg_read_all_stats sees of its own sessions alone.
_HOLDERS = """
SELECT pid, usename, application_name, min(xact_start) AS since
FROM pg_locks JOIN pg_stat_activity USING (pid)
LEFT JOIN pg_class ON pg_class.oid = relation
LEFT JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE granted AND pid <> pg_backend_pid()
  AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND nspname IN (%s, 'etl')
GROUP BY pid, usename, application_name ORDER BY since NULLS LAST, pid"""


_END_OVERDUE = """
SELECT pid, pg_terminate_backend(pid, %s) FROM pg_stat_activity
WHERE usename = %s AND xact_start < clock_timestamp() - make_interval(secs => %s)
  AND pid IN (
    SELECT pid FROM pg_locks
    JOIN pg_class ON pg_class.oid = relation
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE granted AND nspname IN (%s, 'etl')
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""


def end_overdue_sessions(connection: Connection, contract: Contract, analyst: str) -> int:
    """Ends the analyst's sessions that hold locks here in a transaction that is older than
    :data:`LONGEST_READ_SECONDS`; returns how many ended.

    The limits of the role are defaults, which a session may change. Whoever does could keep every
    migration out. The owner may end sessions of a role that it is a member of, which it is only
    in this transaction.
    """
    from psycopg2 import errors

    values = (ENDING_MILLISECONDS, analyst, LONGEST_READ_SECONDS, contract.schema)
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"GRANT {quote_name(analyst)} TO CURRENT_USER")
            cursor.execute(_END_OVERDUE, values)
            ended = [pid for pid, done in cursor.fetchall() if done]
        except (errors.InsufficientPrivilege, errors.UndefinedObject) as error:
            log.warning("The analyst's sessions can't be ended", reason=str(error).strip())
            ended = []
    connection.rollback()
    if ended:
        log.warning("Ended sessions of the analyst that held locks for too long", pids=ended)
    return len(ended)


def locked_message(connection: Connection, contract: Contract) -> str:
    """Sentences about a lock that was not granted in time, and who holds locks now: pid, role,
    application and start of the transaction (UTC) of each session.

    ``connection`` must be in no transaction.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute(_HOLDERS, (contract.schema,))
        found = cursor.fetchall()
    who = "; ".join(_holder(*row) for row in found[:MOST_NAMED]) or "no session by now"
    more = f"; {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return (
        f"{qualified(contract)}, or what belongs to it, is locked, so nothing was migrated. Locks "
        f"are held by {who}{more}. A lock ends with its transaction; the owner ends a session by "
        "SELECT pg_terminate_backend(pid)."
    )


def _holder(pid: int, role: str | None, application: str | None, since: datetime | None) -> str:
    name = application or "no application name"
    start = f", since {since.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}" if since is not None else ""
    return f"pid {pid} ({name}, role {role or 'unknown'}{start})"
