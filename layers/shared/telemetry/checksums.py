"""Checksums of staged objects: whoever writes one records it, whoever reads one verifies it.

Amazon S3 keeps bytes as they were put. It can't know that others were put since: an object that was
edited, truncated by a copy, or overwritten by an older version is intact to S3, and half a
number is still a number (``43.`` of ``43.3``). So the count of bytes and their SHA-256 travel with
the reference to the object.

SHA-256 takes 0.6 ms/MB or less with the processor's own instructions (every Lambda), a thirtieth of
what COPY takes. A CRC32C would halve that, but the standard library has none, and no one can check
it with ``sha256sum`` at a prompt.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

from telemetry.errors import BatchCorruptError

__all__ = ["Checksum", "ChecksummedStream", "RunningChecksum", "parse_checksum", "verify"]

REST_BYTES = 1 << 20
"""Bytes of one read of what a reader left of a stream."""


@dataclass(frozen=True)
class Checksum:
    """Count of an object's bytes, and their SHA-256 in hexadecimal."""

    size: int
    sha256: str

    @classmethod
    def of(cls, body: bytes) -> Checksum:
        """The checksum of these bytes."""
        return cls(len(body), hashlib.sha256(body).hexdigest())

    def as_dict(self) -> dict[str, Any]:
        """The checksum as JSON members."""
        return {"bytes": self.size, "sha256": self.sha256}


class RunningChecksum:
    """The checksum of bytes to which more are added."""

    def __init__(self, body: bytes = b"") -> None:
        self._hash = hashlib.sha256(body)
        self._size = len(body)

    def add(self, body: bytes) -> None:
        """Counts more bytes."""
        self._hash.update(body)
        self._size += len(body)

    @property
    def value(self) -> Checksum:
        """The checksum of all bytes so far."""
        return Checksum(self._size, self._hash.hexdigest())


def parse_checksum(members: dict[str, Any] | None) -> Checksum | None:
    """The checksum of these JSON members; ``None`` where there are none, as in older reports.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` where they are not those of a checksum.
    """
    return None if members is None else Checksum(int(members["bytes"]), str(members["sha256"]))


def verify(body: bytes, expected: Checksum | None, name: str, remedy: str) -> bytes:
    """The body, if it is what was written; any body where the checksum is not known.

    Raises :class:`BatchCorruptError`, with the name of the object and the remedy, if it is not.
    """
    if expected is not None:
        _compare(Checksum.of(body), expected, name, remedy)
    return body


class Stream(Protocol):
    """A stream of bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; ``b""`` at the end."""


class ChecksummedStream:
    """A stream over a whole object that can say afterwards whether it was the right one."""

    def __init__(self, stream: Stream, expected: Checksum, name: str, remedy: str) -> None:
        self._stream = stream
        self._expected = expected
        self._name, self._remedy = name, remedy
        self._found = RunningChecksum()

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; ``b""`` at the end."""
        data = self._stream.read(size)
        self._found.add(data)
        return data

    def verify(self) -> None:
        """Reads what is left, and raises :class:`BatchCorruptError` if the object is another than
        was written."""
        while self.read(REST_BYTES):
            pass
        _compare(self._found.value, self._expected, self._name, self._remedy)


def _compare(found: Checksum, expected: Checksum, name: str, remedy: str) -> None:
    if found != expected:
        raise BatchCorruptError(
            f"{name} is not the object that was written: it has {found.size} bytes with the "
            f"SHA-256 {found.sha256[:12]}..., and should have {expected.size} with "
            f"{expected.sha256[:12]}.... {remedy}"
        )
