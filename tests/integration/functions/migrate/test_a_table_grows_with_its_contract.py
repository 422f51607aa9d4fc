"""Wider types, indexes and partitions, on a real server, with the rows that are there."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import psycopg2
import pytest

from functions.load.loading import load_batch
from functions.migrate import migration
from telemetry.errors import ContractError
from tests.fixtures.frozen_clock import freeze
from tests.fixtures.telemetry_database import (
    CONTRACT,
    KEEP_LAST,
    TABLE,
    MemoryCopy,
    TelemetryDatabase,
    column,
    make_batch,
    make_copy,
)

MONTHLY = replace(CONTRACT, partition="month")
ROWS = [("a", 1, 1.5, "x"), ("a", 2, 2.5, None), ("b", 1, None, "")]


def with_value(kind):
    return replace(CONTRACT, columns=(*CONTRACT.columns[:2], column("value", kind)))


def test_a_widened_type_is_altered_and_every_value_stays(empty_database: TelemetryDatabase):
    empty_database.migrate(with_value("smallint"))
    empty_database.query(f"INSERT INTO {TABLE} VALUES ('a', now(), -32768), ('b', now(), NULL)")
    for kind in ("integer", "bigint"):
        done = empty_database.migrate(with_value(kind))
        assert done.table == [f'ALTER TABLE {TABLE} ALTER COLUMN "value" TYPE {kind}']
        assert empty_database.query(f"SELECT value FROM {TABLE} ORDER BY 1") == [(-32768,), (None,)]
    with pytest.raises(ContractError, match="TYPE integer USING"):
        empty_database.migrate(with_value("integer"))


def test_an_index_is_made_once(database: TelemetryDatabase):
    contract = replace(CONTRACT, indexes=(("ts",),))
    assert len(database.migrate(contract).table) == 1
    assert database.migrate(contract).table == []
    assert database.query("SELECT count(*) FROM pg_indexes WHERE tablename = 'readings'") == [(2,)]


def partitions(database):
    return database.query(
        "SELECT relid::regclass::text FROM pg_partition_tree('telemetry.readings') WHERE isleaf"
    )


def test_a_partitioned_table_is_made_a_year_ahead_and_the_second_time_changes_nothing(
    empty_database: TelemetryDatabase, monkeypatch: pytest.MonkeyPatch
):
    now = datetime.now(UTC)
    freeze(monkeypatch, migration, now)
    empty_database.migrate(MONTHLY)
    made = {name for (name,) in partitions(empty_database)}
    assert f"telemetry.readings_{now:%Y_%m}" in made
    assert len(made) == 15
    assert empty_database.migrate(MONTHLY).table == []


def load(database, contract, batch_id, rows):
    content, groups = make_copy(rows)
    with closing(database.connect_loader()) as connection:
        entry = load_batch(
            connection,
            contract,
            make_batch(batch_id, len(rows)),
            MemoryCopy(content),
            lambda: groups,
        ).entry
    return entry.inserted, entry.updated, entry.unchanged


def test_rows_of_any_month_are_loaded_and_the_next_migration_gives_them_a_partition(
    empty_database: TelemetryDatabase,
):
    empty_database.migrate(MONTHLY)
    empty_database.query(f"INSERT INTO {TABLE} VALUES ('old', '1999-12-31 23:59:59+00', 1, 'x')")
    empty_database.query(f"INSERT INTO {TABLE} VALUES ('mad', '0001-01-01 00:00:00+00', 1, 'x')")
    assert load(empty_database, MONTHLY, "one", ROWS) == (3, 0, 0)
    before = empty_database.query(f"SELECT * FROM {TABLE} ORDER BY 1, 2")
    done = empty_database.migrate(MONTHLY)
    assert any("readings_1999_12" in statement for statement in done.table)
    assert empty_database.query(f"SELECT * FROM {TABLE} ORDER BY 1, 2") == before
    assert empty_database.query("SELECT device_id FROM telemetry.readings_other") == [("mad",)]
    assert empty_database.query("SELECT device_id FROM telemetry.readings_1999_12") == [("old",)]


def test_a_partitioned_table_updates_and_counts_as_any_other(empty_database: TelemetryDatabase):
    contract = replace(KEEP_LAST, partition="month")
    empty_database.migrate(contract)
    load(empty_database, contract, "one", ROWS)
    newer = [("a", 1, 9.0, "new"), ROWS[1], ("c", 1, 1.0, None)]
    assert load(empty_database, contract, "two", newer) == (1, 1, 1)


def test_a_partitioned_table_grows_a_column(empty_database: TelemetryDatabase):
    empty_database.migrate(MONTHLY)
    load(empty_database, MONTHLY, "one", ROWS)
    grown = replace(MONTHLY, columns=(*MONTHLY.columns, column("co2", "float")))
    empty_database.migrate(grown)
    assert empty_database.query(f"SELECT count(*) FROM {TABLE} WHERE co2 IS NULL") == [(3,)]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE telemetry.readings_2000_01 PARTITION OF telemetry.readings "
        "FOR VALUES FROM ('2000-01-01') TO ('2000-02-01')",
        "ALTER TABLE telemetry.readings DETACH PARTITION telemetry.readings_other",
        "SELECT * FROM telemetry.readings_other",
        "INSERT INTO telemetry.readings_other VALUES ('a', now(), 1, NULL)",
        "CREATE INDEX ON telemetry.readings (value)",
        "COMMENT ON TABLE telemetry.readings IS 'mine'",
        "CREATE FUNCTION telemetry.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TRIGGER t BEFORE INSERT ON telemetry.readings FOR EACH ROW "
        "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "SET ROLE telemetry_owner",
        "COPY telemetry.readings TO PROGRAM 'cat'",
        "SELECT pg_read_file('PG_VERSION')",
        "ALTER ROLE telemetry_loader CREATEDB",
    ],
)
def test_the_loader_can_not_reach_beyond_loading(empty_database: TelemetryDatabase, statement):
    empty_database.migrate(MONTHLY)
    with closing(empty_database.connect_loader()) as connection, connection.cursor() as cursor:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
