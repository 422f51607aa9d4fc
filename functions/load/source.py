"""The COPY object as a stream of byte ranges: memory stays bounded, and nothing is on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from functions.load.batch import Range
from telemetry.storage import open_object

__all__ = ["CopySource", "Readable", "StoredCopy", "merge_ranges"]


class Readable(Protocol):
    """A stream that COPY reads from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; ``b""`` at the end."""


class CopySource(Protocol):
    """A COPY object that can be read more than once."""

    def open(self, ranges: Sequence[Range] | None) -> AbstractContextManager[Readable]:
        """A stream over these ranges, in the order of the object; over all of it for ``None``."""


class StoredCopy:
    """A COPY object in S3. Each opening is one request, from the first range to the last."""

    def __init__(self, bucket: str, key: str) -> None:
        self._bucket = bucket
        self._key = key

    @contextmanager
    def open(self, ranges: Sequence[Range] | None) -> Iterator[Readable]:
        """A stream over these ranges; the bytes between them are read and dropped."""
        if ranges is None:
            with open_object(self._bucket, self._key) as stream:
                yield stream
            return
        wanted = merge_ranges(ranges)
        start, end = wanted[0][0], wanted[-1][1]
        with open_object(self._bucket, self._key, start=start, end=end) as stream:
            yield RangeReader(stream, wanted, position=start)


class RangeReader:
    """Reads only the bytes of some ranges from a stream that can't seek."""

    def __init__(self, stream: Readable, ranges: Sequence[Range], *, position: int = 0) -> None:
        self._stream = stream
        self._ranges = list(reversed(ranges))
        self._position = position

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes of the current range; ``b""`` after the last one."""
        while self._ranges:
            start, end = self._ranges[-1]
            if self._position < start:
                self._take(min(start - self._position, 1 << 20))
            elif self._position < end:
                left = end - self._position
                return self._take(left if size < 0 else min(size, left))
            else:
                self._ranges.pop()
        return b""

    def _take(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._position += len(data)
        if not data:  # the object is shorter than its groups say; the row count shows it
            self._ranges.clear()
        return data


def merge_ranges(ranges: Sequence[Range]) -> list[Range]:
    """The ranges in order, with neighbours merged and empty ranges removed."""
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if start == end:
            continue
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged
