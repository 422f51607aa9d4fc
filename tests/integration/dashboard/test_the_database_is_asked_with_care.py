"""What the pages ask of a real PostgreSQL: right, in bounds, and never changing anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest

from dashboard.errors import page_error
from dashboard.pages.fleet import _range
from dashboard.sources import fleet, ledger
from dashboard.sources.pipeline import Database
from etl.operations.arrival_latency import ArrivalLatency
from etl.operations.time_range import ALWAYS, TimeRange
from telemetry.contract import Contract, ContractSet
from tests.fixtures.telemetry_database import CONTRACT, TelemetryDatabase

NOW = datetime.now(UTC).replace(microsecond=0)
ROSTER, READINGS = 5_000, 20
"""Devices of a large fleet, and readings of each."""


class PatientDatabase(Database):
    """Its limits are those of the product only where a test asks for less than a second."""

    def _execute(
        self, connection: Any, sql: str, values: Any, seconds: float
    ) -> list[dict[str, Any]]:
        self.last = sql, values
        return super()._execute(connection, sql, values, seconds if seconds < 1 else 240)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file may have been imported long before."""
    monkeypatch.setitem(globals(), "NOW", datetime.now(UTC).replace(microsecond=0))


@pytest.fixture
def pipeline(database: TelemetryDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """As the pages have it, with the loader's rights; without AWS."""
    monkeypatch.setattr("dashboard.sources.pipeline.CONNECT_SECONDS", 120)
    made = SimpleNamespace(
        target=SimpleNamespace(contract=CONTRACT, contracts=ContractSet.of([CONTRACT]))
    )
    loader = database.loader
    made.database = PatientDatabase(made, database.server.dsn(loader.username, loader.password))  # type: ignore[arg-type]
    yield made
    made.database.close()


def book(database: TelemetryDatabase, batch: str, age: timedelta, **changes: Any) -> None:
    row = {
        "batch_id": batch, "raw_key": f"raw/{batch}", "execution": "run-1", "contract": "fleet",
        "contract_digest": "0" * 16, "status": "loaded", "messages": 1, "read": 10, "accepted": 8,
        "duplicates": 0, "rejected": 2, "rejected_by": '{"missing:ts": 2}', "inserted": 8,
        "updated": 0, "unchanged": 0, "max_time": NOW - age - timedelta(seconds=4),
        "min_time": NOW - age - timedelta(seconds=9), "loaded_at": NOW - age,
    } | changes  # fmt: skip
    names, places = ", ".join(row), ", ".join(["%s"] * len(row))
    database.query(f"INSERT INTO etl.ledger ({names}) VALUES ({places})", *row.values())


def measure(database: TelemetryDatabase, device: str, number: int, every: timedelta) -> None:
    database.query(
        "INSERT INTO telemetry.readings (device_id, ts, value) "
        "SELECT %s, %s - n * %s, n FROM generate_series(0, %s) n",
        device, NOW, every, number - 1,
    )  # fmt: skip


def test_throughput_counts_by_the_minute_and_leaves_replays_out_of_the_delay(
    database: TelemetryDatabase, pipeline: Any
) -> None:
    book(database, "a", timedelta(minutes=2))
    book(database, "b", timedelta(minutes=2), max_time=NOW - timedelta(days=9), loads=2)
    book(database, "old", timedelta(hours=3))
    found = ledger.throughput(pipeline)
    assert len(found.minutes) == 60
    assert found.last_hour == 20
    assert sum(minute.rejected for minute in found.minutes) == 4
    assert found.delay_seconds == 4


def test_a_reading_stamped_ahead_is_no_delay(database: TelemetryDatabase, pipeline: Any) -> None:
    wrong = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    book(database, "wrong", timedelta(minutes=1), max_time=wrong)
    assert ledger.throughput(pipeline).delay_seconds is None, "it says nothing of the delay"
    lag = "SELECT batch_id, lag_seconds FROM telemetry.readings_quality ORDER BY 1"
    assert database.query(lag) == [("wrong", None)]
    book(database, "near", timedelta(minutes=1), max_time=NOW - timedelta(seconds=30))
    assert ledger.throughput(pipeline).delay_seconds == 0, "clocks differ a little"
    book(database, "right", timedelta(minutes=1), max_time=NOW - timedelta(seconds=66))
    book(database, "slow", timedelta(minutes=1), max_time=NOW - timedelta(seconds=69))
    assert ledger.throughput(pipeline).delay_seconds == 6
    assert database.query(lag) == [("near", 0), ("right", 6), ("slow", 9), ("wrong", None)]
    daily = "SELECT lag_seconds_median FROM telemetry.readings_quality_daily"
    assert {least >= 0 for (least,) in database.query(daily)} == {True}


def test_the_latency_is_that_of_the_oldest_and_the_newest_message(
    database: TelemetryDatabase, pipeline: Any
) -> None:
    minute = timedelta(minutes=1)

    def arrived(batch: str, oldest: float, newest: float, **changes: Any) -> None:
        times = {
            "first_received_at": NOW - minute - timedelta(seconds=oldest),
            "last_received_at": NOW - minute - timedelta(seconds=newest),
        }
        book(database, batch, minute, **times | changes)

    arrived("a", 5, 1)
    arrived("b", 7, 2)
    arrived("c", 60, 3)
    arrived("replayed", 9000, 8000, loads=2)
    arrived("in quarantine", 9000, 8000, status="quarantined")
    book(database, "of an older version", minute)
    assert ledger.throughput(pipeline).latency == ArrivalLatency(newest=2, oldest=7, longest=60)


def test_a_clock_of_ours_that_is_a_moment_ahead_makes_no_negative_latency(
    database: TelemetryDatabase, pipeline: Any
) -> None:
    ahead = NOW - timedelta(seconds=59)
    book(database, "ahead", timedelta(minutes=1), first_received_at=ahead, last_received_at=ahead)
    assert ledger.throughput(pipeline).latency == ArrivalLatency(0, 0, 0)


def test_an_empty_ledger_is_no_error(pipeline: Any) -> None:
    assert ledger.throughput(pipeline).latency is None
    assert ledger.throughput(pipeline).delay_seconds is None
    assert ledger.throughput(pipeline).per_minute == 0
    assert ledger.extent(pipeline).first is None
    assert ledger.reasons(pipeline, ALWAYS) == []
    assert fleet.roster(pipeline) == []
    assert fleet.time_range_of(pipeline, "nobody") is None


def test_reasons_are_summed_and_their_batches_found(
    database: TelemetryDatabase, pipeline: Any
) -> None:
    book(database, "a", timedelta(minutes=1))
    book(database, "b", timedelta(days=2), rejected_by='{"missing:ts": 1, "not_json": 1}')
    by = {one.reason: (one.readings, one.batches) for one in ledger.reasons(pipeline, ALWAYS)}
    assert by == {"missing:ts": (3, 2), "not_json": (1, 1)}
    today = TimeRange(NOW - timedelta(hours=1))
    assert [one.reason for one in ledger.reasons(pipeline, today)] == ["missing:ts"]
    of_kind = ledger.newest_rejecting(pipeline, "missing", ALWAYS, 10)
    assert [batch.batch_id for batch in of_kind] == ["a", "b"], "newest first"
    assert ledger.newest_rejecting(pipeline, "missing:t", ALWAYS, 10) == [], "a whole reason"


def test_the_trend_has_every_step_also_the_empty_ones(
    database: TelemetryDatabase, pipeline: Any
) -> None:
    start, step = NOW - timedelta(hours=1), timedelta(minutes=5)
    book(database, "a", timedelta(minutes=31))
    found = ledger.trend(pipeline, start, step)
    assert len(found) in (13, 14)
    assert [p.share(p.rejected) for p in found if p.read] == [0.2]
    assert {p.share(p.rejected) for p in found if not p.read} == {None}


def test_the_roster_walks_from_device_to_device(database: TelemetryDatabase, pipeline: Any) -> None:
    for device in ("b", "a", "ä'; DROP TABLE telemetry.readings; --", " "):
        measure(database, device, 3, timedelta(minutes=1))
    found = fleet.roster(pipeline)
    assert {one.name for one in found} == {"a", "b", " ", "ä'; DROP TABLE telemetry.readings; --"}
    assert {one.last for one in found} == {NOW}
    names = [one.name for one in found]
    active = fleet.activity(
        pipeline, names, NOW - timedelta(minutes=24), NOW + timedelta(seconds=1)
    )
    assert {one.readings for one in active.values()} == {3}
    assert fleet.counts(pipeline, NOW - timedelta(seconds=90), NOW) == dict.fromkeys(names, 1)


def test_a_reading_stamped_ahead_does_not_keep_a_device_alive(
    database: TelemetryDatabase, pipeline: Any
) -> None:
    measure(database, "a", 3, timedelta(days=2))
    ahead = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    insert = "INSERT INTO telemetry.readings (device_id, ts) VALUES (%s, %s)"
    database.query(insert, "a", ahead)
    database.query(insert, "b", ahead)
    assert {one.name: one.last for one in fleet.roster(pipeline)} == {"a": NOW, "b": ahead}
    times = fleet.DeviceTimes(NOW - timedelta(days=4), NOW, ahead)
    assert fleet.time_range_of(pipeline, "a") == times
    assert fleet.time_range_of(pipeline, "b") == fleet.DeviceTimes(ahead, ahead, ahead)
    assert _range("", times) == ("24h", NOW - timedelta(days=1), NOW)
    assert _range("all", times) == ("all", times.first, ahead)


def rows_read(node: dict[str, Any]) -> float:
    """Rows that a plan and its parts got from tables and indexes, or got for nothing."""
    own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    parts = sum(map(rows_read, node.get("Plans", ())))
    return parts + (own * node["Actual Loops"] if "Relation Name" in node else 0)


def test_a_roster_of_thousands_takes_as_long_as_there_are_devices(
    database: TelemetryDatabase, pipeline: Any
) -> None:
    database.query(
        "INSERT INTO telemetry.readings (device_id, ts, value) SELECT 'd' || d, "
        "%s - n * interval '1 min', n FROM generate_series(1, %s) d, generate_series(1, %s) n",
        NOW, ROSTER, READINGS,
    )  # fmt: skip
    database.query("ANALYZE telemetry.readings")
    assert len(fleet.roster(pipeline)) == ROSTER
    sql, values = pipeline.database.last
    (row,) = pipeline.database.query(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", values)
    (plan,) = row["QUERY PLAN"]
    read = rows_read(plan["Plan"])
    assert ROSTER <= read <= 3 * ROSTER, "not one for each of their readings"


def test_a_series_has_few_points_and_keeps_the_extremes(
    database: TelemetryDatabase, pipeline: Any
) -> None:
    measure(database, "a", 20_000, timedelta(seconds=1))
    database.query("UPDATE telemetry.readings SET value = 'NaN' WHERE value = 7")
    database.query("UPDATE telemetry.readings SET value = 1e6 WHERE value = 777")
    (found,) = fleet.series(pipeline, "a", NOW - timedelta(seconds=20_000), NOW)
    assert found.column.name == "value"
    assert 200 <= len(found.points) <= fleet.POINTS + 1
    assert max(point[3] for point in found.points) == 1e6, "a spike is not averaged away"
    assert min(point[1] for point in found.points) == 0
    assert all(least <= mean <= most for _, least, mean, most in found.points)


def test_nothing_can_be_changed_and_nothing_takes_long(pipeline: Any) -> None:
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        pipeline.database.query("UPDATE etl.ledger SET read = 0 RETURNING 1")
    with pytest.raises(psycopg2.errors.QueryCanceled) as slow:
        pipeline.database.query("SELECT pg_sleep(600)", seconds=0.1)
    assert page_error(slow.value).kind == "slow"
    assert pipeline.database.query("SELECT 1 AS one") == [{"one": 1}], "it goes on after both"


def test_a_connection_that_was_cut_while_it_lay_idle_is_replaced(
    database: TelemetryDatabase, pipeline: Any
) -> None:
    pipeline.database.query("SELECT 1 AS one")
    with closing(database.connect_loader()) as other, other.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 120000) FROM pg_stat_activity "
            "WHERE application_name = 'etl dashboard'"
        )
        assert cursor.fetchall() == [(True,)]
    assert pipeline.database.query("SELECT 1 AS one") == [{"one": 1}]


def test_a_server_that_cuts_the_question_is_reported(pipeline: Any) -> None:
    with pytest.raises(psycopg2.OperationalError) as cut:
        pipeline.database.query("SELECT pg_terminate_backend(pg_backend_pid())")
    assert page_error(cut.value).title == "PostgreSQL can't be reached"
    assert pipeline.database.query("SELECT 1 AS one") == [{"one": 1}]


def test_a_key_without_a_device_has_no_fleet() -> None:
    from dataclasses import replace

    alone: Contract = replace(CONTRACT, key=("ts",))
    with pytest.raises(fleet.NoFleetError, match="does not name a device"):
        fleet.fleet_key(alone)


def test_each_contract_has_its_fleet_its_rejects_and_its_trend(
    database: TelemetryDatabase, pipeline: Any
) -> None:
    status = replace(CONTRACT, name="status", table="states")
    pipeline.target.contracts = ContractSet.of([CONTRACT, status])
    database.query("CREATE TABLE telemetry.states (LIKE telemetry.readings INCLUDING ALL)")
    database.query(f"GRANT SELECT ON telemetry.states TO {database.loader.username}")
    database.query("INSERT INTO telemetry.states (device_id, ts) VALUES ('gate', now())")
    measure(database, "a", 1, timedelta(seconds=1))
    book(database, "of-fleet", timedelta(minutes=1))
    book(database, "of-status", timedelta(minutes=1), contract="status",
         rejected_by='{"invalid:x": 2}')  # fmt: skip
    names = {
        name: [one.name for one in fleet.roster(pipeline, name)]
        for name in (None, "fleet", "status")
    }
    assert names == {None: ["a"], "fleet": ["a"], "status": ["gate"]}
    assert fleet.time_range_of(pipeline, "a", "status") is None
    assert fleet.latest_row(pipeline, "gate", "status")["device_id"] == "gate"
    by_contract = {
        name: [one.reason for one in ledger.reasons(pipeline, ALWAYS, name)]
        for name in (None, "fleet", "status")
    }
    assert by_contract == {
        None: ["invalid:x", "missing:ts"], "fleet": ["missing:ts"], "status": ["invalid:x"],
    }  # fmt: skip
    batches = ledger.newest_rejecting(pipeline, None, ALWAYS, 9, "status")
    assert [one.batch_id for one in batches] == ["of-status"]
    periods = ledger.trend(pipeline, NOW - timedelta(hours=1), timedelta(hours=2), "status")
    assert sum(one.read for one in periods) == 10
