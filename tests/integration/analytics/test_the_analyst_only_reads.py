"""The role for people and their tools: it sees the table and its views, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from functions.migrate.migration import migrate
from telemetry.database import Credentials
from telemetry.errors import ConfigurationError
from tests.fixtures.telemetry_database import CONTRACT, TABLE, TelemetryDatabase

ANALYST = Credentials("telemetry_analyst", "only-reads")
VIEWS = ("latest", "hourly", "daily", "gaps", "quality", "quality_daily", "rejects")


@pytest.fixture
def analyst(empty_database: TelemetryDatabase) -> Iterator[Any]:
    with closing(empty_database.connect_owner()) as owner:
        for _ in range(2):
            migrate(owner, CONTRACT, empty_database.loader, ANALYST)
    empty_database.query(f"INSERT INTO {TABLE} VALUES ('a', '2026-11-23T06:00:00Z', 1.5, 'x')")
    empty_database.query("CREATE TABLE telemetry.secrets AS SELECT 1 AS x")
    dsn = empty_database.server.dsn(ANALYST.username, ANALYST.password)
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        yield connection.cursor()


def test_it_reads_the_table_and_every_view(analyst: Any) -> None:
    analyst.execute("SELECT device_id, value FROM readings")
    assert analyst.fetchall() == [("a", 1.5)]
    for view in VIEWS:
        analyst.execute(f"SELECT * FROM telemetry.readings_{view}")
        analyst.fetchall()
    analyst.execute("SELECT value_avg FROM readings_hourly")
    assert analyst.fetchall() == [(1.5,)]


FORBIDDEN = (
    f"INSERT INTO {TABLE} VALUES ('b', now(), 1, NULL)",
    f"UPDATE {TABLE} SET value = 0",
    f"DELETE FROM {TABLE}",
    f"TRUNCATE {TABLE}",
    f"ALTER TABLE {TABLE} ADD x int",
    "DROP VIEW telemetry.readings_latest",
    "CREATE TABLE telemetry.mine (x int)",
    "CREATE TABLE public.mine (x int)",
    "SELECT * FROM etl.ledger",
    'SELECT * FROM etl."telemetry.readings.hourly"',
    'SELECT * FROM etl."telemetry.readings.marks"',
    """SELECT etl."telemetry.readings.refresh"(1, interval '0')""",
    "SELECT * FROM telemetry.secrets",
    "SELECT rolpassword FROM pg_authid",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY telemetry.readings TO PROGRAM 'true'",
    "CREATE ROLE mine",
    "SET ROLE telemetry_loader",
)


@pytest.mark.parametrize("tries_to_write", [False, True])
def test_it_does_nothing_else(analyst: Any, tries_to_write: bool) -> None:
    """What holds it is what it was granted; the read-only setting is there for slips."""
    if tries_to_write:
        analyst.execute("SET default_transaction_read_only = off")
    allowed = []
    for statement in FORBIDDEN:
        try:
            analyst.execute(statement)
        except psycopg2.errors.InsufficientPrivilege:
            continue
        except psycopg2.errors.ReadOnlySqlTransaction:
            assert not tries_to_write, statement
            continue
        allowed.append(statement)
    assert allowed == []


def test_its_queries_end_and_its_connections_are_few(
    analyst: Any, empty_database: TelemetryDatabase
) -> None:
    for name, value in (
        ("default_transaction_read_only", "on"),
        ("statement_timeout", "2min"),
        ("idle_in_transaction_session_timeout", "5min"),
    ):
        analyst.execute(f"SHOW {name}")
        assert analyst.fetchone() == (value,)
    limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'telemetry_analyst'"
    assert empty_database.query(limit) == [(20,)]


def test_a_view_made_anew_is_still_read(analyst: Any, empty_database: TelemetryDatabase) -> None:
    empty_database.query("DROP VIEW telemetry.readings_quality CASCADE")
    with closing(empty_database.connect_owner()) as owner:
        migrate(owner, CONTRACT, empty_database.loader, ANALYST)
    analyst.execute("SELECT count(*) FROM telemetry.readings_quality")
    assert analyst.fetchone() == (0,)


def test_the_owner_can_not_be_the_analyst(empty_database: TelemetryDatabase) -> None:
    owner_as_analyst = Credentials(empty_database.server.owner, "x")
    with closing(empty_database.connect_owner()) as owner:
        with pytest.raises(ConfigurationError, match="such as telemetry_analyst"):
            migrate(owner, CONTRACT, empty_database.loader, owner_as_analyst)
