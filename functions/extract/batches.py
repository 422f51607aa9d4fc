"""Micro-batches: lines gathered up to a limit, then one compressed object."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Accumulator", "BatchLimits", "MicroBatch", "compress"]

GZIP = 31
"""zlib's code for a gzip container, whose header then carries no time: same lines, same bytes."""
LEVEL = 1
"""Base64 hardly compresses better at higher levels, which cost several times the processor."""
CHUNK_LINES = 2000


@dataclass(frozen=True, kw_only=True)
class BatchLimits:
    """Limits at which a micro-batch is full; the first one reached counts."""

    bytes: int = 64 << 20
    """Size of its lines, uncompressed: Transform holds them in memory."""
    messages: int = 50_000
    seconds: float = 20.0
    """Age since its first message. Until then no message of it is deleted from the queue."""


@dataclass
class MicroBatch:
    """Envelopes that go into one object, and the receipts that delete their messages."""

    lines: list[bytes] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)
    size: int = 0
    """Size of the lines in bytes."""
    opened: float = 0.0

    def add(self, line: bytes, receipt: str) -> None:
        """Adds one message."""
        self.lines.append(line)
        self.receipts.append(receipt)
        self.size += len(line)


class Accumulator:
    """The one open micro-batch that all receivers add to."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._open = MicroBatch()

    def add(self, messages: Iterable[tuple[bytes, str]]) -> list[MicroBatch]:
        """Adds lines with their receipts; returns the micro-batches that are full now.

        The caller stages those, while the other receivers fill the next one.
        """
        full = []
        with self._lock:
            for line, receipt in messages:
                if self._open.lines and self._open.size + len(line) > self._limits.bytes:
                    full.append(self._take())
                if not self._open.lines:
                    self._open.opened = time.monotonic()
                self._open.add(line, receipt)
                if self._is_full():
                    full.append(self._take())
        return full

    def rest(self) -> MicroBatch | None:
        """The open micro-batch, if anything is in it."""
        with self._lock:
            return self._take() if self._open.lines else None

    def _is_full(self) -> bool:
        return (
            len(self._open.lines) >= self._limits.messages
            or self._open.size >= self._limits.bytes
            or time.monotonic() - self._open.opened >= self._limits.seconds
        )

    def _take(self) -> MicroBatch:
        taken, self._open = self._open, MicroBatch()
        return taken


def compress(lines: list[bytes]) -> bytes:
    """The lines as one gzip member; the same lines always give the same bytes."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    parts = [
        packer.compress(b"".join(lines[start : start + CHUNK_LINES]))
        for start in range(0, len(lines), CHUNK_LINES)
    ]
    return b"".join([*parts, packer.flush()])
