"""Places of a COPY object's rows in the order of arrival; they follow its lines.

::

    lines │ messages │ runs │ later │ footer │ length of the footer │ magic

COPY is given the lines alone. Load needs the rest only where readings of different batches have the
same key and it matters which came first: a reading's place is the arrival of its message, the id of
the message, and its index there.

============  ==================================================================================
messages      CSV: arrival (epoch ms) and id of each message of the batch, in that order
runs          three arrays of unsigned 32-bit integers, little-endian: row, message, index. From
              that row on, up to the next run's, the message is the same and the index counts up
later         four such arrays: row, column, message, index. Under ``fill_missing``, the columns
              of a row whose value comes from a later reading than the row's first one
footer        JSON: :class:`Footer`
============  ==================================================================================

A message that is one reading has the index 0, the elements of an array count from 1.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from telemetry.checksums import Checksum

__all__ = [
    "TAIL_BYTES",
    "ArrivalPlaces",
    "Footer",
    "before_all",
    "parse_footer",
    "parse_places",
    "place_at",
    "write_places",
]

MAGIC = b"places-1"
LENGTH_BYTES = 4
TAIL_BYTES = 1 << 16
"""Bytes at the end of an object within which a footer is looked for first."""
WORD = 4
MIDDLE = 1 << 63
"""Added to an arrival, so that the bytes of negative ones sort first."""


@dataclass(frozen=True)
class Footer:
    """The contents of a COPY object."""

    columns: tuple[str, ...]
    """Columns of its lines, in order."""
    key: tuple[str, ...]
    """The key of the contract that they were made by."""
    rows: int
    lines: Checksum
    """Checksum of the lines."""
    rest: Checksum
    """Checksum of what is between the lines and the footer."""
    messages: int
    """Bytes of the messages."""
    runs: int
    """Number of runs."""
    later: int
    """Number of values that come from a later reading."""


def write_places(
    lines: Checksum,
    columns: Sequence[str],
    key: Sequence[str],
    rows: int,
    messages: bytes,
    runs: Sequence[Sequence[int]],
    later: Sequence[Sequence[int]],
) -> bytes:
    """All that follows the lines of a COPY object."""
    rest = b"".join((messages, *map(_packed, runs), *map(_packed, later)))
    footer = Footer(
        columns=tuple(columns),
        key=tuple(key),
        rows=rows,
        lines=lines,
        rest=Checksum.of(rest),
        messages=len(messages),
        runs=len(runs[0]),
        later=len(later[0]),
    )
    text = json.dumps(asdict(footer), ensure_ascii=False, separators=(",", ":")).encode()
    return rest + text + len(text).to_bytes(LENGTH_BYTES, "little") + MAGIC


def parse_footer(tail: bytes) -> Footer | int | None:
    """The footer, from the last bytes of an object; ``None`` where it has none.

    Where more bytes are needed: how many. Raises ``ValueError``, ``KeyError`` or ``TypeError``
    where it can't be parsed.
    """
    if not tail.endswith(MAGIC):
        return None
    end = len(tail) - len(MAGIC) - LENGTH_BYTES
    length = int.from_bytes(tail[end : end + LENGTH_BYTES], "little")
    if length > end:
        return length + LENGTH_BYTES + len(MAGIC)
    members: dict[str, Any] = json.loads(tail[end - length : end])
    members |= {name: Checksum(**members[name]) for name in ("lines", "rest")}
    members |= {name: tuple(members[name]) for name in ("columns", "key")}
    return Footer(**members)


class ArrivalPlaces:
    """The place of each row, as bytes that sort in the order of arrival."""

    def __init__(
        self,
        messages: list[bytes],
        runs: list[array[int]],
        later: dict[int, dict[int, tuple[int, int]]],
    ) -> None:
        self._messages = messages
        self._rows, self._message, self._index = runs
        self._later = later

    def place(self, row: int) -> bytes:
        """The place of a row's reading; of the first one where it has values of several."""
        run = bisect_right(self._rows, row) - 1
        return self._at(self._message[run], self._index[run] + row - self._rows[run])

    def later(self, row: int) -> dict[int, bytes]:
        """Numbers of the columns whose value comes from a later reading, and its place."""
        found = self._later.get(row)
        return {c: self._at(*where) for c, where in found.items()} if found else {}

    def _at(self, message: int, index: int) -> bytes:
        return self._messages[message] + index.to_bytes(WORD, "big")


def parse_places(rest: bytes, footer: Footer) -> ArrivalPlaces:
    """The places, from the bytes between the lines and the footer."""
    table = csv.reader(io.StringIO(rest[: footer.messages].decode(), newline=""))
    messages = [
        place_at(int(arrival) if arrival else -MIDDLE) + message_id.encode() + b"\0"
        for arrival, message_id in table
    ]
    words = memoryview(rest)[footer.messages :]
    runs = [_unpacked(words, n * footer.runs, footer.runs) for n in range(3)]
    start = 3 * footer.runs
    later: dict[int, dict[int, tuple[int, int]]] = {}
    parts = [_unpacked(words, start + n * footer.later, footer.later) for n in range(4)]
    for row, column, message, index in zip(*parts, strict=True):
        later.setdefault(row, {})[column] = (message, index)
    return ArrivalPlaces(messages, runs, later)


def place_at(arrival: int) -> bytes:
    """The beginning of the place of a message that arrived then (epoch ms)."""
    return b"\1" + (arrival + MIDDLE).to_bytes(8, "big")


def before_all() -> bytes:
    """A place before that of any message: of readings whose arrival is not known."""
    return b"\0"


def _packed(numbers: Sequence[int]) -> bytes:
    words = array("I", numbers)
    if sys.byteorder == "big":
        words.byteswap()
    return words.tobytes()


def _unpacked(words: memoryview, start: int, count: int) -> array[int]:
    found = array("I")
    found.frombytes(words[start * WORD : (start + count) * WORD])
    if sys.byteorder == "big":
        found.byteswap()
    return found
