"""Transform and load, from a raw object to rows, compared with dlt's merge on the same server.

Usage: ``python -m bench.end_to_end [--quick]``. dlt has no comparable cleaning, so the orjson loop
cleans its readings, once as dictionaries and once as Arrow tables, which need no normalizing. Each
run begins with an empty table, and must end with as many rows as ours.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import dlt
import orjson
import psycopg2
import pyarrow as pa
from dlt.destinations import postgres

from bench.load import CONTRACT, LOADER
from bench.measurement import Case, Measurement, interleaved, print_results, seconds_of
from bench.messages import raw_lines
from bench.peers import plain_python
from functions.load.batch import Range, groups_of, parse_batch
from functions.load.loading import load_batch
from functions.load.source import RangeReader, merge_ranges, verified
from functions.migrate.migration import migrate
from functions.transform.handler import transform
from local.database import Database
from local.postgres import temporary_server
from telemetry.checksums import Checksum, ChecksummedStream
from telemetry.ddl import qualified

__all__ = ["measure"]

SUBJECT = "raw object to rows"
OURS = "telemetry-etl"
KEY = "raw/2026/03/01/bench/batch{}.n1.ndjson.gz"
CHUNK_ROWS = 50_000


class Stored:
    """Transform's COPY object, as Load reads it from S3."""

    def __init__(self, content: bytes, checksum: Checksum | None) -> None:
        assert checksum is not None
        # The lines' places in their messages may follow; Load does not read them here.
        self._content, self._checksum = content[: checksum.size], checksum

    @contextlib.contextmanager
    def open(self, ranges: Sequence[Range] | None) -> Iterator[Any]:
        """The stream that Load reads."""
        stream = ChecksummedStream(io.BytesIO(self._content), self._checksum, "copy", "")
        with verified(stream):
            yield stream if ranges is None else RangeReader(stream, merge_ranges(ranges))


class Bench:
    """A server and a raw object."""

    def __init__(self, database: Database, raw: bytes, folder: Path) -> None:
        self.database = database
        self.raw = gzip.compress(raw, 1)
        self.folder = folder
        self.rows: int | None = None
        self._numbers = itertools.count()

    def ours(self) -> float:
        """Transforms and loads as the functions do."""
        number = next(self._numbers)
        self._empty(qualified(CONTRACT))
        dsn = self.database.dsn(LOADER.username, LOADER.password)

        def work() -> None:
            lines = gzip.decompress(self.raw)
            objects, report = transform(lines, CONTRACT, KEY.format(number), "bench")
            bodies = {stored.key: stored.body for stored in objects}
            event = {"execution": "bench", "verdict": "pass"}
            batch = parse_batch(event, objects[-1].body)
            with closing(psycopg2.connect(dsn)) as connection:
                load_batch(
                    connection,
                    CONTRACT,
                    batch,
                    Stored(bodies[report["copy"]["key"]], batch.copy_checksum),
                    lambda: groups_of(batch, bodies.__getitem__),
                )

        return self._checked(qualified(CONTRACT), work)

    def dlt(self, items: Callable[[bytes], Iterator[Any]]) -> float:
        """Runs one dlt pipeline with ``merge`` into a new dataset."""
        name = f"bench_{next(self._numbers)}"
        database = self.database
        address = (
            f"postgresql://{database.owner}:{database.owner_password}"
            f"@{database.host}:{database.port}/{database.name}"
        )
        pipeline = dlt.pipeline(
            name,
            pipelines_dir=str(self.folder),
            destination=postgres(address),
            dataset_name=name,
        )
        resource = dlt.resource(
            lambda: items(gzip.decompress(self.raw)),
            name="readings",
            primary_key=("device_id", "ts"),
            write_disposition={"disposition": "merge", "strategy": "upsert"},
        )
        seconds = self._checked(f'"{name}"."readings"', lambda: pipeline.run(resource))
        self._drop(name)
        return seconds

    def _checked(self, table: str, work: Callable[[], object]) -> float:
        seconds = seconds_of(work)
        with self._owner() as owner, owner.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
            found = cursor.fetchone()[0]
        if self.rows is None:
            self.rows = found
        if found != self.rows:
            raise AssertionError(f"{found:,} rows in {table}, expected {self.rows:,}")
        return seconds

    def _empty(self, table: str) -> None:
        with self._owner() as owner, owner, owner.cursor() as cursor:
            cursor.execute(f"TRUNCATE {table}")

    def _drop(self, schema: str) -> None:
        with self._owner() as owner, owner, owner.cursor() as cursor:
            cursor.execute(
                f"DROP SCHEMA {schema} CASCADE; DROP SCHEMA IF EXISTS {schema}_staging CASCADE"
            )

    def _owner(self) -> Any:
        return closing(psycopg2.connect(self.database.dsn()))


def dictionaries(raw: bytes) -> Iterator[Any]:
    """Clean rows as dictionaries, in chunks of :data:`CHUNK_ROWS`."""
    rows = plain_python.accepted_rows(raw, orjson.loads)
    names = [column.name for column in CONTRACT.columns]
    for chunk in _chunks(rows):
        yield [dict(zip(names, row, strict=True)) for row in chunk]


def arrow_tables(raw: bytes) -> Iterator[Any]:
    """Clean rows as Arrow tables, in chunks of :data:`CHUNK_ROWS`."""
    names = [column.name for column in CONTRACT.columns]
    for chunk in _chunks(plain_python.accepted_rows(raw, orjson.loads)):
        columns = [pa.array(column) for column in zip(*chunk, strict=True)]
        yield pa.Table.from_arrays(columns, names=names)


def _chunks(rows: list[list[Any]]) -> Iterator[list[list[Any]]]:
    for start in range(0, len(rows), CHUNK_ROWS):
        yield rows[start : start + CHUNK_ROWS]


def measure(readings: int, rounds: int) -> list[Measurement]:
    """Measures all cases against a temporary server."""
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}
    logging.getLogger("dlt").setLevel(logging.CRITICAL)
    with temporary_server() as database, tempfile.TemporaryDirectory() as folder:
        with closing(psycopg2.connect(database.dsn())) as owner:
            migrate(owner, CONTRACT, LOADER)
        bench = Bench(database, raw_lines(readings, each=20), Path(folder))
        return interleaved(
            SUBJECT,
            "readings/s",
            [
                Case(OURS, bench.ours, readings),
                Case("dlt merge", lambda: bench.dlt(dictionaries), readings),
                Case("dlt merge, Arrow", lambda: bench.dlt(arrow_tables), readings),
            ],
            rounds,
        )


if __name__ == "__main__":
    print_results(measure(2_000, 1) if "--quick" in sys.argv else measure(100_000, 3))
