"""Rows for the fleet's table in the form of a COPY object: CSV in key order, with groups."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from bench.messages import contract as fleet
from functions.load.batch import Batch, Group, Range, parse_groups
from functions.load.source import RangeReader, merge_ranges, verified
from functions.transform.copy import copy_groups
from telemetry.checksums import Checksum, ChecksummedStream
from telemetry.contract import Contract

__all__ = ["Rows", "batch_of"]

FLEET = fleet()
START = datetime(2026, 1, 1, tzinfo=UTC)
Part = tuple[int, range]
"""A device and the numbers of its readings."""


class Rows:
    """Readings of some devices, in key order."""

    def __init__(self, parts: Sequence[Part]) -> None:
        lines = [
            _line(device, number)
            for device, numbers in sorted(parts, key=lambda part: (part[0], part[1].start))
            for number in numbers
        ]
        self.content = "".join(lines).encode()
        self.checksum = Checksum.of(self.content)
        self.count = len(lines)
        self.groups = _groups(self.content)

    @contextmanager
    def open(self, ranges: Sequence[Range] | None) -> Iterator[Any]:
        """The stream that Load reads, as it would from S3."""
        stream = ChecksummedStream(io.BytesIO(self.content), self.checksum, "copy", "")
        with verified(stream):
            yield stream if ranges is None else RangeReader(stream, merge_ranges(ranges))

    def values(self) -> list[list[Any]]:
        """The rows as typed values, for peers that do not take CSV."""
        return [_typed(row) for row in csv.reader(io.StringIO(self.content.decode()))]


def batch_of(name: str, rows: int, contract: Contract) -> Batch:
    """The batch that Load would read from a report."""
    return Batch(
        batch_id=name,
        raw_key="raw",
        execution="bench",
        contract=contract.name,
        contract_digest=contract.digest,
        status="loaded",
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


def _groups(content: bytes) -> list[Group]:
    """The groups as Transform writes them: the speed of Load depends on them."""
    device, ts = pl.read_csv(content, has_header=False, columns=[0, 1]).get_columns()
    rows = pl.DataFrame({"device_id": device, "ts": ts.str.to_datetime(time_zone="UTC")})
    groups = copy_groups(rows, content, FLEET)
    assert groups is not None
    return parse_groups(groups)


def _time(number: int) -> str:
    return (START + timedelta(seconds=10 * number)).isoformat(timespec="microseconds")


def _line(device: int, number: int) -> str:
    # Of device and number alone: rows that come again are repeats, not conflicts.
    now, heat = _time(number), 20 + (device * 7919 + number * 104729) % 500 / 100
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
