"""The pipeline that is looked at: AWS clients that give up soon, and a database that only reads.

Nothing here may harm what it looks at: every query runs in a read-only transaction with a time
limit, and only few connections are open at once, however many pages are.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from etl.aws.target import Target

__all__ = ["Database", "HastyTarget", "Pipeline"]

CONNECTIONS = 3
CONNECT_SECONDS = 3
QUERY_SECONDS = 5.0
DESCRIBED_SECONDS = 10.0
"""How long a stack's outputs and its contract are taken for true: a deployment changes them."""
SERVICES = (
    "cloudformation", "cloudwatch", "s3", "secretsmanager", "sqs", "stepfunctions", "sts", "xray",
)  # fmt: skip


@dataclass(frozen=True)
class HastyTarget(Target):
    """A target whose calls end soon where nobody answers: a person waits for the page."""

    @property
    def _client_config(self) -> Any:
        from botocore.config import Config

        return Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=20,
            retries={"total_max_attempts": 1 if self.local else 3, "mode": "standard"},
            max_pool_connections=20,
        )


def _hasty(target: Target) -> Target:
    """The target with clients of its own, all made: that is not safe in threads, using them is."""
    made = HastyTarget(target.stack, target.region, target.profile, target.state, target.local)
    for service in SERVICES:
        made.client(service)
    return made


class Database:
    """Questions to PostgreSQL: read-only, each with a time limit, few at once."""

    def __init__(self, pipeline: Pipeline, dsn: str | None) -> None:
        self._pipeline, self._dsn = pipeline, dsn
        self._free: list[Any] = []
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(CONNECTIONS)

    def query(
        self, sql: str, values: Any = (), *, seconds: float = QUERY_SECONDS
    ) -> list[dict[str, Any]]:
        """Rows as dicts. Raises ``psycopg2.Error``, a timeout as ``QueryCanceled``."""
        import psycopg2

        with self._places:
            connection, kept = self._taken()
            try:
                rows = self._asked(connection, sql, values, seconds)
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                # One that lay idle may have been cut meanwhile; a new one tells whether it is away.
                if not kept or not connection.closed:
                    raise
                connection, _ = self._taken()
                rows = self._asked(connection, sql, values, seconds)
            with self._lock:
                self._free.append(connection)
            return rows

    def _asked(
        self, connection: Any, sql: str, values: Any, seconds: float
    ) -> list[dict[str, Any]]:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = %s", (int(seconds * 1000),))
                cursor.execute(sql, values or None)
                names = [column.name for column in cursor.description]
                rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            connection.rollback()  # nothing was changed; ends the SET LOCAL
            return rows
        except BaseException:
            self._given_up(connection)
            raise

    def _taken(self) -> tuple[Any, bool]:
        """A connection, and whether it was used before."""
        with self._lock:
            if self._free:
                return self._free.pop(), True
        return self._connected(), False

    def _connected(self) -> Any:
        import psycopg2

        settings: dict[str, Any] = {} if self._dsn else self._pipeline.target.database_settings()
        settings |= {"application_name": "etl dashboard", "connect_timeout": CONNECT_SECONDS}
        connection = psycopg2.connect(self._dsn, **settings)
        connection.set_session(readonly=True)
        return connection

    def _given_up(self, connection: Any) -> None:
        """Close one that failed; where the server cut it, those that lie idle are cut, too."""
        gone = [connection]
        with self._lock:
            if connection.closed:
                gone, self._free = [connection, *self._free], []
        for one in gone:
            one.close()

    def close(self) -> None:
        """Close all that are not in use."""
        with self._lock:
            gone, self._free = self._free, []
        for connection in gone:
            connection.close()


class Pipeline:
    """One deployed pipeline, as the pages ask for it."""

    def __init__(self, target: Target, dsn: str | None = None) -> None:
        """``dsn`` names another way to the database than the stack's parameters and secret."""
        self._target = _hasty(target)
        self._until = 0.0
        self._lock = threading.Lock()
        self.database = Database(self, dsn)

    @property
    def target(self) -> Target:
        """The target, its outputs, parameters and contract never older than a few seconds."""
        with self._lock:
            if time.monotonic() > self._until:
                self._target = self._now()
                self._until = time.monotonic() + DESCRIBED_SECONDS
            return self._target

    def _now(self) -> Target:
        """The same stack, of which nothing has been read yet.

        On this machine it may have been started anew since, and then listens on other ports.
        """
        if self._target.local is not None:
            from local.stack import read

            found = read(self._target.state)
            if found is not None and found != self._target.local:
                self.database.close()
                return _hasty(replace(self._target, local=found))
        return replace(self._target)  # with the same clients

    def forget(self) -> None:
        """Look at the stack anew with the next question."""
        self._until = 0.0
