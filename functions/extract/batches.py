"""Micro-batches: lines of one contract gathered up to a limit, then one compressed object."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["LARGE", "Accumulator", "BatchLimits", "Line", "MicroBatch", "compress"]

GZIP = 31
"""zlib's code for a gzip container, whose header then carries no time: same lines, same bytes."""
LEVEL, LEVEL_OF_LARGE, LARGE = 6, 1, 8 << 20
"""Compression levels, and the bytes of lines from which on speed counts more: such batches come
from a backlog. Level 6 takes 28 % less space than level 1, and 2.7 times the processor (readings of
the example fleet, 50 a message: 44 instead of 16 ms for 25,000)."""
CHUNK_LINES = 2000


@dataclass(frozen=True, kw_only=True)
class BatchLimits:
    """Limits at which a micro-batch is full; the first one reached counts.

    Bytes and messages are those of all open micro-batches together, which are all in memory.
    """

    bytes: int = 64 << 20
    """Size of its lines, uncompressed: Transform holds them in memory."""
    messages: int = 50_000
    seconds: float = 20.0
    """Age since its first message. Until then no message of it is deleted from the queue."""


class Line(NamedTuple):
    """An envelope, the receipt that deletes its message, and its contract (as keys name it)."""

    line: bytes
    receipt: str
    contract: str | None = None


@dataclass
class MicroBatch:
    """Envelopes that go into one object, and the receipts that delete their messages."""

    contract: str | None = None
    """Name of their contract; ``None``: the pipeline's first one."""
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
    """The open micro-batches that all receivers add to: one for each contract.

    Where all of them together reach a limit, the largest one is full, so that a contract with few
    messages doesn't get many small objects because another one has many.
    """

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._open: dict[str | None, MicroBatch] = {}
        """Micro-batches by contract, in the order in which they were opened."""
        self._messages = self._bytes = 0

    def add(self, messages: Iterable[Line]) -> list[MicroBatch]:
        """Adds lines with their receipts; returns the micro-batches that are full now.

        The caller stages those, while the other receivers fill the next ones.
        """
        full = []
        with self._lock:
            for line, receipt, contract in messages:
                while self._open and self._bytes + len(line) > self._limits.bytes:
                    full.append(self._take(self._largest()))
                if contract not in self._open:
                    self._open[contract] = MicroBatch(contract, opened=time.monotonic())
                self._open[contract].add(line, receipt)
                self._messages += 1
                self._bytes += len(line)
                full += self._full()
        return full

    def rest(self) -> list[MicroBatch]:
        """The open micro-batches; something is in each."""
        with self._lock:
            return [self._take(batch) for batch in list(self._open.values())]

    def _full(self) -> list[MicroBatch]:
        """Takes what is full after a message was added."""
        full = []
        if self._bytes >= self._limits.bytes:
            full.append(self._take(self._largest()))
        if self._messages >= self._limits.messages:
            most = max(self._open.values(), key=lambda batch: len(batch.lines))
            full.append(self._take(most))
        while self._open and self._is_old(next(iter(self._open.values()))):
            full.append(self._take(next(iter(self._open.values()))))
        return full

    def _is_old(self, batch: MicroBatch) -> bool:
        return time.monotonic() - batch.opened >= self._limits.seconds

    def _largest(self) -> MicroBatch:
        """The largest in bytes; of several the one that was opened first, so that the same messages
        always give the same micro-batches."""
        return max(self._open.values(), key=lambda batch: batch.size)

    def _take(self, batch: MicroBatch) -> MicroBatch:
        self._messages -= len(batch.lines)
        self._bytes -= batch.size
        return self._open.pop(batch.contract)


def compress(lines: list[bytes]) -> bytes:
    """The lines as one gzip member; the same lines always give the same bytes."""
    large = sum(map(len, lines)) >= LARGE
    packer = zlib.compressobj(LEVEL_OF_LARGE if large else LEVEL, zlib.DEFLATED, GZIP)
    parts = [
        packer.compress(b"".join(lines[start : start + CHUNK_LINES]))
        for start in range(0, len(lines), CHUNK_LINES)
    ]
    return b"".join([*parts, packer.flush()])
