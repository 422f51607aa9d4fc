"""The loader loads and no more; the analyst reads, and holds up neither loads nor migrations."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg2
import pytest

from functions.load.loading import load_batch
from functions.migrate import lock_holders, migration_lock
from functions.migrate.migration import migrate
from local.database import ensure_database
from telemetry.database import Credentials
from telemetry.ddl import BATCH_LOCKS, load_lock
from telemetry.errors import DatabaseBusyError, SchemaBehindError
from tests.fixtures.telemetry_database import (
    CONTRACT,
    KEEP_LAST,
    TABLE,
    MemoryCopy,
    TelemetryDatabase,
    column,
    make_batch,
    make_copy,
)

ANALYST = Credentials("telemetry_analyst", "reads")
WIDER = replace(CONTRACT, columns=(*CONTRACT.columns, column("more", "text")))
LOCKS = (BATCH_LOCKS, load_lock(CONTRACT), '"etl"."telemetry.readings.refreshed"')


@pytest.fixture
def pipeline(empty_database: TelemetryDatabase) -> TelemetryDatabase:
    with closing(empty_database.connect_owner()) as owner:
        migrate(owner, CONTRACT, empty_database.loader, ANALYST)
    return empty_database


def connect(database: TelemetryDatabase, user: Credentials) -> Any:
    connection = psycopg2.connect(database.server.dsn(user.username, user.password))
    connection.autocommit = True
    return connection


@pytest.fixture(params=["loader", "analyst"])
def session(request: Any, pipeline: TelemetryDatabase) -> Iterator[Any]:
    user = pipeline.loader if request.param == "loader" else ANALYST
    with closing(connect(pipeline, user)) as connection:
        cursor = connection.cursor()
        cursor.execute("SET default_transaction_read_only = off")
        yield cursor


def load(database: TelemetryDatabase, batch_id: str, contract: Any = CONTRACT) -> int:
    content, groups = make_copy([("a", 1, 1.0, None), ("b", 1, 1.0, None)])
    with closing(database.connect_loader()) as connection:
        batch = make_batch(batch_id, 2)
        loaded = load_batch(
            connection, contract, batch, MemoryCopy(content), lambda: groups, seconds=240
        )
    return loaded.entry.inserted


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT lo_create(0)",
        "SELECT lo_creat(-1)",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT lo_import('/etc/passwd')",
        "ALTER ROLE CURRENT_USER CREATEDB",
        "ALTER ROLE CURRENT_USER CREATEROLE",
        "ALTER ROLE CURRENT_USER CONNECTION LIMIT -1",
        "ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'",
        "CREATE DATABASE mine",
        "DELETE FROM etl.batch_locks",
        "TRUNCATE etl.batch_locks",
    ],
)
def test_neither_login_may_do_more_than_its_work(session: Any, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        session.execute(statement)


@pytest.mark.parametrize("database", ["postgres", "template1", "of_another_pipeline"])
def test_neither_login_connects_to_another_database(
    pipeline: TelemetryDatabase, database: str
) -> None:
    ensure_database(pipeline.server, "of_another_pipeline")
    for user in (pipeline.loader, ANALYST):
        dsn = pipeline.server.dsn(user.username, user.password)
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            psycopg2.connect(dsn, dbname=database)


def test_what_a_login_changes_about_itself_ends_with_the_next_migration(
    pipeline: TelemetryDatabase,
) -> None:
    """PostgreSQL lets each role change its own password and the settings of its sessions."""
    changes = (
        "ALTER ROLE CURRENT_USER SET search_path = pg_temp",
        "ALTER ROLE CURRENT_USER SET statement_timeout = 1",
        "ALTER ROLE CURRENT_USER IN DATABASE telemetry SET default_transaction_read_only = on",
        "ALTER ROLE CURRENT_USER PASSWORD 'stolen'",
    )
    with closing(connect(pipeline, pipeline.loader)) as connection:
        with connection.cursor() as cursor:
            for statement in changes:
                cursor.execute(statement)
    pipeline.migrate()
    found = pipeline.query(
        "SELECT setconfig FROM pg_db_role_setting JOIN pg_roles ON pg_roles.oid = setrole "
        "WHERE rolname = 'telemetry_loader'"
    )
    assert found == []
    assert load(pipeline, "one") == 2


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("mode", ["ACCESS SHARE", "ROW SHARE", "EXCLUSIVE"])
def test_the_analyst_can_take_no_lock_of_the_loads(
    pipeline: TelemetryDatabase, lock: str, mode: str
) -> None:
    with closing(connect(pipeline, ANALYST)) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN READ WRITE")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(f"LOCK TABLE {lock} IN {mode} MODE")


@pytest.mark.parametrize("mode", ["ROW SHARE", "ROW EXCLUSIVE", "SHARE", "ACCESS EXCLUSIVE"])
def test_the_analyst_locks_the_table_for_reading_alone(
    pipeline: TelemetryDatabase, mode: str
) -> None:
    with closing(connect(pipeline, ANALYST)) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN READ WRITE")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(f"LOCK TABLE {TABLE} IN {mode} MODE")


@pytest.mark.parametrize("contract", [CONTRACT, KEEP_LAST], ids=["shared", "exclusive"])
def test_no_advisory_lock_stops_a_load(pipeline: TelemetryDatabase, contract: Any) -> None:
    """The numbers are those that loads took once, for everybody to see in ``pg_locks``."""
    with closing(connect(pipeline, ANALYST)) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT count(*) FROM {TABLE}")
        for first, name in ((32285, "one"), (32286, TABLE), (32287, TABLE)):
            cursor.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (first, name))
        cursor.execute("SELECT pg_advisory_lock(hashtext('telemetry migrate'))")
        assert load(pipeline, "one", contract) == 2
        assert load(pipeline, "two", contract) == 0
        assert pipeline.migrate(contract).table == []


def test_a_transaction_of_an_analyst_holds_up_a_migration_for_a_limited_time(
    pipeline: TelemetryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = [part.replace("'10s'", "'100ms'") for part in migration_lock._PREPARE]
    monkeypatch.setattr(migration_lock, "_PREPARE", tuple(short))
    monkeypatch.setattr(lock_holders, "ENDING_MILLISECONDS", 120_000)
    with closing(connect(pipeline, ANALYST)) as connection, connection.cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0")
        cursor.execute(f"BEGIN; SELECT count(*) FROM {TABLE}")
        with closing(pipeline.connect_owner()) as owner:
            with pytest.raises(DatabaseBusyError, match="role telemetry_analyst"):
                migrate(owner, WIDER, pipeline.loader, ANALYST)
            cursor.execute("SELECT 1")  # younger than the limit: it was left alone
            monkeypatch.setattr(lock_holders, "LONGEST_READ_SECONDS", 0)
            done = migrate(owner, WIDER, pipeline.loader, ANALYST)
        assert any('"more"' in statement for statement in done.table)
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("SELECT 1")
    member = "SELECT pg_has_role('telemetry_owner', 'telemetry_analyst', 'USAGE')"
    assert pipeline.query(member) == [(False,)]


def test_other_sessions_are_never_ended(
    pipeline: TelemetryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_holders, "LONGEST_READ_SECONDS", 0)
    with (
        closing(pipeline.connect_loader()) as loading,
        closing(pipeline.connect_owner()) as owner,
        loading.cursor() as cursor,
    ):
        cursor.execute(f"SELECT count(*) FROM {TABLE}")
        assert lock_holders.end_overdue_sessions(owner, CONTRACT, ANALYST.username) == 0
        cursor.execute("SELECT 1")


def test_a_missing_slot_stops_the_load_and_the_migration_adds_it(
    pipeline: TelemetryDatabase,
) -> None:
    pipeline.query(f"DELETE FROM {BATCH_LOCKS}")
    with pytest.raises(SchemaBehindError, match="deploy again"):
        load(pipeline, "one")
    pipeline.migrate()
    assert load(pipeline, "one") == 2


def test_two_first_migrations_at_once_both_succeed(
    empty_database: TelemetryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CREATE ... IF NOT EXISTS is not atomic: the second one waits, and tries again."""
    patient = [part.replace("'10s'", "'240s'") for part in migration_lock._PREPARE]
    monkeypatch.setattr(migration_lock, "_PREPARE", tuple(patient))
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda _: empty_database.migrate(), range(2)))
    assert sorted(bool(done.table) for done in found) == [False, True]
