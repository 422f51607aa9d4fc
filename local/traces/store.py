"""Segment documents in SQLite, and traces put together from them as X-Ray does.

A document is a JSON object as the X-Ray developer guide defines it: ``trace_id``, ``id`` (16 hex
digits), ``name``, ``start_time`` and ``end_time`` (seconds since the epoch) or ``in_progress``,
``parent_id``, ``annotations``, nested ``subsegments``. A later document with the same id replaces
an earlier one, so that a finished segment takes the place of its in-progress announcement.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["BadFilterError", "Filter", "TraceStore", "parse_filter"]

Document = dict[str, Any]

_KEPT_DAYS = 30
"""X-Ray keeps traces for 30 days."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS segments (
    trace_id TEXT NOT NULL, id TEXT NOT NULL, start_time REAL NOT NULL, finished INTEGER NOT NULL,
    document TEXT NOT NULL, PRIMARY KEY (trace_id, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_start ON segments (start_time);
CREATE TABLE IF NOT EXISTS annotations (
    trace_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (key, value, trace_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_trace ON annotations (trace_id);
"""

_CONDITION = re.compile(
    r"^\s*annotation(?:\.(?P<dotted>\w+)|\[(?P<bracketed>[\w.]+)\])\s*=\s*"
    r'(?P<value>"(?:[^"\\]|\\.)*"|true|false|-?\d+(?:\.\d+)?)\s*$'
)


class BadFilterError(ValueError):
    """Raised for a filter expression that this stand-in doesn't understand."""


@dataclass(frozen=True)
class Filter:
    """Conditions that all have to hold."""

    annotations: dict[str, str] = field(default_factory=dict)
    """Key to value, as JSON text."""
    flags: frozenset[str] = frozenset()
    """Among ``fault``, ``error`` and ``throttle``."""


def parse_filter(expression: str | None) -> Filter:
    """Read the part of X-Ray's filter language that is used here; raises :class:`BadFilterError`.

    Conditions ``annotation.key = "text"`` (or a number or boolean), ``annotation[key] = ...``,
    ``fault``, ``error`` and ``throttle``, joined by ``AND``.
    """
    annotations: dict[str, str] = {}
    flags = set()
    for part in _split_conditions(expression or ""):
        match = _CONDITION.match(part)
        if match:
            annotations[match["dotted"] or match["bracketed"]] = json.dumps(
                json.loads(match["value"])
            )
        elif part.strip() in ("fault", "error", "throttle"):
            flags.add(part.strip())
        else:
            raise BadFilterError(f"Filter condition not supported by this stand-in: {part.strip()}")
    return Filter(annotations, frozenset(flags))


def _split_conditions(expression: str) -> list[str]:
    """Split at each AND outside of quotes."""
    parts = re.split(r'\s+(?:AND|and|&&)\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', expression)
    return [part for part in parts if part.strip()]


class TraceStore:
    """Segment documents of every trace; safe to use from several threads."""

    def __init__(self, file: Path | str) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(file, check_same_thread=False)
        # A lost trace after a power cut does no harm; waiting for the disk on each segment is.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.executescript(_SCHEMA)
        self._drop_older_than(time.time() - _KEPT_DAYS * 86400)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def add(self, documents: Iterable[Document]) -> list[Document]:
        """Keep documents; returns those that are not segment documents."""
        refused = []
        with self._lock, self._connection:
            for document in documents:
                try:
                    kept = _is_segment(document)
                    if kept:
                        self._add_one(document)
                except (AttributeError, TypeError, ValueError, OverflowError, RecursionError):
                    kept = False  # annotations or subsegments of another form
                if not kept:
                    refused.append(document)
        return refused

    def _add_one(self, document: Document) -> None:
        trace_id = document["trace_id"]
        finished = "end_time" in document
        # An announcement that arrives after the finished segment (UDP keeps no order) is dropped.
        self._connection.execute(
            "INSERT INTO segments VALUES (?, ?, ?, ?, ?) ON CONFLICT (trace_id, id) DO UPDATE SET"
            " start_time = excluded.start_time, finished = excluded.finished,"
            " document = excluded.document WHERE excluded.finished >= segments.finished",
            (trace_id, document["id"], document["start_time"], finished, json.dumps(document)),
        )
        rows = [
            (trace_id, key, json.dumps(value))
            for part in _walk(document)
            for key, value in part.get("annotations", {}).items()
        ]
        self._connection.executemany("INSERT OR IGNORE INTO annotations VALUES (?, ?, ?)", rows)

    def trace(self, trace_id: str) -> list[Document]:
        """A trace's segments by start time, subsegments sent on their own put where they belong."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT document FROM segments WHERE trace_id = ? ORDER BY start_time", (trace_id,)
            ).fetchall()
        return _assemble([json.loads(text) for (text,) in rows])

    def find(self, start: float, end: float, wanted: Filter) -> list[str]:
        """Ids of traces that began between two times (epoch seconds) and match, oldest first."""
        query = (
            "SELECT trace_id FROM segments GROUP BY trace_id"
            " HAVING min(start_time) BETWEEN ? AND ? ORDER BY min(start_time)"
        )
        matching = "SELECT trace_id FROM annotations WHERE key = ? AND value = ?"
        with self._lock:
            found = [row[0] for row in self._connection.execute(query, (start, end))]
            for condition in wanted.annotations.items():
                keep = {row[0] for row in self._connection.execute(matching, condition)}
                found = [trace_id for trace_id in found if trace_id in keep]
        if wanted.flags:
            found = [one for one in found if wanted.flags <= self._flags(one)]
        return found

    def annotations(self, trace_id: str) -> dict[str, list[Any]]:
        """Every annotation of a trace: key to its values."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT key, value FROM annotations WHERE trace_id = ? ORDER BY key, value",
                (trace_id,),
            ).fetchall()
        result: dict[str, list[Any]] = {}
        for key, value in rows:
            result.setdefault(key, []).append(json.loads(value))
        return result

    def _flags(self, trace_id: str) -> set[str]:
        parts = [part for document in self.trace(trace_id) for part in _walk(document)]
        return {flag for flag in ("fault", "error", "throttle") if any(p.get(flag) for p in parts)}

    def _drop_older_than(self, moment: float) -> None:
        with self._lock, self._connection:
            self._connection.execute("DELETE FROM segments WHERE start_time < ?", (moment,))
            self._connection.execute(
                "DELETE FROM annotations WHERE trace_id NOT IN (SELECT trace_id FROM segments)"
            )


def _is_segment(document: Any) -> bool:
    return (
        isinstance(document, dict)
        and all(isinstance(document.get(key), str) for key in ("trace_id", "id", "name"))
        and isinstance(document.get("start_time"), int | float)
    )


def _walk(document: Document) -> Iterator[Document]:
    yield document
    for child in document.get("subsegments", []):
        yield from _walk(child)


def _assemble(documents: list[Document]) -> list[Document]:
    """Hang each subsegment that was sent on its own under its parent; orphans stay at the top."""
    by_id = {part["id"]: part for document in documents for part in _walk(document) if "id" in part}
    top = []
    for document in documents:
        parent = by_id.get(document.get("parent_id", ""))
        if document.get("type") == "subsegment" and parent is not None:
            parent.setdefault("subsegments", []).append(document)
        else:
            top.append(document)
    return top
