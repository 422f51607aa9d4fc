"""Retention on a real server: what leaves the table is in S3, counted, and never comes back unseen."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from etl.operations.table_life import check_life, count_rows, kept_ranges
from functions.migrate import migration, migration_lock, retention
from functions.migrate.retention import Maintenance, maintain
from functions.migrate.stored_objects import missing_batches
from telemetry.contract import Contract, parse_contract
from telemetry.ddl import horizon
from telemetry.errors import DatabaseBusyError
from telemetry.storage import StoredObject
from tests.fixtures.examples import MANY_EXAMPLES, SLOW_WITH_MANY
from tests.fixtures.frozen_clock import freeze
from tests.fixtures.stored_batches import StoredBatches
from tests.fixtures.telemetry_database import TelemetryDatabase
from tests.unit.functions.transform.envelopes_for import line

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TABLE = "telemetry.aging"
POLICIES = ("keep_first", "keep_last", "keep_greatest", "fill_missing")
EXAMPLES = 40 if MANY_EXAMPLES else 6

Key = tuple[str, datetime]


def contract_for(
    retention: str = 'retention = "30d"', policy: str = "keep_first", *, newer: bool = False
) -> Contract:
    greatest = 'greatest = "value"' if policy == "keep_greatest" else ""
    more = '[columns.more]\ntype = "integer"' if newer else ""
    return parse_contract(
        f"""
        name = "aging"
        topic = "lab/+"
        message = {{readings = "r"}}
        [table]
        name = "aging"
        key = ["id", "ts"]
        on_conflict = "{policy}"
        {greatest}
        {retention}
        [columns.id]
        type = "text"
        max_length = 8
        required = true
        [columns.ts]
        type = "timestamp"
        formats = ["epoch_s"]
        required = true
        [columns.value]
        type = "float"
        {more}
        [checks]
        min_readings = 100000
        """.encode(),
        "aging.toml",
    )


class Aging:
    """A table with retention, its batches, and a bucket."""

    def __init__(self, database: TelemetryDatabase) -> None:
        self.database = database
        self.stored = StoredBatches(database)

    def stage(self, name: str, times: Sequence[float], value: float = 1.0) -> str:
        """Stages a batch with a reading of device ``a`` at each time, in days from now."""
        readings = [
            {"id": "a", "ts": int((NOW + timedelta(days=day)).timestamp()), "value": value}
            for day in times
        ]
        return self.stored.stage(name, [line({"r": readings}, received_at=1772366400000)])

    def load(self, name: str, contract: Contract, *times: float) -> str:
        key = self.stage(name, times)
        self.stored.load(key, contract)
        return key

    def listing(self, prefix: str) -> list[StoredObject]:
        return [
            StoredObject(key, len(body), NOW)
            for key, body in self.stored.objects.items()
            if key.startswith(prefix)
        ]

    def maintain(self, contract: Contract, days: float = 0, **options: Any) -> Maintenance:
        with closing(self.database.connect_owner()) as connection:
            return maintain(
                connection,
                contract,
                lambda keys: missing_batches(self.listing, keys),
                NOW + timedelta(days=days),
                **options,
            )

    def days(self) -> list[int]:
        """Whole days from now of all rows, the oldest first."""
        found = self.database.query(f"SELECT ts FROM {TABLE} ORDER BY ts")
        return [round((ts - NOW) / timedelta(days=1)) for (ts,) in found]

    def partitions(self) -> set[str]:
        found = self.database.query(
            "SELECT relid::regclass::text FROM pg_partition_tree(%s) WHERE isleaf", TABLE
        )
        return {name.removeprefix("telemetry.aging_") for (name,) in found}

    def surplus(self, contract: Contract) -> int:
        """Rows more than the ledger and the record of retention account for; 0 if they balance."""
        with closing(self.database.connect_loader()) as connection, connection.cursor() as cursor:
            dropped, rows = count_rows(cursor, contract)
        [(inserted,)] = self.database.query(
            "SELECT coalesce(sum(inserted + inserted_before), 0) FROM etl.ledger"
        )
        return rows + dropped - int(inserted)

    def lose(self, key: str) -> None:
        """Removes a batch from the bucket, raw and clean."""
        name = key.rpartition("/")[2].partition(".")[0]
        for found in list(self.stored.objects):
            if name in found and found.startswith(("raw/", "clean/")):
                del self.stored.objects[found]


def dropped(done: Maintenance) -> list[tuple[str, int]]:
    """Name and rows of what was dropped, without empty partitions."""
    return [(one.partition.removeprefix("aging_"), one.rows) for one in done.dropped if one.rows]


@pytest.fixture
def aging(empty_database: TelemetryDatabase, monkeypatch: pytest.MonkeyPatch) -> Aging:
    freeze(monkeypatch, migration, NOW)
    return Aging(empty_database)


def test_days_that_are_over_are_dropped_and_counted(aging: Aging) -> None:
    contract = contract_for()
    aging.database.migrate(contract)
    aging.load("b1", contract, -29, -5, -5.1, 0, 3)
    aging.maintain(contract)
    assert aging.days() == [-29, -5, -5, 0, 3]
    assert {"2026_10_22", "2026_11_15"} <= aging.partitions()
    done = aging.maintain(contract, 2)
    assert dropped(done) == [("2026_10_22", 1)]
    assert aging.days() == [-5, -5, 0, 3]
    assert aging.surplus(contract) == 0
    done = aging.maintain(contract, 26)
    assert sum(one.rows for one in done.dropped) == 2
    assert aging.days() == [0, 3]
    assert "2027_01_20" in aging.partitions()
    assert aging.surplus(contract) == 0
    again = aging.maintain(contract, 26)
    assert again == Maintenance()


def test_a_month_is_dropped_once_its_last_reading_is_too_old(aging: Aging) -> None:
    contract = contract_for('retention = "30d"\npartition = "month"')
    aging.database.migrate(contract)
    aging.load("b1", contract, -50, -20)
    assert not aging.maintain(contract, 10).dropped
    assert aging.days() == [-50, -20]
    done = aging.maintain(contract, 11)
    assert dropped(done) == [("2026_10", 2)]
    assert aging.days() == []


def test_a_late_reading_is_a_row_until_the_next_maintenance(aging: Aging) -> None:
    contract = contract_for()
    aging.database.migrate(contract)
    aging.load("b1", contract, -4000, -100, -100.01, 0, 5000)
    assert aging.days() == [-4000, -100, -100, 0, 5000]
    done = aging.maintain(contract)
    assert dropped(done) == [("other", 1), ("other", 2)]
    assert aging.days() == [0, 5000]
    assert aging.surplus(contract) == 0


def test_nothing_is_dropped_that_is_not_in_s3(aging: Aging) -> None:
    contract = contract_for()
    aging.database.migrate(contract)
    lost = aging.load("b1", contract, -5, -100)
    aging.load("b2", contract, -5.1, -4)
    aging.maintain(contract)
    aging.lose(lost)
    done = aging.maintain(contract, 40)
    # The range of a batch covers all between its first reading and its last.
    assert done.kept
    assert all("b1.n1.ndjson.gz" in one.reason for one in done.kept)
    assert "aging_2026_11_15" in {one.partition for one in done.kept}
    assert aging.days() == [-5, -5]
    with closing(aging.database.connect_loader()) as connection, connection.cursor() as cursor:
        kept = kept_ranges(cursor, contract)
    assert [one.partition for one in kept] == [one.partition for one in done.kept]
    aging.stage("b1", [-5, -100])
    assert not aging.maintain(contract, 40).kept
    assert aging.days() == []
    with closing(aging.database.connect_loader()) as connection, connection.cursor() as cursor:
        assert kept_ranges(cursor, contract) == []


def test_the_clean_zone_is_enough(aging: Aging) -> None:
    contract = contract_for()
    aging.database.migrate(contract)
    key = aging.load("b1", contract, -5)
    aging.maintain(contract)
    del aging.stored.objects[key]
    assert dropped(aging.maintain(contract, 40)) == [("2026_11_15", 1)]


def test_a_repair_brings_dropped_rows_back_and_they_are_dropped_again(aging: Aging) -> None:
    contract = contract_for()
    aging.database.migrate(contract)
    key = aging.load("b1", contract, -5, 20)
    aging.maintain(contract)
    aging.maintain(contract, 40)
    assert aging.days() == [20]
    aging.database.query(f"DELETE FROM {TABLE}")
    assert aging.surplus(contract) == -1
    aging.stored.load(key, contract, "repair")
    assert aging.days() == [-5, 20]
    assert aging.surplus(contract) == 0
    assert sum(one.rows for one in aging.maintain(contract, 40).dropped) == 1
    assert aging.days() == [20]
    assert aging.surplus(contract) == 0


def test_a_replay_with_a_newer_contract_counts_the_rows_again(aging: Aging) -> None:
    contract, newer = contract_for(), contract_for(newer=True)
    aging.database.migrate(contract)
    key = aging.load("b1", contract, -5, 20)
    aging.maintain(contract)
    aging.maintain(contract, 40)
    aging.database.migrate(newer)
    aging.stored.load(key, newer, "replay")
    assert aging.days() == [-5, 20]
    assert aging.surplus(newer) == 0
    aging.maintain(newer, 40)
    assert aging.days() == [20]
    assert aging.surplus(newer) == 0


def test_a_maintenance_that_died_between_its_steps_is_continued(
    aging: Aging, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = contract_for()
    aging.database.migrate(contract)
    aging.load("b1", contract, -5, -6, 0)
    aging.maintain(contract)

    drop = retention._drop

    def dies(*given: Any) -> Any:
        if "aging_2026_11_14" in given:
            raise KeyboardInterrupt
        return drop(*given)

    with monkeypatch.context() as patch:
        patch.setattr(retention, "_drop", dies)
        with pytest.raises(KeyboardInterrupt):
            aging.maintain(contract, 30)
    assert aging.days() == [-5, 0]
    assert aging.surplus(contract) == 0
    done = aging.maintain(contract, 30)
    assert dropped(done) == [("2026_11_14", 1), ("2026_11_15", 1)]
    assert aging.surplus(contract) == 0


STEPS = ("_make_partitions", "_not_in_s3", "_detach", "_drop", "_delete_late_rows", "_record_kept")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", STEPS)
def test_a_maintenance_may_die_at_any_step(
    aging: Aging, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    contract = contract_for('retention = "30d"\npartition = "month"')
    aging.database.migrate(contract)
    aging.load("b1", contract, -25, -40, -300, 10)
    step = getattr(retention, name)

    def dies(*given: Any) -> Any:
        if when == "after":
            step(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(retention, name, dies)
        with pytest.raises(KeyboardInterrupt):
            aging.maintain(contract, 15)
    assert aging.surplus(contract) == 0
    assert set(aging.days()) >= {10}
    aging.maintain(contract, 15)
    assert aging.days() == [10]
    assert aging.surplus(contract) == 0
    [(rows,)] = aging.database.query("SELECT sum(rows) FROM etl.retention")
    assert rows == 3


def test_a_detached_partition_that_is_attached_again_stays(
    aging: Aging, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = contract_for()
    aging.database.migrate(contract)
    aging.load("b1", contract, -5)
    aging.maintain(contract)
    with monkeypatch.context() as patch:
        patch.setattr(retention, "_drop", lambda *_: [])
        aging.maintain(contract, 30)
    aging.database.query(
        f"ALTER TABLE {TABLE} ATTACH PARTITION telemetry.aging_2026_11_15 "
        "FOR VALUES FROM ('2026-11-15 00:00+00') TO ('2026-11-16 00:00+00')"
    )
    longer = contract_for('retention = "80d"')
    assert not dropped(aging.maintain(longer, 30))
    assert "2026_11_15" in aging.partitions()
    assert aging.days() == [-5]
    assert aging.surplus(longer) == 0


def test_without_time_the_rest_is_left_to_the_next_maintenance(aging: Aging) -> None:
    contract = contract_for()
    aging.database.migrate(contract)
    aging.load("b1", contract, -5, -4, -3)
    aging.maintain(contract)
    answers = iter([True, False])
    done = aging.maintain(contract, 40, has_time=lambda: next(answers))
    assert len(done.dropped) == 1
    assert done.left > 0
    assert aging.maintain(contract, 40).left == 0
    assert aging.days() == []


def test_a_reader_is_not_waited_for_long(aging: Aging, monkeypatch: pytest.MonkeyPatch) -> None:
    short = [part.replace("'10s'", "'100ms'") for part in migration_lock._PREPARE]
    monkeypatch.setattr(migration_lock, "_PREPARE", tuple(short))
    contract = contract_for()
    aging.database.migrate(contract)
    aging.load("b1", contract, -5)
    aging.maintain(contract)
    with closing(aging.database.connect_loader()) as reader, reader.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {TABLE}")
        with pytest.raises(DatabaseBusyError, match="telemetry_loader"):
            aging.maintain(contract, 30)
        assert aging.days() == [-5]
    aging.maintain(contract, 30)
    assert aging.days() == []


def test_the_length_of_partitions_can_be_changed_both_ways(aging: Aging) -> None:
    monthly, daily = contract_for('partition = "month"'), contract_for('partition = "day"')
    aging.database.migrate(monthly)
    aging.load("b1", monthly, -5, 400)
    aging.database.migrate(daily)
    aging.maintain(daily, 380)
    assert {"2026_11", "2027_11", "2027_12_05"} <= aging.partitions()
    assert aging.days() == [-5, 400]
    aging.database.migrate(monthly)
    aging.maintain(monthly, 400)
    assert {"2027_12_05", "2028_02"} <= aging.partitions()
    assert "2027_12" not in aging.partitions()
    assert aging.days() == [-5, 400]
    both = contract_for('retention = "30d"\npartition = "month"')
    aging.database.migrate(both)
    aging.maintain(both, 600)
    assert aging.days() == []
    assert aging.surplus(both) == 0


def test_a_table_without_partitions_is_left_alone(aging: Aging) -> None:
    plain = contract_for("")
    aging.database.migrate(plain)
    aging.load("b1", plain, -5000)
    assert aging.maintain(plain) == Maintenance()
    assert aging.maintain(contract_for()).made == []  # before its deployment
    assert aging.days() == [-5000]


def test_the_status_says_what_goes_next_and_what_does_not(aging: Aging) -> None:
    contract = contract_for('retention = "30d"\npartition = "month"')
    aging.database.migrate(contract)

    def status(days: float = 0) -> tuple[bool, str]:
        with closing(aging.database.connect_loader()) as connection, connection.cursor() as cursor:
            found = check_life(cursor, contract, NOW + timedelta(days=days))
            assert found is not None
            assert check_life(cursor, contract_for(""), NOW) is None
        return found.well, f"{found.sentence} {found.remedy}".strip()

    aging.load("b1", contract, -30)
    assert status() == (
        True,
        "15, made ahead; rows stay for 30 days, aging_2026_10 until 2026-12-01",
    )
    assert status(12)[0]
    late = "aging_2026_10 should be dropped by now: the maintenance does not run etl table maintain"
    assert status(13) == (False, late)
    aging.lose("raw/2026/11/23/run/b1.n1.ndjson.gz")
    aging.maintain(contract, 14)
    well, sentence = status(14)
    assert not well
    assert sentence.startswith("1 partition is older than 30 days and kept: 1 batch is not in S3")
    aging.stage("b1", [-30])
    aging.maintain(contract, 14)
    assert status(14)[0]
    assert status(500) == (
        False,
        "none for 2028-04-05 yet: the maintenance, once a day, does not run etl table maintain",
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[str, str, list[tuple[str, Any]]]:
    """A policy, the length of partitions, and what happens to the table, in order."""
    day = st.one_of(st.integers(-70, 70), st.integers(-3000, 3000))
    load = st.tuples(st.just("load"), st.lists(day, min_size=1, max_size=6))
    maintenance = st.tuples(st.just("maintain"), st.integers(-30, 120))
    number = st.integers(0, 20)
    again = st.tuples(st.sampled_from(["repair", "replay", "lose", "migrate"]), number)
    steps = draw(st.lists(st.one_of(load, maintenance, again), min_size=3, max_size=12))
    partition = draw(st.sampled_from(["day", "month"]))
    return draw(st.sampled_from(POLICIES)), partition, [("load", [0, -40]), *steps]


@pytest.mark.parametrize("_mark", [pytest.param("", marks=SLOW_WITH_MANY)])
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=histories())
def test_whatever_happens_the_books_balance_and_no_young_row_is_lost(
    aging: Aging, _mark: str, history: tuple[str, str, list[tuple[str, Any]]]
) -> None:
    """Loads, repairs, replays and losses in S3, with maintenance at any time, in any order.

    Rows that should be there are followed by their day: those of each load, until a maintenance
    whose horizon is after them.
    """
    policy, partition, steps = history
    text = f'retention = "30d"\npartition = "{partition}"'
    contracts = [contract_for(text, policy, newer=newer) for newer in (False, True)]
    aging.database.query("DROP SCHEMA IF EXISTS telemetry, etl CASCADE")
    aging.stored.objects.clear()
    aging.database.migrate(contracts[0])
    aging.database.migrate(contracts[1])
    batches: list[tuple[str, list[int]]] = []
    lost: set[str] = set()
    expected: set[int] = set()
    for action, value in steps:
        if action == "load":
            key = aging.stage(f"b{len(batches)}", value, value=len(batches) % 3)
            batches.append((key, value))
            aging.stored.load(key, contracts[0])
            expected |= set(value)
        elif action == "maintain":
            done = aging.maintain(contracts[0], value)
            limit = horizon(contracts[0], NOW + timedelta(days=value))
            young = {day for day in expected if NOW + timedelta(days=day) >= limit}
            present = set(aging.days())
            assert young <= present <= expected
            if done.kept:
                needed = {day for key, days in batches if key in lost for day in days}
                assert expected & needed <= present
            elif not lost:
                assert present == young
            expected = present
        elif action == "migrate":
            aging.database.migrate(contracts[1])
        else:
            key, days = batches[value % len(batches)]
            if action == "lose":
                aging.lose(key)
                lost.add(key)
            elif key not in lost:
                aging.stored.load(key, contracts[action == "replay"], action)
                present = set(aging.days())
                assert expected <= present <= expected | set(days)
                expected = present
        assert set(aging.days()) == expected
        assert aging.surplus(contracts[0]) == 0
        [(kept, rows)] = aging.database.query(
            "SELECT (SELECT coalesce(sum(readings), 0) FROM telemetry.aging_daily), "
            f"(SELECT count(*) FROM {TABLE})"
        )
        assert kept == rows
        aging.database.query("SELECT etl.\"telemetry.aging.refresh\"(1000, interval '0')")
