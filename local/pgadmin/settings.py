"""pgAdmin's settings: the file it reads at its start, and the database it keeps them in.

Servers are registered by pgAdmin's own ``setup.py load-servers``. What it has no command for is
written into its SQLite file, whose tables are those of the pinned version: the address of a server
that is already registered (the database may have another port than last time), the saved queries,
and the folder that its file dialog opens in.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

__all__ = ["config_text", "keep_queries", "missing_servers", "open_files_in", "update_servers"]

MARK = "Telemetry: "
"""Prefix of our queries' names, which distinguishes them from the user's own."""
_FIXED: dict[str, Any] = {
    # pgAdmin's wheel sets these two in the file that ours stands in for.
    "HELP_PATH": "../../docs/en_US/_build/html/",
    "MINIFY_HTML": False,
    "SERVER_MODE": False,
    "DEFAULT_SERVER": "127.0.0.1",
    "ALLOWED_HOSTS": ["127.0.0.1"],
    # Nothing is asked of the network.
    "UPGRADE_CHECK_ENABLED": False,
    "LLM_ENABLED": False,
    "SHOW_GRAVATAR_IMAGE": False,
    "AUTO_DISCOVER_SERVERS": False,
    "SUPPORT_SSH_TUNNEL": False,
    # The passwords lie in a passfile: there is none for a master password or a keyring to guard.
    "MASTER_PASSWORD_REQUIRED": False,
    "USE_OS_SECRET_STORAGE": False,
    "ALLOW_SAVE_PASSWORD": False,
    # A page elsewhere can neither frame pgAdmin nor post to it with the user's cookies. Not
    # "Strict": a browser that comes from the file open.html would be let in, and out again at once.
    "X_FRAME_OPTIONS": "SAMEORIGIN",
    "SESSION_COOKIE_SAMESITE": "Lax",
}


def config_text(folder: Path) -> str:
    """The Python file that pgAdmin reads in place of its packager's."""
    settings = {"DATA_DIR": str(folder), **_FIXED}
    lines = [f"{name} = {value!r}" for name, value in settings.items()]
    return "# Written at each start of `etl pgadmin`.\n" + "\n".join(lines) + "\n"


def missing_servers(file: Path, servers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries that pgAdmin does not have yet, by name and group."""
    with closing(sqlite3.connect(file)) as settings:
        known = set(
            settings.execute(
                "SELECT server.name, servergroup.name FROM server "
                "JOIN servergroup ON servergroup.id = server.servergroup_id"
            )
        )
    return [entry for entry in servers if (entry["Name"], entry["Group"]) not in known]


def update_servers(file: Path, servers: list[dict[str, Any]]) -> None:
    """Set the current addresses of the registered servers."""
    with closing(sqlite3.connect(file)) as settings, settings:
        for entry in servers:
            settings.execute(
                "UPDATE server SET host = ?, port = ?, maintenance_db = ?, username = ?, "
                "connection_params = ? WHERE name = ? AND servergroup_id IN "
                "(SELECT id FROM servergroup WHERE name = ?)",
                (
                    *(entry[key] for key in ("Host", "Port", "MaintenanceDB", "Username")),
                    json.dumps(entry["ConnectionParameters"]),
                    entry["Name"],
                    entry["Group"],
                ),
            )


def keep_queries(file: Path, queries: Mapping[str, str]) -> None:
    """Save the queries as macros of the query tool; the user's own macros stay as they are."""
    with closing(sqlite3.connect(file)) as settings, settings:
        (user,) = settings.execute("SELECT min(id) FROM user").fetchone()
        settings.execute(
            "DELETE FROM user_macros WHERE uid = ? AND substr(name, 1, ?) = ?",
            (user, len(MARK), MARK),
        )
        settings.executemany(
            "INSERT INTO user_macros (uid, name, sql) VALUES (?, ?, ?)",
            [(user, MARK + name, sql) for name, sql in queries.items()],
        )


def open_files_in(file: Path, folder: Path) -> None:
    """Set the folder that the file dialog opens first, unless the user has chosen another."""
    with closing(sqlite3.connect(file, timeout=10)) as settings, settings:
        settings.execute(
            "INSERT OR IGNORE INTO user_preferences (pid, uid, value) "
            "SELECT preferences.id, (SELECT min(id) FROM user), ? FROM preferences "
            "WHERE preferences.name = 'last_directory_visited'",
            (f"{folder}/",),
        )
