"""Rows of a COPY as they arrive, a bounded number of bytes at a time, with an end to the wait.

psycopg2 *pushes* the lines of a COPY, and while PostgreSQL searches it can't be interrupted. So a
thread receives them and hands them over in chunks; it waits while two are not yet taken, so that
memory stays bounded and PostgreSQL is slowed down to the pace of the file. The caller is free to be
interrupted at any moment: the statement is then cancelled.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

__all__ = ["Chunk", "copy_out"]

CHUNK_ROWS, CHUNK_BYTES = 50_000, 8 * 2**20
"""Most lines of a chunk, and the bytes from which it is full."""
CHUNKS_AHEAD = 2
LOOK_SECONDS = 0.2
"""Time between two looks whether the other side has ended."""


@dataclass(frozen=True)
class Chunk:
    """Whole lines, the header among them where the COPY has one."""

    body: bytes
    lines: int


class _StoppedError(Exception):
    """Raised within the COPY once its lines are not taken any more."""


class _Lines:
    """The file that psycopg2 writes to, one line of the COPY at a time."""

    def __init__(self) -> None:
        self.chunks: queue.Queue[Chunk | BaseException | None] = queue.Queue(CHUNKS_AHEAD)
        self.stopped = threading.Event()
        self._lines: list[bytes] = []
        self._bytes = 0

    def write(self, line: bytes) -> None:
        if self.stopped.is_set():
            raise _StoppedError
        self._lines.append(line)
        self._bytes += len(line)
        if len(self._lines) >= CHUNK_ROWS or self._bytes >= CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            self.put(Chunk(b"".join(self._lines), len(self._lines)))
            self._lines, self._bytes = [], 0

    def put(self, found: Chunk | BaseException | None) -> None:
        while not self.stopped.is_set():
            with suppress(queue.Full):
                self.chunks.put(found, timeout=LOOK_SECONDS)
                return
        raise _StoppedError

    def read(self) -> Iterator[Chunk]:
        while True:
            found = self.chunks.get()
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            yield found


@contextmanager
def copy_out(connection: Connection, statement: str) -> Iterator[Iterator[Chunk]]:
    """Run a COPY to STDOUT; yields its chunks, which raise what the statement raises.

    A block that is left early cancels the statement.
    """
    lines = _Lines()

    def receive() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.copy_expert(statement, lines)
            lines.flush()
            lines.put(None)
        except _StoppedError:
            pass
        except BaseException as error:
            with suppress(_StoppedError):
                lines.put(error)

    receiver = threading.Thread(target=receive, name="copy out", daemon=True)
    receiver.start()
    try:
        yield lines.read()
    finally:
        lines.stopped.set()
        while receiver.is_alive():
            with suppress(Exception):  # a connection that broke has nothing to cancel
                connection.cancel()
            receiver.join(LOOK_SECONDS)
