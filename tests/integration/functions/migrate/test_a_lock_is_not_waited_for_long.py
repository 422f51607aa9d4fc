"""Somebody keeps a lock: the migration gives up with nothing changed, and says who it is."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import psycopg2
import pytest

from functions.migrate import migration_lock
from telemetry.errors import DatabaseBusyError
from tests.fixtures.telemetry_database import CONTRACT, TABLE, TelemetryDatabase, column

WIDER = replace(CONTRACT, columns=(*CONTRACT.columns, column("more", "text")))


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    short = [part.replace("'10s'", "'100ms'") for part in migration_lock._PREPARE]
    assert tuple(short) != migration_lock._PREPARE
    monkeypatch.setattr(migration_lock, "_PREPARE", tuple(short))


def columns(database: TelemetryDatabase) -> set[str]:
    found = database.query(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", TABLE
    )
    return {row[0] for row in found}


def test_a_reader_is_named_and_nothing_is_changed(database: TelemetryDatabase) -> None:
    before = columns(database)
    dsn = database.server.dsn()
    with closing(psycopg2.connect(dsn, application_name="a long report")) as reader:
        with reader.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {TABLE}")
            pid = reader.info.backend_pid
            with pytest.raises(DatabaseBusyError) as failed:
                database.migrate(WIDER)
        assert f"pid {pid} (a long report, role {reader.info.user}, since 20" in str(failed.value)
        assert "nothing was migrated" in str(failed.value)
        assert columns(database) == before
        reader.rollback()
        database.migrate(WIDER)
    assert columns(database) == {*before, "more"}


def test_a_session_of_another_role_is_named_too(database: TelemetryDatabase) -> None:
    with (
        closing(database.connect_loader(application_name="a load")) as load,
        closing(database.connect_owner()) as owner,
    ):
        with load.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {TABLE}")
        found = migration_lock.locked_message(owner, CONTRACT)
        assert f"pid {load.info.backend_pid} (a load, role telemetry_loader" in found
