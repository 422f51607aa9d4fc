"""Rows for the fleet's table, as a COPY object has them: CSV in key order, with groups."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from functions.load.batch import Batch, Group, Range
from functions.load.source import RangeReader, merge_ranges
from telemetry.contract import Contract

__all__ = ["Rows", "batch_of"]

START = datetime(2026, 1, 1, tzinfo=UTC)
Part = tuple[int, range]
"""A device and the numbers of its readings."""


class Rows:
    """Readings of some devices, in key order."""

    def __init__(self, parts: Sequence[Part]) -> None:
        chance, pieces, at = random.Random(1), [], 0
        self.groups: list[Group] = []
        for device, numbers in sorted(parts, key=lambda part: (part[0], part[1].start)):
            piece = "".join(_line(device, number, chance) for number in numbers).encode()
            span = (at, at + len(piece))
            key = (f"box-{device:05d}",)
            if self.groups and self.groups[-1].key == key:
                last = self.groups.pop()
                span = (last.range[0], span[1])
                grown = last.rows + len(numbers)
                self.groups.append(Group(key, span, grown, last.min_time))
            else:
                self.groups.append(Group(key, span, len(numbers), _time(numbers.start)))
            pieces.append(piece)
            at += len(piece)
        self.content = b"".join(pieces)
        self.count = sum(group.rows for group in self.groups)

    @contextmanager
    def open(self, ranges: Sequence[Range] | None) -> Iterator[Any]:
        """The stream that Load reads, as from S3."""
        stream = io.BytesIO(self.content)
        yield stream if ranges is None else RangeReader(stream, merge_ranges(ranges))

    def values(self) -> list[list[Any]]:
        """Typed values, for the peers that take no CSV."""
        return [_typed(row) for row in csv.reader(io.StringIO(self.content.decode()))]


def batch_of(name: str, rows: int, contract: Contract) -> Batch:
    """What Load would read from a report."""
    return Batch(
        batch_id=name,
        raw_key="raw",
        execution="bench",
        contract=contract.name,
        contract_digest=contract.digest,
        quarantined=False,
        messages=1,
        read=rows,
        accepted=rows,
        duplicates=0,
        rejected=0,
        rejected_by={},
        min_time=None,
        max_time=None,
        copy_key="copy",
        columns=tuple(column.name for column in contract.columns),
        groups_key=None,
    )


def _time(number: int) -> str:
    return (START + timedelta(seconds=10 * number)).isoformat(timespec="microseconds")


def _line(device: int, number: int, chance: random.Random) -> str:
    now, heat = _time(number), 20 + 5 * chance.random()
    return f"box-{device:05d},{now},{number},{heat:.2f},41.5,1013.2,3.7,false,ok,1.4.2,{now}\n"


def _typed(row: list[str]) -> list[Any]:
    return [
        row[0],
        datetime.fromisoformat(row[1]),
        int(row[2]),
        *map(float, row[3:7]),
        row[7] == "true",
        *row[8:10],
        datetime.fromisoformat(row[10]),
    ]
