"""Load compared with ``psql \\copy`` and with other PostgreSQL clients.

Usage: ``python -m bench.load [--quick]``. All cases write different rows to one table with a
primary key, interleaved; the table grows meanwhile, by the same amount for all of them. psql, ADBC
and ``to_sql`` fail at an existing row, so they load only new rows.
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

from bench.measurement import Case, Measurement, interleaved, print_results, seconds_of
from bench.messages import contract
from bench.rows import Rows, batch_of
from functions.load.loading import load_batch
from functions.migrate.migration import migrate
from local.database import Database
from local.postgres import binary, temporary_server
from telemetry.database import Credentials
from telemetry.ddl import qualified

CONTRACT = contract()
NAMES = [column.name for column in CONTRACT.columns]
LOADER = Credentials("telemetry_loader", "bench")
SUBJECT = "load"
PSQL = "psql copy"


class Bench:
    """A server with its table, and the readings of each device in it."""

    def __init__(self, database: Database, devices: int, present: int) -> None:
        self.database = database
        self.devices = devices
        self.fresh = 0
        self._next = 0
        self._names = (f"batch-{number}" for number in itertools.count())
        self.load(self.new(devices * present))

    def new(self, count: int) -> Rows:
        """Rows newer than all existing ones, evenly spread over all devices."""
        each = count // self.devices
        first, self._next = self._next, self._next + each
        self.fresh += self.devices * each
        return Rows([(device, range(first, first + each)) for device in range(self.devices)])

    def overlapping(self, count: int, share: float) -> Rows:
        """Rows of which this share exists, the same share of every device."""
        each = count // self.devices
        old = round(each * share)
        first, self._next = self._next, self._next + each - old
        newer = range(first, first + each - old)
        self.fresh += self.devices * len(newer)
        return Rows(
            [(device, part) for device in range(self.devices) for part in (range(old), newer)]
        )

    def repeated(self, count: int, share: float) -> Rows:
        """Rows of which this share exists: all rows of some devices, none of the others."""
        each, old = count // self.devices, round(self.devices * share)
        first, self._next = self._next, self._next + each
        newer = range(first, first + each)
        self.fresh += (self.devices - old) * each
        return Rows([(d, range(each) if d < old else newer) for d in range(self.devices)])

    def load(self, rows: Rows) -> float:
        """Loads as the function does; returns the seconds, without connecting."""
        batch = batch_of(next(self._names), rows.count, CONTRACT)
        dsn = self.database.dsn(LOADER.username, LOADER.password)
        with closing(psycopg2.connect(dsn)) as connection:
            return seconds_of(
                lambda: load_batch(connection, CONTRACT, batch, rows, lambda: rows.groups)
            )

    def two_in_parallel(self, work: Callable[[Rows], float], count: int) -> float:
        """Runs the same work twice in parallel, each with its own new rows."""
        both = (self.new(count), self.new(count))
        with ThreadPoolExecutor(2) as pool:
            return seconds_of(lambda: list(pool.map(work, both)))

    def psql(self, rows: Rows) -> float:
        """The baseline; it includes the start of psql, some 20 ms."""
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            file.write(rows.content)
            file.flush()
            copy = f"\\copy {qualified(CONTRACT)} from '{file.name}' csv"
            command = [str(binary("psql")), "-q", self.database.dsn(), "-c", copy]
            environment = {**os.environ, "PGPASSWORD": self.database.owner_password}
            return seconds_of(lambda: subprocess.run(command, check=True, env=environment))

    def execute_values(self, rows: Rows) -> float:
        """Inserts with psycopg2's ``execute_values``."""
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
        """Inserts with pandas."""
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
        """Loads an Arrow table with ADBC."""
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
        """Inserts with awswrangler."""
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
        """Raises ``AssertionError`` if the number of rows is not that of the new rows loaded."""
        with closing(psycopg2.connect(self.database.dsn())) as owner, owner.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {qualified(CONTRACT)}")
            found = cursor.fetchone()[0]
        if found != self.fresh:
            raise AssertionError(f"{found:,} rows in the table, expected {self.fresh:,}")

    def _url(self, driver: str) -> str:
        database = self.database
        return (
            f"{driver}://{database.owner}:{database.owner_password}"
            f"@{database.host}:{database.port}/{database.name}"
        )


def cases(bench: Bench, count: int) -> Iterator[Case]:
    """All cases; the slow ones with fewer rows."""

    def case(name: str, work: Callable[[Rows], float], rows: Callable[[int], Rows], n: int) -> Case:
        return Case(name, lambda: work(rows(n)), n)

    yield case(PSQL, bench.psql, bench.new, count)
    yield case("new rows", bench.load, bench.new, count)
    yield case("1 % existing", bench.load, lambda n: bench.repeated(n, 0.01), count)
    yield case(
        "50 % existing, half of the devices", bench.load, lambda n: bench.repeated(n, 0.5), count
    )
    yield case(
        "50 % existing, every device", bench.load, lambda n: bench.overlapping(n, 0.5), count
    )
    yield Case(
        "two in parallel, new rows", lambda: bench.two_in_parallel(bench.load, count), 2 * count
    )
    yield Case("two psql in parallel", lambda: bench.two_in_parallel(bench.psql, count), 2 * count)
    yield case("ADBC", bench.adbc, bench.new, count)
    yield case("execute_values", bench.execute_values, bench.new, count // 5)
    yield case("pandas to_sql", bench.to_sql, bench.new, count // 10)
    yield case("awswrangler", bench.awswrangler, bench.new, count // 10)


def measure(*, devices: int, present: int, count: int, rounds: int) -> list[Measurement]:
    """Measures all cases against a temporary server."""
    with temporary_server() as database:
        with closing(psycopg2.connect(database.dsn())) as owner:
            migrate(owner, CONTRACT, LOADER)
        bench = Bench(database, devices, present)
        found = interleaved(SUBJECT, "rows/s", list(cases(bench, count)), rounds)
        bench.check()
        return found


if __name__ == "__main__":
    if "--quick" in sys.argv:
        print_results(measure(devices=10, present=100, count=1000, rounds=1))
    else:
        print_results(measure(devices=1000, present=1000, count=200_000, rounds=5))
