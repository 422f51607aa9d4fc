"""Keeps the emulator's messages and executions as rows of one SQLite file in its state folder.

A row is on disk, as far as the operating system is concerned, when :meth:`StateStore.put` returns:
it survives the end of the emulator in whatever way, ``kill -9`` included. It is not forced through
the machine's own cache (``synchronous = OFF``), so the last seconds before a power failure may be
lost, as with everything else that the emulator writes.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["StateStore"]


class StateStore:
    """Rows of (table, group, key, text), for use by any thread."""

    TABLES = ("messages", "executions")

    def __init__(self, file: Path) -> None:
        """Open the file; creates it, with mode 0600, where it is missing."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        # FAST: where SQLite was built to overwrite what is deleted, doing so on pages that would
        # not be written otherwise takes most of the time of a deletion.
        for setting in ("journal_mode = WAL", "synchronous = OFF", "secure_delete = FAST"):
            self._connection.execute(f"PRAGMA {setting}")
        for table in self.TABLES:
            self._connection.execute(
                f"CREATE TABLE IF NOT EXISTS {table} (number INTEGER PRIMARY KEY, "
                "owner TEXT NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (owner, key))"
            )

    def put(self, table: str, owner: str, key: str, text: str) -> None:
        """Write a row, in place of an earlier one of the same owner and key."""
        self._execute(
            f"INSERT INTO {table} (owner, key, text) VALUES (?, ?, ?) "  # noqa: S608 - a constant
            "ON CONFLICT (owner, key) DO UPDATE SET text = excluded.text",
            (owner, key, text),
        )

    def delete(self, table: str, owner: str, *keys: str) -> None:
        """Delete rows, in one transaction; nothing happens where there is none."""
        places = ", ".join("?" * len(keys))
        self._execute(f"DELETE FROM {table} WHERE owner = ? AND key IN ({places})", (owner, *keys))  # noqa: S608

    def clear(self, table: str, owner: str) -> None:
        """Delete all rows of an owner."""
        self._execute(f"DELETE FROM {table} WHERE owner = ?", (owner,))  # noqa: S608

    def keep_only(self, table: str, owners: Iterable[str]) -> None:
        """Delete the rows of every other owner."""
        kept = set(owners)
        with self._lock:
            found = self._connection.execute(f"SELECT DISTINCT owner FROM {table}").fetchall()  # noqa: S608
        for (owner,) in found:
            if owner not in kept:
                self.clear(table, owner)

    def rows(self, table: str, owner: str | None = None) -> Iterator[tuple[str, str, str]]:
        """(owner, key, text) of one owner's rows or of all, in the order of their first writing."""
        where, values = ("", ()) if owner is None else (" WHERE owner = ?", (owner,))
        with self._lock:
            found = self._connection.execute(
                f"SELECT owner, key, text FROM {table}{where} ORDER BY number",  # noqa: S608
                values,
            ).fetchall()
        yield from found

    def _execute(self, statement: str, values: tuple[str, ...]) -> None:
        with self._lock:
            self._connection.execute(statement, values)
