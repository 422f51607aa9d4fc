"""Connections to PostgreSQL, with errors of our own tree and secrets that stay secret.

psycopg2 lives in the postgres layer and is imported when a connection is made: the shared layer
holds this module for functions that never use it.

SQLSTATE decides what an error is (``SQLSTATES`` below); the server's text is in the message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from telemetry.clients import calling, client
from telemetry.errors import (
    ConfigurationError,
    DatabaseBusyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    TelemetryError,
)
from telemetry.settings import DatabaseSettings

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

__all__ = [
    "Credentials",
    "connect",
    "connect_as",
    "credentials",
    "database_errors",
    "forget_credentials",
    "version_credentials",
]

CONNECT_SECONDS = 5

SQLSTATES: dict[str, type[TelemetryError]] = {
    "08": DatabaseUnavailableError,  # connection exception
    "25006": DatabaseUnavailableError,  # read-only: a fail-over left us on the old primary
    "25P03": DatabaseUnavailableError,  # idle in transaction for too long: the session is gone
    "40": DatabaseBusyError,  # deadlock, serialisation failure
    "53": DatabaseUnavailableError,  # out of connections, memory, disk
    "55006": DatabaseBusyError,  # object in use
    "55P03": DatabaseBusyError,  # lock timeout
    "57014": DatabaseBusyError,  # statement timeout
    "57P": DatabaseUnavailableError,  # shutting down, starting, dropped
    "58": DatabaseUnavailableError,  # the server's own files or system
}
"""Errors by longest prefix; any other is permanent (data, constraint, syntax, role)."""

# A failed login carries no SQLSTATE in psycopg2, only text. What isn't recognised counts as
# unavailable, which is retried a few times before it is reported.
_REFUSED_LOGINS = {
    "authentication failed": "28P01",  # also where the role doesn't exist
    'role ".*" (does not exist|is not permitted to log in)': "28000",
    "permission denied for database": "42501",
    "does not exist": "3D000",  # the database
    "no password supplied": "",
    "no pg_hba.conf entry": "28000",
    "server does not support SSL": "",
    "certificate verify failed": "",
    "root certificate file": "",
    "does not match host name": "",
}
"""SQLSTATE by a pattern in the text; the first that matches. Empty: libpq gave up by itself."""

_cache: dict[str, Credentials] = {}


@dataclass(frozen=True)
class Credentials:
    """User and password of a connection; ``repr`` hides the password."""

    username: str
    password: str = field(repr=False)


def credentials(secret: str, *, fresh: bool = False) -> Credentials:
    """The user of a secret (JSON with ``username`` and ``password``), cached per process."""
    if fresh or secret not in _cache:
        with calling("secretsmanager", f"read the secret {secret}"):
            answer = client("secretsmanager").get_secret_value(SecretId=secret)
        _cache[secret] = _parse(secret, answer.get("SecretString", ""))
    return _cache[secret]


def version_credentials(secret: str, version: str) -> Credentials:
    """The user of one version of the secret, which a rotation has made; never cached."""
    with calling("secretsmanager", f"read version {version} of the secret {secret}"):
        answer = client("secretsmanager").get_secret_value(SecretId=secret, VersionId=version)
    return _parse(secret, answer.get("SecretString", ""))


def forget_credentials() -> None:
    """Drops all cached credentials."""
    _cache.clear()


def connect(settings: DatabaseSettings, secret: str, application: str) -> Connection:
    """A new psycopg2 connection as the user of the secret.

    Where the login fails with credentials from the cache, the secret is read again, since it may
    have been rotated while this process was warm.
    """
    cached = secret in _cache
    user = credentials(secret)
    try:
        return connect_as(settings, user, application)
    except (DatabaseRefusedError, DatabaseUnavailableError):
        if not cached or (fresh := credentials(secret, fresh=True)) == user:
            raise
        return connect_as(settings, fresh, application)


@contextmanager
def database_errors() -> Iterator[None]:
    """Turns psycopg2's errors into the pipeline's, by SQLSTATE, with the original chained."""
    import psycopg2

    try:
        yield
    except psycopg2.Error as error:
        code = error.pgcode or ""
        lost = not code and isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
        kind = DatabaseUnavailableError if lost else _kind(code)
        message = f"PostgreSQL: {str(error).strip()} [SQLSTATE {code or 'none'}]"
        if kind is DatabaseRefusedError:
            raise DatabaseRefusedError(message, code) from error
        raise kind(message) from error


def connect_as(settings: DatabaseSettings, user: Credentials, application: str) -> Connection:
    """A new psycopg2 connection as this user."""
    import psycopg2

    try:
        return psycopg2.connect(
            host=settings.host,
            port=settings.port,
            dbname=settings.name,
            user=user.username,
            password=user.password,
            sslmode=settings.sslmode,
            sslrootcert=settings.sslrootcert,
            connect_timeout=CONNECT_SECONDS,
            application_name=application,
            # A fail-over leaves a dead peer that never answers: notice within half a minute.
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=4,
        )
    except psycopg2.OperationalError as error:
        where = f"{settings.host}:{settings.port}/{settings.name} as {user.username}"
        message = f"Could not connect to {where}: {str(error).strip()}"
        for text, sqlstate in _REFUSED_LOGINS.items():
            if re.search(text, str(error)):
                raise DatabaseRefusedError(message, sqlstate) from error
        raise DatabaseUnavailableError(message) from error


def _kind(code: str) -> type[TelemetryError]:
    for length in (5, 3, 2):
        if code[:length] in SQLSTATES:
            return SQLSTATES[code[:length]]
    return DatabaseRefusedError


def _parse(secret: str, value: str) -> Credentials:
    try:
        content = json.loads(value)
        return Credentials(str(content["username"]), str(content["password"]))
    except (ValueError, KeyError, TypeError):
        # Not chained: the parser's own error may quote the secret.
        raise ConfigurationError(
            f"The secret {secret} must be JSON with the members username and password."
        ) from None
