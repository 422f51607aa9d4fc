"""Gives a stopped emulator's state another address, where its last port is taken."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["move_address"]


def move_address(folder: Path, old: str, new: str) -> None:
    """Replace ``host:port`` in every file of the state, the store of messages included."""
    for file in folder.glob("*.json"):
        text = file.read_text(encoding="utf-8")
        if old in text:
            fresh = file.with_suffix(".new")
            fresh.write_text(text.replace(old, new), encoding="utf-8")
            fresh.replace(file)
    store = folder / "state.sqlite"
    if store.exists():
        with closing(sqlite3.connect(store)) as connection, connection:
            connection.execute("UPDATE messages SET owner = replace(owner, ?, ?)", (old, new))
