"""Load against ``psql \\copy`` of rows like these into the same table, and against other clients.

Usage: ``python -m bench.loading [--quick]``. All ways write to one table with its primary key, in
turns, each rows of its own; the table grows meanwhile, by the same amount for all of them. psql,
ADBC and ``to_sql`` can't meet a row that is there already: their rows are always new ones.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import adbc_driver_postgresql.dbapi as adbc
import awswrangler
import pandas as pd
import pg8000
import psycopg2
import psycopg2.extras
import pyarrow as pa
import sqlalchemy

from bench.measuring import Measured, Way, by_turns, seconds_of, tell
from bench.messages import contract
from bench.rows import Rows, batch_of
from functions.load.loading import load_batch
from functions.migrate.migration import migrate
from local.postgres import Database, binary, temporary_server
from telemetry.database import Credentials
from telemetry.ddl import qualified

CONTRACT = contract()
NAMES = [column.name for column in CONTRACT.columns]
LOADER = Credentials("telemetry_loader", "bench")
SUBJECT = "load"
PSQL = "psql copy"


class Bench:
    """One server, its table, and which readings of each device are there."""

    def __init__(self, database: Database, devices: int, present: int) -> None:
        self.database = database
        self.devices = devices
        self.fresh = 0
        self._next = 0
        self._names = (f"batch-{number}" for number in itertools.count())
        self.load(self.new(devices * present))

    def new(self, count: int) -> Rows:
        """Rows that are newer than all that is there, spread over all devices."""
        each = count // self.devices
        first, self._next = self._next, self._next + each
        self.fresh += self.devices * each
        return Rows([(device, range(first, first + each)) for device in range(self.devices)])

    def overlapping(self, count: int, share: float) -> Rows:
        """Rows of which this share is there already, the same share of each device."""
        each = count // self.devices
        old = round(each * share)
        first, self._next = self._next, self._next + each - old
        newer = range(first, first + each - old)
        self.fresh += self.devices * len(newer)
        return Rows(
            [(device, part) for device in range(self.devices) for part in (range(old), newer)]
        )

    def again(self, count: int, share: float) -> Rows:
        """Rows of which this share is there already: all those of some devices, none of others."""
        each, old = count // self.devices, round(self.devices * share)
        first, self._next = self._next, self._next + each
        newer = range(first, first + each)
        self.fresh += (self.devices - old) * each
        return Rows([(d, range(each) if d < old else newer) for d in range(self.devices)])

    def load(self, rows: Rows) -> float:
        """As the function does; seconds, without connecting."""
        batch = batch_of(next(self._names), rows.count, CONTRACT)
        dsn = self.database.dsn(LOADER.username, LOADER.password)
        with closing(psycopg2.connect(dsn)) as connection:
            return seconds_of(
                lambda: load_batch(connection, CONTRACT, batch, rows, lambda: rows.groups)
            )

    def two_at_once(self, work: Callable[[Rows], float], count: int) -> float:
        """The same work twice at the same time, each with new rows of its own."""
        both = (self.new(count), self.new(count))
        with ThreadPoolExecutor(2) as pool:
            return seconds_of(lambda: list(pool.map(work, both)))

    def psql(self, rows: Rows) -> float:
        """The yardstick; psql's own start is in it, some 20 ms."""
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            file.write(rows.content)
            file.flush()
            copy = f"\\copy {qualified(CONTRACT)} from '{file.name}' csv"
            command = [str(binary("psql")), "-q", self.database.dsn(), "-c", copy]
            environment = {**os.environ, "PGPASSWORD": self.database.owner_password}
            return seconds_of(lambda: subprocess.run(command, check=True, env=environment))

    def execute_values(self, rows: Rows) -> float:
        statement = (
            f"INSERT INTO {qualified(CONTRACT)} ({', '.join(NAMES)}) VALUES %s "
            "ON CONFLICT DO NOTHING"
        )
        values = rows.values()
        with closing(psycopg2.connect(self.database.dsn())) as connection:

            def insert() -> None:
                with connection, connection.cursor() as cursor:
                    psycopg2.extras.execute_values(cursor, statement, values, page_size=1000)

            return seconds_of(insert)

    def to_sql(self, rows: Rows) -> float:
        frame = pd.DataFrame(rows.values(), columns=NAMES)
        engine = sqlalchemy.create_engine(self._url("postgresql+psycopg2"))
        try:
            with engine.begin() as connection:
                return seconds_of(
                    lambda: frame.to_sql(
                        CONTRACT.table,
                        connection,
                        schema=CONTRACT.schema,
                        if_exists="append",
                        index=False,
                        method="multi",
                        chunksize=1000,
                    )
                )
        finally:
            engine.dispose()

    def adbc(self, rows: Rows) -> float:
        columns = [pa.array(column) for column in zip(*rows.values(), strict=True)]
        table = pa.Table.from_arrays(columns, names=NAMES)
        with (
            closing(adbc.connect(self._url("postgresql"))) as connection,
            closing(connection.cursor()) as cursor,
        ):

            def ingest() -> None:
                cursor.adbc_ingest(
                    CONTRACT.table, table, mode="append", db_schema_name=CONTRACT.schema
                )
                connection.commit()

            return seconds_of(ingest)

    def awswrangler(self, rows: Rows) -> float:
        database = self.database
        frame = pd.DataFrame(rows.values(), columns=NAMES)
        connection = pg8000.connect(
            user=database.owner,
            password=database.owner_password,
            host=database.host,
            port=database.port,
            database=database.name,
        )
        with closing(connection):
            return seconds_of(
                lambda: awswrangler.postgresql.to_sql(
                    df=frame,
                    con=connection,
                    table=CONTRACT.table,
                    schema=CONTRACT.schema,
                    mode="append",
                    insert_conflict_columns=list(CONTRACT.key),
                    use_column_names=True,
                    chunksize=1000,
                )
            )

    def check(self) -> None:
        """Raises where the table holds other rows than those that were handed over as new."""
        with closing(psycopg2.connect(self.database.dsn())) as owner, owner.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {qualified(CONTRACT)}")
            found = cursor.fetchone()[0]
        if found != self.fresh:
            raise AssertionError(f"{found:,} rows in the table, and {self.fresh:,} were new")

    def _url(self, driver: str) -> str:
        database = self.database
        return (
            f"{driver}://{database.owner}:{database.owner_password}"
            f"@{database.host}:{database.port}/{database.name}"
        )


def ways(bench: Bench, count: int) -> Iterator[Way]:
    """All ways; the slow ones with fewer rows."""

    def way(name: str, work: Callable[[Rows], float], rows: Callable[[int], Rows], n: int) -> Way:
        return Way(name, lambda: work(rows(n)), n)

    yield way(PSQL, bench.psql, bench.new, count)
    yield way("all new", bench.load, bench.new, count)
    yield way("1 % there", bench.load, lambda n: bench.again(n, 0.01), count)
    yield way("half there, of half the devices", bench.load, lambda n: bench.again(n, 0.5), count)
    yield way("half there, of each device", bench.load, lambda n: bench.overlapping(n, 0.5), count)
    yield Way("two at once, all new", lambda: bench.two_at_once(bench.load, count), 2 * count)
    yield Way("two psql at once", lambda: bench.two_at_once(bench.psql, count), 2 * count)
    yield way("ADBC", bench.adbc, bench.new, count)
    yield way("execute_values", bench.execute_values, bench.new, count // 5)
    yield way("pandas to_sql", bench.to_sql, bench.new, count // 10)
    yield way("awswrangler", bench.awswrangler, bench.new, count // 10)


def measure(*, devices: int, present: int, count: int, rounds: int) -> list[Measured]:
    with temporary_server() as database:
        with closing(psycopg2.connect(database.dsn())) as owner:
            migrate(owner, CONTRACT, LOADER)
        bench = Bench(database, devices, present)
        found = by_turns(SUBJECT, "rows/s", list(ways(bench, count)), rounds)
        bench.check()
        return found


if __name__ == "__main__":
    if "--quick" in sys.argv:
        tell(measure(devices=10, present=100, count=1000, rounds=1))
    else:
        tell(measure(devices=1000, present=1000, count=200_000, rounds=5))
