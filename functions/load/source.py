"""The COPY object as a stream of byte ranges: memory stays bounded, and nothing is on disk.

Each opening reads all lines of the object and verifies their checksum before the stream is closed,
and so before the transaction commits: whichever ranges were asked for, no row comes from other
bytes than Transform wrote. What follows the lines (:mod:`telemetry.places`) is not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from functions.load.batch import Batch, Range, replay_remedy
from telemetry.checksums import Checksum, ChecksummedStream
from telemetry.storage import open_object

__all__ = ["CopySource", "Readable", "StoredCopy", "merge_ranges", "verified"]

WRONG_DATA = ("22", "23")
"""SQLSTATE classes by which PostgreSQL refuses values, as it may those of a damaged object."""


class Readable(Protocol):
    """A stream that COPY reads from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; ``b""`` at the end."""


class CopySource(Protocol):
    """A COPY object that can be read more than once."""

    def open(self, ranges: Sequence[Range] | None) -> AbstractContextManager[Readable]:
        """A stream over these ranges, in the order of the object; over all of it for ``None``."""


class StoredCopy:
    """A COPY object in S3. Each opening is one request.

    Without a checksum, as in reports of before there was one, only the bytes from the first range
    to the last are read, and nothing is verified.
    """

    def __init__(
        self,
        bucket: str,
        key: str,
        checksum: Checksum | None = None,
        remedy: str = "",
        *,
        followed: bool = False,
    ) -> None:
        """``followed``: the object goes on after the bytes that the checksum is of."""
        self._bucket = bucket
        self._key = key
        self._checksum = checksum
        self._followed = followed
        self._remedy = remedy

    @classmethod
    def of(cls, bucket: str, batch: Batch) -> StoredCopy:
        """The COPY object of a batch."""
        return cls(
            bucket,
            batch.copy_key,
            batch.copy_checksum,
            replay_remedy(batch.raw_key),
            followed=batch.has_places,
        )

    @contextmanager
    def open(self, ranges: Sequence[Range] | None) -> Iterator[Readable]:
        """A stream over these ranges; the bytes between them are read and dropped.

        Raises :class:`~telemetry.errors.BatchCorruptError` at its end, or where PostgreSQL refuses
        the data, if the object is not the one that the checksum is of.
        """
        wanted = [] if ranges is None else merge_ranges(ranges)
        start, end = (wanted[0][0], wanted[-1][1]) if wanted else (0, None)
        if self._checksum is not None:
            start, end = 0, self._checksum.size if self._followed else None
        with open_object(self._bucket, self._key, start=start, end=end) as stored:
            if self._checksum is None:
                yield stored if ranges is None else RangeReader(stored, wanted, position=start)
                return
            name = f"s3://{self._bucket}/{self._key}"
            stream = ChecksummedStream(stored, self._checksum, name, self._remedy)
            with verified(stream):
                yield stream if ranges is None else RangeReader(stream, wanted)


@contextmanager
def verified(stream: ChecksummedStream) -> Iterator[None]:
    """Verifies the stream once the caller is done with it, or could not make sense of its data.

    That the object is damaged says more than what PostgreSQL, or our own filter, makes of it.
    """
    try:
        yield
    except Exception as error:
        refused = str(getattr(error, "pgcode", None) or "").startswith(WRONG_DATA)
        if refused or isinstance(error, ValueError | LookupError):
            stream.verify()
        raise
    stream.verify()


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
