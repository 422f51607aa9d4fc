"""Takes from PUBLIC what PostgreSQL gives to every role: databases and large objects.

A login of a pipeline, such as the loader's, then connects to the databases that it was granted, and
to no other, and can't fill the disk with objects that no table of the pipeline refers to. On a
server of Amazon RDS only its owner could do so: functions of the catalogue belong to AWS there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

__all__ = ["restrict_database", "restrict_databases"]

_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1"
_MAKERS = """
SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace
  AND proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import')"""
"""All functions that make a large object."""


def restrict_databases(connect: Callable[[str], Connection]) -> None:
    """Restricts every database of the server; ``connect`` takes a name, and connects to that one
    as a superuser, with each statement committed by itself."""
    with closing(connect("postgres")) as connection, connection.cursor() as cursor:
        cursor.execute(_DATABASES)
        names = [name for (name,) in cursor.fetchall()]
    for name in names:
        restrict_database(connect, name)


def restrict_database(connect: Callable[[str], Connection], name: str) -> None:
    """Restricts one database; nothing changes where it has been done before."""
    from psycopg2 import sql

    with closing(connect(name)) as connection, connection.cursor() as cursor:
        statement = sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC")
        cursor.execute(statement.format(sql.Identifier(name)))
        cursor.execute(_MAKERS)
        [(makers,)] = cursor.fetchall()
        cursor.execute(f"REVOKE EXECUTE ON FUNCTION {makers} FROM PUBLIC")
