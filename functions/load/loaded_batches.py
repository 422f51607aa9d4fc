"""The other loaded batches that may hold readings of some keys, and those readings with places."""

# ruff: noqa: S608 - the only names in the statements are constants, quoted names and literals

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from functions.load.batch import Group, parse_groups
from functions.load.copy_filter import Block, ranges_to_read, split_lines, times_of
from functions.load.order_statements import DISPUTED, time_of_key
from functions.load.source import RangeReader, Readable, verified
from telemetry.checksums import ChecksummedStream, verify
from telemetry.contract import Contract
from telemetry.ddl import LEDGER, quote_name, quote_text
from telemetry.errors import BatchCorruptError, BatchMissingError
from telemetry.layout import copy_groups_key, copy_key, parse_raw_key, report_key
from telemetry.places import (
    TAIL_BYTES,
    ArrivalPlaces,
    Footer,
    before_all,
    parse_footer,
    parse_places,
    place_at,
)
from telemetry.reports import parse_report, unpack

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

__all__ = [
    "LoadedBatch",
    "ObjectReader",
    "PlacedLines",
    "StoredBatch",
    "array_positions",
    "find_loaded",
]

READ_BYTES = 1 << 18


class ObjectReader(Protocol):
    """Opens objects of the data bucket, as :func:`telemetry.storage.open_object` does."""

    def __call__(
        self, key: str, *, start: int = 0, end: int | None = None, last: int | None = None
    ) -> AbstractContextManager[Readable]:
        """A stream over a range of the object's bytes; raises ``BatchMissingError``."""


@dataclass(frozen=True)
class LoadedBatch:
    """A batch that the ledger says is loaded."""

    batch_id: str
    raw_key: str
    contract_digest: str
    times: tuple[str, str]
    """Least and greatest time of its readings, as PostgreSQL writes them."""
    arrivals: tuple[int, int] | None
    """Arrivals (epoch ms) of its first and last message; ``None`` in rows of before."""
    number: int
    """1 for the batch that was loaded last."""

    @property
    def first_place(self) -> bytes:
        """A place that none of its readings is before."""
        return before_all() if self.arrivals is None else place_at(self.arrivals[0])

    @property
    def last_place(self) -> bytes:
        """A place that none of its readings is after."""
        return before_all() if self.arrivals is None else place_at(self.arrivals[1]) + b"\xff" * 8


def find_loaded(
    cursor: Cursor, contract: Contract, batch_id: str, since: str | None
) -> list[LoadedBatch]:
    """The other loaded batches whose range of time holds one of the disputed keys.

    ``since``: only those with a message that arrived at that time (ISO 8601) or later. Without a
    timestamp in the key, all of them. The latest ones are first.
    """
    time, near, late = time_of_key(contract), "", ""
    if time is not None:
        near = (
            f" AND EXISTS (SELECT FROM {DISPUTED} AS d WHERE d.{quote_name(time)} "
            "BETWEEN coalesce(min_time, '-infinity') AND coalesce(max_time, 'infinity'))"
        )
    if since is not None:
        late = " AND last_received_at >= %(since)s::timestamptz"
    millis = [f"(extract(epoch FROM {n}_received_at) * 1000)::bigint" for n in ("first", "last")]
    cursor.execute(
        "SELECT batch_id, raw_key, contract_digest, coalesce(min_time, '-infinity')::text, "
        f"coalesce(max_time, 'infinity')::text, {', '.join(millis)}, "
        f"row_number() OVER (ORDER BY loaded_at DESC, batch_id) FROM {LEDGER} "
        f"WHERE contract = {quote_text(contract.name)} AND status = 'loaded' AND accepted > 0 "
        f"AND batch_id <> %(batch)s{near}{late} "
        "ORDER BY last_received_at DESC NULLS LAST, batch_id",
        {"batch": batch_id, "since": since},
    )
    return [
        LoadedBatch(
            name, raw, digest, (least, most), None if last is None else (first, last), number
        )
        for name, raw, digest, least, most, first, last, number in cursor.fetchall()
    ]


class StoredBatch:
    """The COPY object of a loaded batch, its groups and its places."""

    def __init__(self, objects: ObjectReader, raw_key: str, contract_digest: str) -> None:
        """Raises :class:`BatchCorruptError` where the key is not that of a raw micro-batch."""
        self._objects = objects
        raw = parse_raw_key(raw_key)
        if raw is None:
            raise BatchCorruptError(f"{raw_key} is not the key of a raw micro-batch.")
        self._key = copy_key(raw, contract_digest)
        self._groups_key = copy_groups_key(raw, contract_digest)
        self._report_key = report_key(raw.batch_id)
        self._digest = contract_digest

    def groups(self, contract: Contract) -> list[Group] | None:
        """The groups of its rows; ``None`` where they don't have the contract's key, or where there
        are none, so that all lines have to be read."""
        content = self._groups_in_report()
        if content is None:
            try:
                with self._objects(self._groups_key) as stream:
                    content = _whole(stream)
            except BatchMissingError:
                return None
        try:
            members = json.loads(content)
            key = (*members["columns"], members["time"])
        except (ValueError, KeyError, TypeError) as error:
            raise BatchCorruptError(f"{self._groups_key} can't be parsed: {error!r}.") from error
        return parse_groups(content) if key == contract.key else None

    def _groups_in_report(self) -> bytes | None:
        """The groups that the batch's report has of this COPY object; ``None`` where it has none,
        is of another contract's, or can't be read."""
        try:
            with self._objects(self._report_key) as stream:
                report = parse_report(_whole(stream), self._report_key)
            if report.get("contract_digest") != self._digest or "groups" not in report["copy"]:
                return None
            return unpack(report["copy"]["groups"])
        except (BatchMissingError, BatchCorruptError, KeyError, TypeError):
            return None

    def footer(self) -> Footer:
        """The description of the object; raises :class:`BatchCorruptError` where it has none."""
        wanted = TAIL_BYTES
        while True:
            with self._objects(self._key, last=wanted) as stream:
                tail = _whole(stream)
            try:
                found = parse_footer(tail)
            except (ValueError, KeyError, TypeError) as error:
                raise BatchCorruptError(f"The footer of {self._key}: {error!r}.") from error
            if isinstance(found, Footer):
                return found
            if found is None or found <= wanted:
                raise BatchCorruptError(f"{self._key} has no places of arrival.")
            wanted = found

    def places(self, footer: Footer) -> ArrivalPlaces:
        """The place of each of its rows."""
        start = footer.lines.size
        with self._objects(self._key, start=start, end=start + footer.rest.size) as stream:
            rest = verify(_whole(stream), footer.rest, self._key, "")
        return parse_places(rest, footer)

    @contextmanager
    def lines(self, footer: Footer, blocks: Sequence[Block] | None) -> Iterator[Readable]:
        """The lines of the blocks that may hold existing rows, or all lines; their checksum is
        verified before the stream is closed."""
        with self._objects(self._key, end=footer.lines.size) as stored:
            stream = ChecksummedStream(stored, footer.lines, self._key, "")
            with verified(stream):
                if blocks is None:
                    yield stream
                else:
                    yield RangeReader(stream, ranges_to_read(blocks, existing=True))


class PlacedLines:
    """A stream of lines for COPY, each with the number of its batch and its places before it.

    ``groups`` and ``blocks`` are in the order of the object; without them, all lines are passed on.
    ``column`` is the place of the time in a line. ``values`` has the position of each column that
    may have a later place, by its number in the lines.
    """

    def __init__(
        self,
        stream: Readable,
        places: ArrivalPlaces,
        origin: int,
        *,
        groups: Sequence[Group] = (),
        blocks: Sequence[Block] | None = None,
        column: int = 0,
        values: dict[int, int] | None = None,
    ) -> None:
        self._stream = stream
        self._places = places
        self._origin = origin
        self._column = column
        self._values = values or {}
        lines = self._all_lines() if blocks is None else self._chosen_lines(groups, blocks)
        self._pieces = lines

    def read(self, _size: int = -1, /) -> bytes:
        """The next piece, whatever the size asked for; ``b""`` at the end."""
        return next(self._pieces, b"")

    def _chosen_lines(self, groups: Sequence[Group], blocks: Sequence[Block]) -> Iterator[bytes]:
        row = 0
        for group, block in zip(groups, blocks, strict=True):
            times, (start, end) = block.existing_times, block.range
            if times is None or times:
                content = _exactly(self._stream, end - start)
                lines = split_lines(content)
                found = times_of(content, lines, self._column) if times else ()
                kept = range(len(lines))
                chosen = [n for n in kept if times is None or found[n] in times]
                if chosen:
                    yield b"".join(self._placed(row + n, lines[n]) for n in chosen)
            row += group.rows

    def _all_lines(self) -> Iterator[bytes]:
        row, rest = 0, b""
        while data := self._stream.read(READ_BYTES):
            rest += data
            whole, rest = _split_at_last_row(rest)
            if whole:
                lines = split_lines(whole)
                yield b"".join(self._placed(row + n, line) for n, line in enumerate(lines))
                row += len(lines)

    def _placed(self, row: int, line: bytes) -> bytes:
        place = self._places.place(row).hex()
        return f"{self._origin},\\x{place},{self._later(row)},".encode() + line + b"\n"

    def _later(self, row: int) -> str:
        """The places of values from later readings, as an array in CSV; mostly there are none."""
        if not self._values:
            return ""
        found = self._places.later(row)
        if not found:
            return ""
        places = {self._values[n]: place for n, place in found.items() if n in self._values}
        parts = ["NULL"] * max(self._values.values())
        for position, place in places.items():
            parts[position - 1] = f'""\\\\x{place.hex()}""'
        return f'"{{{",".join(parts)}}}"'


def _whole(stream: Readable) -> bytes:
    return b"".join(iter(lambda: stream.read(READ_BYTES), b""))


def _exactly(stream: Readable, size: int) -> bytes:
    """So many bytes, or fewer at the end of the object, which its checksum then shows."""
    parts: list[bytes] = []
    while size > 0 and (data := stream.read(min(size, READ_BYTES))):
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


def _split_at_last_row(data: bytes) -> tuple[bytes, bytes]:
    """Whole rows, and what follows them. A line break within quotes does not end a row."""
    end = data.rfind(b"\n") + 1
    while end and data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\n", 0, end - 1) + 1
    return data[:end], data[end:]


def array_positions(columns: Sequence[str], values: Sequence[str]) -> dict[int, int]:
    """Position (from 1) in ``values`` of each column that is there, by its number in
    ``columns``."""
    places = {name: n for n, name in enumerate(values, 1)}
    return {n: places[name] for n, name in enumerate(columns) if name in places}
