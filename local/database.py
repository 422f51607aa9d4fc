"""The telemetry database on the laptop's PostgreSQL: its address, its owner, and its superuser.

The passwords are files in the server's folder, made with mode 0600 where they do not exist.
"""

from __future__ import annotations

import os
import secrets
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from local.database_access import restrict_database, restrict_databases
from local.ports import HOST

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

__all__ = [
    "DATABASE_NAME",
    "OWNER",
    "OWNER_PASSWORD",
    "SUPERUSER",
    "SUPERUSER_PASSWORD",
    "Database",
    "ensure_database",
    "password_in",
    "prepare_database",
    "superuser_connection",
]

DATABASE_NAME = "telemetry"
OWNER = "telemetry_owner"
SUPERUSER = "postgres"
OWNER_PASSWORD = "owner_password"  # noqa: S105 - the file's name
SUPERUSER_PASSWORD = "superuser_password"  # noqa: S105 - the file's name

CONNECT_SECONDS = 60
"""A server of this machine answers or refuses at once, unless the machine stands still."""


@dataclass(frozen=True)
class Database:
    """Address of the telemetry database, with its owner's login."""

    host: str
    port: int
    name: str
    owner: str
    owner_password_file: Path
    tls_port: int = 0
    """Port that accepts TLS connections only; 0 where there is none."""
    ca_file: Path | None = None
    """Certificate of the authority that clients of ``tls_port`` verify the server with."""

    @property
    def owner_password(self) -> str:
        """The owner's password, read from its file."""
        return self.owner_password_file.read_text(encoding="utf-8").strip()

    def dsn(self, user: str | None = None, password: str | None = None) -> str:
        """A libpq connection string; of the owner where no user is given."""
        if user is None:
            user, password = self.owner, self.owner_password
        parts = {"host": self.host, "port": self.port, "dbname": self.name, "user": user}
        if password is not None:
            parts["password"] = password
        return " ".join(f"{key}={value}" for key, value in parts.items())


def ensure_database(database: Database, name: str) -> None:
    """Create another database on the same server, with the same owner, unless it exists."""
    from psycopg2 import sql

    connect = partial(superuser_connection, database.port, database.owner_password_file.parent)
    with closing(connect("postgres")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        if cursor.fetchone() is None:
            statement = sql.SQL("CREATE DATABASE {} OWNER {}")
            names = sql.Identifier(name), sql.Identifier(database.owner)
            cursor.execute(statement.format(*names))
    restrict_database(connect, name)


def prepare_database(port: int, folder: Path) -> None:
    """Create the owner role and the database, and set the password that the file has."""
    from psycopg2 import sql

    password = sql.Literal(password_in(folder / OWNER_PASSWORD))
    owner, name = sql.Identifier(OWNER), sql.Identifier(DATABASE_NAME)
    connect = partial(superuser_connection, port, folder)
    with closing(connect("postgres")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (OWNER,))
        verb = sql.SQL("ALTER" if cursor.fetchone() else "CREATE")
        statement = sql.SQL("{} ROLE {} LOGIN CREATEROLE PASSWORD {}")
        cursor.execute(statement.format(verb, owner, password))
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE_NAME,))
        if not cursor.fetchone():
            cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, owner))
    restrict_databases(connect)


def superuser_connection(
    port: int, folder: Path, database: str, *, seconds: int = CONNECT_SECONDS
) -> Connection:
    """A connection of the superuser that commits each statement by itself.

    Raises ``psycopg2.OperationalError`` after so many seconds without an answer.
    """
    import psycopg2

    connection = psycopg2.connect(
        host=HOST,
        port=port,
        dbname=database,
        user=SUPERUSER,
        password=password_in(folder / SUPERUSER_PASSWORD),
        connect_timeout=seconds,
    )
    connection.autocommit = True
    return connection


def password_in(file: Path) -> str:
    """The password in the file, which is created with mode 0600 where it does not exist."""
    if not file.exists():
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8") as out:
            out.write(secrets.token_urlsafe(24))
    return file.read_text(encoding="utf-8").strip()
