"""An index of published and staged messages by digest, which finds each message that is missing.

It is a SQLite file, so that it takes little memory however many messages there are. Each raw
object is read once: a later reconciliation reads only those that are new, or that an erasure has
rewritten since. The file can be deleted at any time.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from etl.operations.receipts import Receipt, message_digest, read_messages_of
from telemetry.batches import Outcome
from telemetry.forgotten import is_removed
from telemetry.layout import OutcomeKey, parse_raw_key

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["MessageIndex", "MessageMatch", "ObjectReadings", "RawObject"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS publications (
    id integer PRIMARY KEY, name text UNIQUE, written text, contract text);
CREATE TABLE IF NOT EXISTS published (
    digest integer, publication integer, readings integer, number integer,
    PRIMARY KEY (digest, publication)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    id integer PRIMARY KEY, key text UNIQUE, etag text, messages integer, lines integer,
    readable integer);
CREATE TABLE IF NOT EXISTS staged (
    digest integer, message integer, object integer,
    PRIMARY KEY (digest, message, object)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS staged_by_object ON staged (object);
CREATE TABLE IF NOT EXISTS removed (object integer PRIMARY KEY, messages integer);
CREATE TEMP TABLE listed (
    key text PRIMARY KEY, etag text, messages integer, staged_at real) WITHOUT ROWID;
CREATE TEMP TABLE outcomes (
    key text, execution text, status text, written_at real,
    PRIMARY KEY (key, execution, status)) WITHOUT ROWID;
"""
GONE = (
    "SELECT id FROM objects o WHERE NOT EXISTS "
    "(SELECT 1 FROM listed l WHERE l.key = o.key AND l.etag = o.etag)"
)
LONGEST_PUBLICATION = timedelta(days=2)
"""A message is staged after it was published, and its receipt is written at the end."""
CACHE_KIB = 64 * 1024
"""Memory for pages of the index, in KiB."""
WAIT_SECONDS = 300.0
"""Wait for another reconciliation that is writing the index."""


@dataclass(frozen=True)
class RawObject:
    """A raw object, as a listing shows it."""

    key: str
    etag: str
    messages: int
    staged_at: datetime


@dataclass(frozen=True)
class MessageMatch:
    """The messages of receipts, compared with those in raw objects one by one."""

    published: int = 0
    """Messages of the receipts that have digests."""
    missing: int = 0
    """Published messages that are in no readable raw object."""
    missing_readings: int = 0
    missing_in: tuple[str, ...] = ()
    """Publications that miss a message."""
    unreadable: tuple[str, ...] = ()
    """Keys of the raw objects that can't be read."""
    unreadable_messages: int = 0
    """Messages in these that can't be read, by the objects' names."""
    repeated: int = 0
    """Messages that a raw object has beside an earlier one of the same SQS message id, or of the
    same content beyond those published: at-least-once delivery."""
    removed: int = 0
    """Messages that erasures have removed from raw objects."""
    without_receipt: int = 0
    """Distinct messages that no receipt counts, in the raw objects that were read."""
    missing_of: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Missing messages and their readings, by the publication of each in ``missing_in``."""


@dataclass(frozen=True)
class ObjectReadings:
    """The messages of one raw object that receipts count, and their readings."""

    key: str
    messages: int
    """Its messages that a receipt counts."""
    readings: int
    """Readings in these."""
    contract: str | None
    """Digest of the contract by which they were counted; ``None`` where there were several, and
    empty where the receipts don't say."""
    removed: int = 0
    """Messages that erasures have removed from the object."""


class MessageIndex:
    """The index in one file; use it as a context manager."""

    def __init__(self, file: Path) -> None:
        self._db = _opened(file)

    def __enter__(self) -> MessageIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def note_staged(self, staged: Iterable[RawObject]) -> None:
        """Note what is staged now, in any order, and forget objects that are gone or replaced."""
        db = self._db
        with self._transaction():
            db.execute("DELETE FROM listed")
            db.executemany(
                "INSERT OR REPLACE INTO listed VALUES (?, ?, ?, ?)",
                ((raw.key, raw.etag, raw.messages, raw.staged_at.timestamp()) for raw in staged),
            )
            db.execute(f"DELETE FROM staged WHERE object IN ({GONE})")  # noqa: S608 - a constant
            db.execute(f"DELETE FROM removed WHERE object IN ({GONE})")  # noqa: S608 - a constant
            db.execute(f"DELETE FROM objects WHERE id IN ({GONE})")  # noqa: S608 - a constant

    def staged(self) -> Iterator[RawObject]:
        """The objects of the last :meth:`note_staged`, in the order of their keys."""
        rows = self._db.execute("SELECT key, etag, messages, staged_at FROM listed ORDER BY key")
        yield from (_raw_object(*row) for row in rows)

    def note_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """Note how batches ended, in any order."""
        with self._transaction():
            self._db.execute("DELETE FROM outcomes")
            self._db.executemany(
                "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?)",
                (
                    (o.key.raw_key, o.execution, o.status, o.written_at.timestamp())
                    for o in outcomes
                ),
            )

    def outcomes(self) -> Iterator[Outcome]:
        """The outcomes of the last :meth:`note_outcomes`, in the order of their batches' keys."""
        for key, execution, status, written in self._db.execute(
            "SELECT key, execution, status, written_at FROM outcomes ORDER BY key"
        ):
            at = datetime.fromtimestamp(written, UTC)
            yield Outcome(OutcomeKey(key, execution, status), at)

    def match(
        self, s3: S3Client, bucket: str, receipts: Iterable[tuple[Receipt, datetime]]
    ) -> MessageMatch:
        """Read the receipts' messages and the raw objects that are new, and compare them.

        Raw objects from before the first receipt with digests are not read.
        """
        found = [(receipt, written) for receipt, written in receipts if receipt.digests]
        if not found:
            self._forget()
            return MessageMatch()
        since = min(written for _, written in found) - LONGEST_PUBLICATION
        with self._transaction():
            self._read_receipts(s3, bucket, found)
            for raw in self._unread(since):
                self._read_object(s3, bucket, raw)
            return self._compared()

    def readings_by_object(self) -> Iterator[ObjectReadings]:
        """Messages and readings by the receipts, of each readable object, in the order of keys."""
        rows = self._db.execute(
            "SELECT o.key, count(*), sum(p.readings), min(p.contract), max(p.contract), "
            "coalesce((SELECT r.messages FROM removed r WHERE r.object = o.id), 0) "
            "FROM objects o JOIN staged s ON s.object = o.id JOIN ("
            "SELECT digest, max(readings) AS readings, max(n.contract) AS contract "
            "FROM published JOIN publications n ON n.id = publication GROUP BY digest"
            ") p ON p.digest = s.digest WHERE o.readable GROUP BY o.key ORDER BY o.key"
        )
        for key, messages, readings, least, most, removed in rows:
            contract = least if least == most else None
            yield ObjectReadings(key, messages, readings, contract, removed)

    def _forget(self) -> None:
        with self._transaction():
            for table in ("staged", "removed", "objects", "published", "publications"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _read_receipts(
        self, s3: S3Client, bucket: str, receipts: list[tuple[Receipt, datetime]]
    ) -> None:
        db = self._db
        wanted = {r.publication: written.isoformat() for r, written in receipts}
        contracts = {r.publication: r.contract for r, _ in receipts}
        known = dict(db.execute("SELECT name, written FROM publications").fetchall())
        for name in known.keys() - wanted.keys() | {n for n in known if known[n] != wanted.get(n)}:
            db.execute(
                "DELETE FROM published WHERE publication = "
                "(SELECT id FROM publications WHERE name = ?)",
                (name,),
            )
            db.execute("DELETE FROM publications WHERE name = ?", (name,))
        for name, written in wanted.items():
            if known.get(name) == written:
                continue
            number = db.execute(
                "INSERT INTO publications (name, written, contract) VALUES (?, ?, ?)",
                (name, written, contracts[name]),
            ).lastrowid
            db.executemany(
                "INSERT INTO published VALUES (?, ?, ?, 1) "
                "ON CONFLICT DO UPDATE SET number = number + 1",
                ((digest, number, count) for digest, count in read_messages_of(s3, bucket, name)),
            )

    def _unread(self, since: datetime) -> list[RawObject]:
        found = self._db.execute(
            "SELECT key, etag, messages, staged_at FROM listed l WHERE staged_at >= ? AND "
            "NOT EXISTS (SELECT 1 FROM objects o WHERE o.key = l.key) ORDER BY key",
            (since.timestamp(),),
        )
        return [_raw_object(*row) for row in found]

    def _read_object(self, s3: S3Client, bucket: str, raw: RawObject) -> None:
        """Read the messages of an object, of a damaged one as many as can be read."""
        db = self._db
        number = db.execute(
            "INSERT INTO objects (key, etag, messages) VALUES (?, ?, ?)",
            (raw.key, raw.etag, raw.messages),
        ).lastrowid
        lines, removed, readable = 0, 0, True
        named = parse_raw_key(raw.key)
        contract = named.contract if named is not None else None

        def rows() -> Iterator[tuple[int, int, int | None]]:
            nonlocal lines, removed
            for found in _messages(s3, bucket, raw.key, contract):
                if found is None:
                    removed += 1
                    continue
                lines += 1
                yield *found, number

        try:
            db.executemany("INSERT OR IGNORE INTO staged VALUES (?, ?, ?)", rows())
        except (OSError, EOFError, zlib.error):
            readable = False
        db.execute("INSERT INTO removed VALUES (?, ?)", (number, removed))
        values = (lines, readable, number)
        db.execute("UPDATE objects SET lines = ?, readable = ? WHERE id = ?", values)

    def _compared(self) -> MessageMatch:
        db = self._db
        sent = (
            "SELECT p.digest, sum(p.number) AS number, max(p.readings) AS readings, "
            "(SELECT count(DISTINCT s.message) FROM staged s WHERE s.digest = p.digest) AS found "
            "FROM published p GROUP BY p.digest"
        )
        [(published, missing, readings, surplus)] = db.execute(
            "SELECT coalesce(sum(number), 0), coalesce(sum(max(number - found, 0)), 0), "  # noqa: S608
            "coalesce(sum(max(number - found, 0) * readings), 0), "
            f"coalesce(sum(max(found - number, 0)), 0) FROM ({sent})"
        )
        publications = db.execute(
            "SELECT DISTINCT n.name FROM published p JOIN publications n ON n.id = p.publication "  # noqa: S608
            f"JOIN ({sent}) AS x ON x.digest = p.digest WHERE x.number > x.found ORDER BY 1"
        )
        unreadable = db.execute(
            "SELECT key, o.messages - lines - coalesce(r.messages, 0) FROM objects o "
            "LEFT JOIN removed r ON r.object = o.id WHERE NOT readable ORDER BY 1"
        )
        lost = unreadable.fetchall()
        [(lines, distinct)] = db.execute(
            "SELECT (SELECT coalesce(sum(lines), 0) FROM objects), "
            "(SELECT count(*) FROM (SELECT DISTINCT digest, message FROM staged))"
        )
        [(strange,)] = db.execute(
            "SELECT count(*) FROM (SELECT DISTINCT digest, message FROM staged s WHERE NOT EXISTS "
            "(SELECT 1 FROM published p WHERE p.digest = s.digest))"
        )
        [(removed,)] = db.execute("SELECT coalesce(sum(messages), 0) FROM removed")
        return MessageMatch(
            published=published,
            missing=missing,
            missing_readings=readings,
            missing_in=tuple(name for (name,) in publications),
            unreadable=tuple(key for key, _ in lost),
            unreadable_messages=sum(messages for _, messages in lost),
            repeated=lines - distinct + surplus,
            removed=removed,
            without_receipt=strange,
            missing_of=self._missing_of(sent) if missing else {},
        )

    def _missing_of(self, sent: str) -> dict[str, tuple[int, int]]:
        """Missing messages and their readings by publication; ``sent`` selects the digests.

        A digest is of one contract, so that any publication with it says whose message is missing.
        """
        found = self._db.execute(
            "SELECT (SELECT min(n.name) FROM published p JOIN publications n "  # noqa: S608
            "ON n.id = p.publication WHERE p.digest = x.digest) AS name, sum(number - found), "
            f"sum((number - found) * readings) FROM ({sent}) AS x "
            "WHERE number > found GROUP BY 1"
        )
        return {name: (number, readings) for name, number, readings in found}


def _opened(file: Path) -> sqlite3.Connection:
    """The file with its schema; a file of its own for this time where it can't be used."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _connected(str(file))
    except (OSError, sqlite3.DatabaseError):  # a damaged one, or no right to write
        with suppress(OSError):
            file.unlink()
        return _connected("")


def _connected(name: str) -> sqlite3.Connection:
    """A connection whose transactions are begun explicitly."""
    db = sqlite3.connect(name, timeout=WAIT_SECONDS, isolation_level=None)
    db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(SCHEMA)
    return db


def _raw_object(key: str, etag: str, messages: int, staged_at: float) -> RawObject:
    return RawObject(key, etag, messages, datetime.fromtimestamp(staged_at, UTC))


def _messages(
    s3: S3Client, bucket: str, key: str, contract: str | None
) -> Iterator[tuple[int, int] | None]:
    """The digest of each message of a raw object, and one of its SQS message id; ``None`` for one
    that an erasure has removed."""
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    with closing(body), gzip.GzipFile(fileobj=body, mode="rb") as lines:
        for line in lines:
            try:
                envelope = json.loads(line)
                if is_removed(envelope):
                    yield None
                    continue
                payload = base64.b64decode(envelope["payload"])
                message = _digest(str(envelope["message_id"]).encode())
                yield message_digest(envelope["client_id"], payload, contract), message
            except (
                ValueError,
                KeyError,
                TypeError,
            ):  # not an envelope: a message without a receipt
                yield message_digest(None, line), _digest(line)


def _digest(text: bytes) -> int:
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
