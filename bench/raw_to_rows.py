"""Successive micro-batches, from raw objects to rows, compared with ``psql \\copy`` of clean rows.

Usage: ``python -m bench.raw_to_rows [--quick]``. A backlog is several micro-batches, which the
workflow transforms and loads in parallel (``run.max_concurrency``). Here a worker stands for one of
the map's executions: it decompresses, transforms and loads a batch, then takes the next one, so
that the load of one batch overlaps with the transform of another. psql copies the rows of the same
batches, transformed before: once one file after another, once with two connections. Each run begins
with an empty table and must end with the same rows.
"""

from __future__ import annotations

import gzip
import itertools
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import psycopg2

from bench.end_to_end import Stored
from bench.load import CONTRACT, LOADER, PSQL
from bench.measurement import Case, Measurement, interleaved, print_results, seconds_of
from bench.messages import raw_objects
from functions.load.batch import groups_of, parse_batch
from functions.load.loading import load_batch
from functions.migrate.migration import migrate
from functions.transform.handler import transform
from local.database import Database
from local.postgres import binary, temporary_server
from telemetry.checksums import parse_checksum
from telemetry.ddl import qualified

__all__ = ["measure"]

SUBJECT = "raw objects to rows"
KEY = "raw/2026/03/01/bench/batch{}.n1.ndjson.gz"
EACH = 20
"""Readings per message."""


def transform_and_load(dsn: str, number: int, raw: bytes) -> int:
    """Does to a raw object what Transform and Load do; returns the number of rows."""
    objects, report = transform(gzip.decompress(raw), CONTRACT, KEY.format(number), "bench")
    bodies = {stored.key: stored.body for stored in objects}
    batch = parse_batch({"execution": "bench", "verdict": "pass"}, objects[-1].body)
    source = Stored(bodies[report["copy"]["key"]], batch.copy_checksum)
    with closing(psycopg2.connect(dsn)) as connection:
        load_batch(
            connection, CONTRACT, batch, source, lambda: groups_of(batch, bodies.__getitem__)
        )
    return batch.accepted


class Bench:
    """A server, raw objects, and their rows as files."""

    def __init__(self, database: Database, raws: list[bytes], folder: Path) -> None:
        self.database = database
        self.raws = [gzip.compress(raw, 1) for raw in raws]
        self.files = []
        self.rows = 0
        for number, raw in enumerate(raws):
            objects, report = transform(raw, CONTRACT, KEY.format(number), "bench")
            (copy,) = (stored for stored in objects if stored.key == report["copy"]["key"])
            self.rows += report["copy"]["rows"]
            self.files.append(folder / f"{number}.csv")
            lines = parse_checksum(report["copy"])
            assert lines is not None
            # After the rows come their places in the messages, which psql does not take.
            self.files[-1].write_bytes(copy.body[: lines.size])
        self._numbers = itertools.count()

    def ours(self, workers: Executor) -> float:
        """Transforms and loads all raw objects."""
        dsn = self.database.dsn(LOADER.username, LOADER.password)
        batches = [(dsn, next(self._numbers), raw) for raw in self.raws]
        return self._checked(
            lambda: list(workers.map(transform_and_load, *zip(*batches, strict=True)))
        )

    def psql(self, workers: Executor) -> float:
        """Copies the rows of all raw objects, which were cleaned before."""
        return self._checked(lambda: list(workers.map(self._copy, self.files)))

    def _copy(self, file: Path) -> None:
        copy = f"\\copy {qualified(CONTRACT)} from '{file}' csv"
        command = [str(binary("psql")), "-q", self.database.dsn(), "-c", copy]
        environment = {**os.environ, "PGPASSWORD": self.database.owner_password}
        subprocess.run(command, check=True, env=environment)

    def _checked(self, work: Callable[[], object]) -> float:
        with closing(psycopg2.connect(self.database.dsn())) as owner, owner.cursor() as cursor:
            cursor.execute(f"TRUNCATE {qualified(CONTRACT)}")
            owner.commit()
            seconds = seconds_of(work)
            cursor.execute(f"SELECT count(*) FROM {qualified(CONTRACT)}")
            found = cursor.fetchone()[0]
        if found != self.rows:
            raise AssertionError(f"{found:,} rows in the table, expected {self.rows:,}")
        return seconds


def measure(*, batches: int, readings: int, rounds: int) -> list[Measurement]:
    """Measures all cases with so many readings per batch, against a temporary server."""
    with ExitStack() as stack:
        database = stack.enter_context(temporary_server())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        with closing(psycopg2.connect(database.dsn())) as owner:
            migrate(owner, CONTRACT, LOADER)
        raws = list(itertools.islice(raw_objects(readings, each=EACH), batches))
        bench = Bench(database, raws, Path(folder))
        # A Lambda of up to 1,769 MB has one processor: so has a worker.
        os.environ["POLARS_MAX_THREADS"] = "1"
        fresh = multiprocessing.get_context("spawn")
        cases = []
        for count, how in ((1, "one at a time"), (2, "two in parallel")):
            functions = stack.enter_context(ProcessPoolExecutor(count, fresh))
            clients = stack.enter_context(ThreadPoolExecutor(count))
            cases += [
                Case(f"telemetry-etl, {how}", partial(bench.ours, functions), bench.rows),
                Case(f"{PSQL}, {how}", partial(bench.psql, clients), bench.rows),
            ]
        for case in cases:
            case.run()  # starts the workers, which is not part of it
        return interleaved(SUBJECT, "rows/s", cases, rounds)


if __name__ == "__main__":
    if "--quick" in sys.argv:
        print_results(measure(batches=3, readings=2_000, rounds=1))
    else:
        print_results(measure(batches=8, readings=50_000, rounds=5))
