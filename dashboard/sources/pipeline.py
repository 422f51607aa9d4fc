"""The deployed pipeline: AWS clients with short timeouts, and a read-only database connection.

The control room must not disturb the pipeline: every query runs in a read-only transaction with a
time limit, over a few connections, however many pages are open.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from etl.aws.target import Service, Target

if TYPE_CHECKING:
    from botocore.config import Config
    from psycopg2.extensions import connection as Connection

    from telemetry.contract import Contract

__all__ = ["Database", "Pipeline", "ShortTimeoutTarget", "contract_named"]

CONNECTIONS = 3
CONNECT_SECONDS = 3
QUERY_SECONDS = 5.0
REFRESH_SECONDS = 10.0
"""Seconds that a stack's outputs and its contract are kept; a deployment changes them."""
SERVICES: tuple[Service, ...] = (
    "cloudformation", "cloudwatch", "lambda", "s3", "scheduler", "secretsmanager", "sqs",
    "stepfunctions", "sts", "xray",
)  # fmt: skip


@dataclass(frozen=True)
class ShortTimeoutTarget(Target):
    """A target whose requests fail early where nothing answers, because a page waits for them."""

    @property
    def _client_config(self) -> Config:
        from botocore.config import Config

        return Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=20,
            retries={"total_max_attempts": 1 if self.local else 3, "mode": "standard"},
            max_pool_connections=20,
        )


def _with_short_timeouts(target: Target) -> Target:
    """The target with clients of its own.

    All of them are created here: creating a client is not thread-safe, using one is.
    """
    made = ShortTimeoutTarget(
        target.stack, target.region, target.profile, target.state, target.local
    )
    for service in SERVICES:
        made.client(service)
    return made


def contract_named(pipeline: Pipeline, name: str | None) -> Contract:
    """The contract of that name; the first one without a name."""
    target = pipeline.target
    return target.contract if name is None else target.contracts.named(name)


class Database:
    """Read-only queries of PostgreSQL, each with a time limit, over a few connections."""

    def __init__(self, pipeline: Pipeline, dsn: str | None) -> None:
        self._pipeline, self._dsn = pipeline, dsn
        self._free: list[Connection] = []
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(CONNECTIONS)

    def query(
        self,
        sql: str,
        values: Sequence[Any] | Mapping[str, Any] = (),
        *,
        seconds: float | None = None,
    ) -> list[dict[str, Any]]:
        """Rows as dicts, within :data:`QUERY_SECONDS` unless another time is given.

        Raises ``psycopg2.Error``, a timeout as ``QueryCanceled``.
        """
        import psycopg2

        seconds = QUERY_SECONDS if seconds is None else seconds
        with self._slots:
            connection, reused = self._checkout()
            try:
                rows = self._execute(connection, sql, values, seconds)
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                # The server may have closed an idle connection; a new one shows whether it is up.
                if not reused or not connection.closed:
                    raise
                connection, _ = self._checkout()
                rows = self._execute(connection, sql, values, seconds)
            with self._lock:
                self._free.append(connection)
            return rows

    def _execute(
        self,
        connection: Connection,
        sql: str,
        values: Sequence[Any] | Mapping[str, Any],
        seconds: float,
    ) -> list[dict[str, Any]]:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = %s", (int(seconds * 1000),))
                cursor.execute(sql, values or None)
                names = [column.name for column in cursor.description or ()]
                rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            connection.rollback()  # nothing was changed; ends the SET LOCAL
            return rows
        except BaseException:
            self._discard(connection)
            raise

    def _checkout(self) -> tuple[Connection, bool]:
        """A connection, and whether it has been used before."""
        with self._lock:
            if self._free:
                return self._free.pop(), True
        return self._connect(), False

    def _connect(self) -> Connection:
        import psycopg2

        settings: dict[str, Any] = {} if self._dsn else self._pipeline.target.database_settings()
        settings |= {"application_name": "etl dashboard", "connect_timeout": CONNECT_SECONDS}
        connection: Connection = psycopg2.connect(self._dsn, **settings)
        with connection, connection.cursor() as cursor:
            # In another zone the first or the last hours of time have a year that Python has not.
            cursor.execute("SET TIME ZONE 'UTC'")
        connection.set_session(readonly=True)
        return connection

    def _discard(self, connection: Connection) -> None:
        """Close a connection that failed; where the server closed it, close the idle ones, too."""
        closing = [connection]
        with self._lock:
            if connection.closed:
                closing, self._free = [connection, *self._free], []
        for one in closing:
            one.close()

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            idle, self._free = self._free, []
        for connection in idle:
            connection.close()


class Pipeline:
    """One deployed pipeline."""

    def __init__(self, target: Target, dsn: str | None = None) -> None:
        """``dsn`` names another way to the database than the stack's parameters and secret."""
        self._target = _with_short_timeouts(target)
        self._fresh_until = 0.0
        self._lock = threading.Lock()
        self.database = Database(self, dsn)

    @property
    def target(self) -> Target:
        """The target, its outputs, parameters and contract never older than a few seconds."""
        with self._lock:
            if time.monotonic() > self._fresh_until:
                self._target = self._reread()
                self._fresh_until = time.monotonic() + REFRESH_SECONDS
            return self._target

    def _reread(self) -> Target:
        """The same stack, with nothing read from it yet.

        On this machine it may have been restarted, and then listens on other ports.
        """
        if self._target.local is not None:
            from local.stack import read

            found = read(self._target.state)
            if found is not None and found != self._target.local:
                self.database.close()
                return _with_short_timeouts(replace(self._target, local=found))
        return replace(self._target)  # with the same clients

    def refresh(self) -> None:
        """Read the stack's outputs and contract again with the next question."""
        self._fresh_until = 0.0
