"""pgAdmin is told to ask nobody, and what is the user's own in it stays."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from etl.operations.pgadmin_servers import Server
from local.pgadmin import PgAdmin, PgAdminError, settings

TABLES = """
CREATE TABLE servergroup (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE server (id INTEGER PRIMARY KEY, servergroup_id INTEGER, name TEXT, host TEXT,
    port INTEGER, maintenance_db TEXT, username TEXT, connection_params TEXT);
CREATE TABLE user (id INTEGER PRIMARY KEY);
CREATE TABLE user_macros (id INTEGER PRIMARY KEY, mid INTEGER, uid INTEGER, name TEXT, sql TEXT);
INSERT INTO servergroup VALUES (1, 'Servers'), (2, 'Telemetry ETL');
INSERT INTO server VALUES
    (1, 1, 'telemetry (loader)', 'mine', 1, 'd', 'u', '{}'),
    (2, 2, 'telemetry (loader)', 'old', 2, 'd', 'u', '{}');
INSERT INTO user VALUES (1);
INSERT INTO user_macros VALUES (1, 3, 1, 'My own', 'SELECT 1'),
    (2, NULL, 1, 'Telemetry: Gone', 'SELECT 2');
"""
SERVER = Server("telemetry (loader)", "127.0.0.1", 4711, "telemetry", "loader", "verify-full")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    file = tmp_path / "pgadmin4.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(TABLES)
    return file


def asked(file: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(sql).fetchall()


def test_its_settings_switch_off_whatever_asks_the_network(tmp_path: Path) -> None:
    told: dict[str, Any] = {}
    exec(settings.config_text(tmp_path / "it's here"), told)
    assert told["UPGRADE_CHECK_ENABLED"] is False
    assert told["LLM_ENABLED"] is False
    assert told["SERVER_MODE"] is False
    assert told["DEFAULT_SERVER"] == "127.0.0.1"
    assert told["DATA_DIR"] == str(tmp_path / "it's here")


def test_a_server_that_moved_is_found_at_its_new_address(database: Path) -> None:
    settings.update_servers(database, [SERVER.entry()])
    assert asked(database, "SELECT host, port FROM server ORDER BY id") == [
        ("mine", 1),
        ("127.0.0.1", 4711),
    ]


def test_only_servers_that_are_not_there_are_registered(database: Path) -> None:
    other = Server("telemetry (analyst)", "127.0.0.1", 4711, "telemetry", "a", "verify-full")
    missing = settings.missing_servers(database, [SERVER.entry(), other.entry()])
    assert [entry["Name"] for entry in missing] == ["telemetry (analyst)"]


def test_the_users_own_queries_stay(database: Path) -> None:
    for _ in range(2):
        settings.keep_queries(database, {"Load history": "SELECT 3"})
    assert asked(database, "SELECT mid, name, sql FROM user_macros ORDER BY id") == [
        (3, "My own", "SELECT 1"),
        (None, "Telemetry: Load history", "SELECT 3"),
    ]


def test_two_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "missing_servers", lambda *_: [])
    monkeypatch.setattr(settings, "update_servers", lambda *_: None)
    monkeypatch.setattr(settings, "keep_queries", lambda *_: None)
    (tmp_path / "pgadmin4.db").touch()
    first, second = PgAdmin(tmp_path), PgAdmin(tmp_path)
    try:
        first.prepare([], ["127.0.0.1:1:d:u:secret"], {})
        assert first.passfile.stat().st_mode & 0o777 == 0o600
        with pytest.raises(PgAdminError, match="is already running"):
            second.prepare([], [], {})
        second.stop()
        assert first.passfile.read_text() == "127.0.0.1:1:d:u:secret\n"
    finally:
        first.stop()
    assert not first.passfile.exists()
    second.prepare([], [], {})
    second.stop()


def test_each_run_has_a_key_of_its_own(tmp_path: Path) -> None:
    assert PgAdmin(tmp_path).url != PgAdmin(tmp_path).url


def test_a_port_that_is_taken_is_reported(tmp_path: Path) -> None:
    import socket

    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PgAdminError, match="--port"):
            PgAdmin(tmp_path, taken.getsockname()[1]).start()
