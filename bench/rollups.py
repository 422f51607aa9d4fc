"""The cost of rollups for a load, with four ways of maintaining them, and the speed of the views.

Usage: ``python -m bench.rollups [--quick]``; prints tables in Markdown, which
``docs/internals/rollups.md`` quotes. Costs are CPU seconds of the client and of its server process
together, as the kernel counts them: other work on the machine makes a load slower, but does not
change them.

The strategies:

* *no rollups*: the contract has none;
* *dirty ranges*: Load records the ranges to refresh, as the pipeline does;
* *dirty ranges by trigger*: the same records, made by a statement trigger that sees the rows;
* *immediate refresh*: the rollups of all touched hours are refreshed in the load's own transaction
  (measured without concurrent loads, which would have to wait for each other).
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2

from bench.messages import contract
from bench.rows import Rows, batch_of
from functions.load.loading import load_batch
from functions.migrate.analytics import bring_up_to_date
from functions.migrate.migration import migrate
from local.database import Database
from local.postgres import temporary_server
from telemetry.contract import Analytics, Contract
from telemetry.database import Credentials
from telemetry.ddl import qualified
from telemetry.ddl.analytics import service_name

LOADER = Credentials("telemetry_loader", "bench")
FLEET = contract()
STRATEGIES = ("no rollups", "dirty ranges", "dirty ranges by trigger", "immediate refresh")


class Bench:
    """A server with a table for each strategy."""

    def __init__(self, database: Database, partition: str) -> None:
        self.database = database
        self.contracts = {
            strategy: _contract(number, strategy, partition)
            for number, strategy in enumerate(STRATEGIES)
        }
        self._names = (f"batch-{number}" for number in itertools.count())
        self._next = dict.fromkeys(STRATEGIES, 0)
        with closing(psycopg2.connect(database.dsn())) as owner:
            for each in self.contracts.values():
                migrate(owner, each, LOADER)
            with owner, owner.cursor() as cursor:
                for statement in _trigger_statements(self.contracts["dirty ranges by trigger"]):
                    cursor.execute(statement)

    def cost(self, strategy: str, devices: int, each: int) -> tuple[float, float]:
        """CPU seconds and seconds of one load of new rows."""
        first = self._next[strategy]
        self._next[strategy] += each
        rows = Rows([(device, range(first, first + each)) for device in range(devices)])
        batch = batch_of(next(self._names), rows.count, self.contracts[strategy])
        dsn = self.database.dsn(LOADER.username, LOADER.password)
        with closing(psycopg2.connect(dsn)) as connection:
            server = connection.info.backend_pid
            before, started = _cpu(server) + time.process_time(), time.perf_counter()
            load_batch(connection, self.contracts[strategy], batch, rows, lambda: rows.groups)
            if strategy == "immediate refresh":
                _refresh_all(connection, self.contracts[strategy])
            took = time.perf_counter() - started
            return _cpu(server) + time.process_time() - before, took

    def refresh(self) -> None:
        """Refreshes all rollups, so that dirty ranges do not accumulate."""
        with closing(psycopg2.connect(self.database.dsn())) as owner:
            for each in self.contracts.values():
                bring_up_to_date(owner, each, 600)


def _contract(number: int, strategy: str, partition: Any) -> Contract:
    wanted = () if strategy in ("no rollups", "dirty ranges by trigger") else ("hourly", "daily")
    return replace(
        FLEET, table=f"strategy_{number}", partition=partition, analytics=Analytics(rollups=wanted)
    )


def _trigger_statements(contract: Contract) -> Iterator[str]:
    yield "CREATE TABLE etl.shown (device_id text, hour timestamptz, day date)"
    yield (
        "CREATE FUNCTION etl.show() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN "
        "INSERT INTO etl.shown SELECT device_id, hour, (hour AT TIME ZONE 'UTC')::date FROM ("
        "SELECT DISTINCT device_id, date_bin('1 hour', ts, '2000-01-01Z') AS hour FROM fresh"
        ") AS spans; RETURN NULL; END $$"
    )
    yield (
        f"CREATE TRIGGER show AFTER INSERT ON {qualified(contract)} "
        "REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION etl.show()"
    )


def _refresh_all(connection: Any, contract: Contract) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {service_name(contract, 'refresh')}(1000000, interval '0')")


def _cpu(process: int) -> float:
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def costs(devices: int, each: int, *, partition: str, rounds: int, filled: int) -> None:
    """Prints one table: all strategies, interleaved."""
    with temporary_server() as database:
        bench = Bench(database, partition)
        for strategy in STRATEGIES:
            bench.cost(strategy, devices, filled)
        bench.refresh()
        found: dict[str, list[tuple[float, float]]] = {strategy: [] for strategy in STRATEGIES}
        for number in range(rounds):
            for strategy in (*STRATEGIES[number % 4 :], *STRATEGIES[: number % 4]):
                found[strategy].append(bench.cost(strategy, devices, each))
            bench.refresh()
    plain = statistics.median(cpu for cpu, _ in found["no rollups"])
    print(f"\n{devices * each:,} rows of {devices:,} devices, partition = {partition}\n")
    print("| strategy | CPU ms per load | minimum | relative | ms |\n|---|---|---|---|---|")
    for strategy, samples in found.items():
        cpu, wall = (statistics.median(column) for column in zip(*samples, strict=True))
        least = min(cpu for cpu, _ in samples)
        figures = (f"{1000 * cpu:.1f}", f"{1000 * least:.1f}", f"{cpu / plain:.2f}x")
        print(f"| {strategy} | {' | '.join(figures)} | {1000 * wall:.0f} |")
    sys.stdout.flush()


def query_times(devices: int, each: int) -> None:
    """Prints the query times of the views, and of equivalent queries on the table."""
    table = replace(FLEET, table="answers")
    name = "telemetry.answers"
    with temporary_server() as database, closing(psycopg2.connect(database.dsn())) as owner:
        migrate(owner, table, LOADER)
        dsn = database.dsn(LOADER.username, LOADER.password)
        step = max(1, 400_000 // devices)
        with closing(psycopg2.connect(dsn)) as connection:
            for first in range(0, each, step):
                span = range(first, min(each, first + step))
                rows = Rows([(device, span) for device in range(devices)])
                batch = batch_of(f"b{first}", rows.count, table)
                load_batch(connection, table, batch, rows, lambda rows=rows: rows.groups)
        owner.autocommit = True
        cursor = owner.cursor()
        cursor.execute(f"VACUUM ANALYZE {name}")
        owner.autocommit = False
        print(f"\n{devices * each:,} rows of {devices:,} devices\n\n| query | ms |\n|---|---|")
        _print_row("refresh of all rollups", _seconds(lambda: bring_up_to_date(owner, table, 600)))
        _time_queries(cursor, name)
        last = range(each, each + 6)
        rows = Rows([(device, last) for device in range(devices)])
        with closing(psycopg2.connect(dsn)) as connection:
            load_batch(
                connection, table, batch_of("last", rows.count, table), rows, lambda: rows.groups
            )
            for span in ("hourly", "daily"):
                sql = f"SELECT count(*), sum(temperature_c_avg) FROM {name}_{span}"
                _print_row(
                    f"{span}, the last hour of each device not refreshed",
                    _query_seconds(cursor, sql),
                )
            _print_row(
                "refresh of the last hour of each device",
                _seconds(lambda: bring_up_to_date(owner, table, 600)),
            )


def _time_queries(cursor: Any, name: str) -> None:
    for what, sql in (
        ("latest of each device", f"SELECT count(*), max(ts) FROM {name}_latest"),
        (
            "the same with DISTINCT ON",
            f"SELECT count(*), max(ts) FROM (SELECT DISTINCT ON (device_id) * FROM {name} "
            "ORDER BY device_id, ts DESC) AS t",
        ),
        ("hourly, all", f"SELECT count(*), sum(temperature_c_avg) FROM {name}_hourly"),
        (
            "the same from the table",
            "SELECT count(*), sum(a) FROM (SELECT avg(temperature_c) AS a, min(temperature_c), "
            "max(temperature_c), avg(humidity_pct), min(humidity_pct), max(humidity_pct), "
            f"avg(battery_v), min(battery_v), max(battery_v) FROM {name} "
            "GROUP BY device_id, date_trunc('hour', ts)) AS t",
        ),
        ("daily, all", f"SELECT count(*), sum(temperature_c_avg) FROM {name}_daily"),
        (
            "hourly, one device",
            f"SELECT count(*), sum(temperature_c_avg) FROM {name}_hourly "
            "WHERE device_id = 'box-00007'",
        ),
        ("gaps, one device", f"SELECT count(*) FROM {name}_gaps WHERE device_id = 'box-00007'"),
        ("gaps, all", f"SELECT count(*) FROM {name}_gaps"),
    ):
        _print_row(what, _query_seconds(cursor, sql))


def _query_seconds(cursor: Any, sql: str) -> float:
    """Median seconds of three runs."""

    def ask() -> None:
        cursor.execute(sql)
        cursor.fetchall()
        cursor.connection.commit()

    return statistics.median(_seconds(ask) for _ in range(3))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _print_row(what: str, seconds: float) -> None:
    print(f"| {what} | {1000 * seconds:,.1f} |", flush=True)


def main() -> None:
    """Print all tables."""
    quick = "--quick" in sys.argv
    rounds, many = (1, 10) if quick else (9, 100)
    for partition in ("none", "month"):
        costs(1000, many, partition=partition, rounds=rounds, filled=10 if quick else 300)
    costs(1000, 1, partition="none", rounds=rounds * 3, filled=10 if quick else 300)
    query_times(200 if quick else 5000, 50 if quick else 1000)


if __name__ == "__main__":
    main()
