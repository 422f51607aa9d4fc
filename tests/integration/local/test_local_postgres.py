"""The laptop's PostgreSQL: passwords, roles, and what it is like to be started by root or not."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import psutil
import psycopg2
import pytest

from local.postgres import PostgresServer, binary
from tests.fixtures.local import state_folder


@pytest.fixture
def folder():
    with state_folder() as state:
        yield state / "postgres"


def rows(database, statement, **user):
    connection = psycopg2.connect(database.dsn(**user))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_it_is_version_18_and_durable(postgres):
    assert rows(postgres, "SHOW server_version")[0][0].startswith("18.")
    assert rows(
        postgres, "SELECT current_setting('fsync'), current_setting('synchronous_commit')"
    ) == [("on", "on")]


def test_a_wrong_password_and_no_password_are_refused(postgres):
    for password in ("wrong", None):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            rows(postgres, "SELECT 1", user=postgres.owner, password=password)


def test_the_owner_is_no_superuser_but_makes_schemas_and_roles(postgres):
    rows(postgres, "CREATE SCHEMA made")
    rows(postgres, "CREATE ROLE made_loader LOGIN PASSWORD 'secret'")
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        rows(postgres, "SELECT 1", user="made_loader", password="secret")
    rows(postgres, "GRANT CONNECT ON DATABASE telemetry TO made_loader")
    rows(postgres, "GRANT USAGE ON SCHEMA made TO made_loader")
    assert rows(postgres, "SELECT current_user", user="made_loader", password="secret") == [
        ("made_loader",)
    ]
    assert rows(postgres, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [
        (False,)
    ]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        rows(postgres, "CREATE TABLE made.t (a int)", user="made_loader", password="secret")


def test_the_password_files_are_private(postgres):
    for name in ("owner_password", "superuser_password"):
        file = postgres.owner_password_file.with_name(name)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_callers_environment_does_not_reach_the_server(folder, monkeypatch):
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("LC_ALL", "no_such_locale")
    server = PostgresServer(folder)
    try:
        assert rows(server.start(), "SELECT 1") == [(1,)]
    finally:
        server.stop()


def test_a_lost_password_file_gets_a_new_password(folder):
    server = PostgresServer(folder)
    first = server.start().owner_password
    server.stop()
    (folder / "owner_password").unlink()
    try:
        database = server.start()
        assert database.owner_password != first
        assert rows(database, "SELECT 1") == [(1,)]
    finally:
        server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a choice of users")
def test_the_server_runs_as_whoever_owns_its_data(folder):
    server = PostgresServer(folder)
    server.start()
    server.stop()
    for path in (folder / "data", *(folder / "data").rglob("*")):
        os.chown(path, 65534, 65534)
    try:
        assert rows(server.start(), "SELECT 1") == [(1,)]
        assert psutil.Process(server.process.pid).uids().real == 65534
    finally:
        server.stop()


def as_nobody(program):
    """Run a program as an ordinary user; skips where that user can't reach the interpreter."""
    command = [sys.executable, "-c", program]
    try:
        return subprocess.run(
            command, user=65534, group=65534, check=False, capture_output=True, text=True
        )
    except PermissionError:
        pytest.skip("an ordinary user can't reach this interpreter")


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test runs as an ordinary user already")
def test_it_also_starts_for_an_ordinary_user():
    program = f"""
import sys, tempfile
sys.path.insert(0, {os.getcwd()!r})
from local.postgres import temporary_server
import psycopg2
with temporary_server() as database:
    psycopg2.connect(database.dsn()).close()
"""
    done = as_nobody(program)
    assert done.returncode == 0, done.stderr


def test_psql_is_among_the_programs():
    done = subprocess.run(
        [str(binary("psql")), "--version"], check=False, capture_output=True, text=True
    )
    assert done.stdout.startswith("psql (PostgreSQL) 18.")
