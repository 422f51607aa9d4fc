"""Rows per second of Load's ways into PostgreSQL, against ``psql \\copy`` of the same rows.

Usage: ``python -m bench.load_against_psql [ROWS]`` (default 1,000,000). Starts a PostgreSQL of its
own, fills the fleet's table with as many rows first, and prints one line for each way.
"""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2

from functions.load.batch import Batch, Group, Range
from functions.load.loading import load_batch
from functions.load.source import RangeReader, merge_ranges
from functions.migrate.migration import migrate
from local.postgres import Database, binary, temporary_server
from telemetry.contract import load_contract
from telemetry.database import Credentials
from telemetry.ddl import qualified

CONTRACT = load_contract(Path(__file__).parents[1] / "contracts" / "fleet.toml")
LOADER = Credentials("telemetry_loader", "bench")
DEVICES = 1000
START = datetime(2026, 1, 1, tzinfo=UTC)


class Rows:
    """Readings of some devices, ``first`` to ``first + each``, as a COPY object with its groups."""

    def __init__(self, *parts: tuple[range, int, int]) -> None:
        chance, pieces, at = random.Random(1), [], 0
        self.groups: list[Group] = []
        for devices, first, each in parts:
            for device in devices:
                piece = "".join(
                    _line(device, number, chance) for number in range(first, first + each)
                ).encode()
                span = (at, at + len(piece))
                self.groups.append(Group((f"box-{device:05d}",), span, each, _time(first)))
                pieces.append(piece)
                at += len(piece)
        self.content = b"".join(pieces)
        self.count = sum(group.rows for group in self.groups)

    @contextmanager
    def open(self, ranges: Sequence[Range] | None) -> Iterator[Any]:
        stream = io.BytesIO(self.content)
        yield stream if ranges is None else RangeReader(stream, merge_ranges(ranges))


def _time(number: int) -> str:
    return (START + timedelta(seconds=10 * number)).isoformat(timespec="microseconds")


def _line(device: int, number: int, chance: random.Random) -> str:
    now, heat = _time(number), 20 + 5 * chance.random()
    return f"box-{device:05d},{now},{number},{heat:.2f},41.5,1013.2,3.7,f,ok,1.4.2,{now}\n"


def load(database: Database, name: str, rows: Rows, *, grouped: bool) -> float:
    """Loads as the function does; returns rows per second."""
    batch = Batch(
        batch_id=name,
        raw_key="raw",
        execution="bench",
        contract=CONTRACT.name,
        contract_digest=CONTRACT.digest,
        quarantined=False,
        messages=1,
        read=rows.count,
        accepted=rows.count,
        duplicates=0,
        rejected=0,
        rejected_by={},
        min_time=None,
        max_time=None,
        copy_key="copy",
        columns=tuple(column.name for column in CONTRACT.columns),
        groups_key=None,
    )
    groups = rows.groups if grouped else []
    with closing(psycopg2.connect(database.dsn(LOADER.username, LOADER.password))) as connection:
        started = time.perf_counter()
        load_batch(connection, CONTRACT, batch, rows, lambda: groups)
        return rows.count / (time.perf_counter() - started)


def psql(database: Database, rows: Rows) -> float:
    """The yardstick; returns rows per second."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(rows.content)
        file.flush()
        copy = f"\\copy {qualified(CONTRACT)} from '{file.name}' csv"
        environment = {**os.environ, "PGPASSWORD": database.owner_password}
        started = time.perf_counter()
        command = [str(binary("psql")), "-q", database.dsn(), "-c", copy]
        subprocess.run(command, check=True, env=environment)
        return rows.count / (time.perf_counter() - started)


def main(total: int) -> None:
    """Runs all ways one after another on one growing table."""
    each, half = total // DEVICES, DEVICES // 2
    everyone = range(DEVICES)
    with temporary_server() as database:
        with closing(psycopg2.connect(database.dsn())) as owner:
            migrate(owner, CONTRACT, LOADER)
        load(database, "present", Rows((everyone, 0, each)), grouped=True)
        yardstick = psql(database, Rows((everyone, each, each)))
        known = Rows((everyone, 3 * each, each))
        ways = {
            "straight": (Rows((everyone, 2 * each, each)), True),
            "staged, all new": (known, False),
            "staged, all known": (known, True),
            "half newer, half known": (
                Rows((range(half), 4 * each, each), (range(half, DEVICES), 3 * each, each)),
                True,
            ),
        }
        print(f"{'psql copy':24}{yardstick:12,.0f} rows/s")
        for name, (rows, grouped) in ways.items():
            speed = load(database, name, rows, grouped=grouped)
            print(f"{name:24}{speed:12,.0f} rows/s {speed / yardstick:6.2f}x")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
