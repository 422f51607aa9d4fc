"""Views are made, grow with the contract, and never take anything that is not theirs."""

from __future__ import annotations

from dataclasses import replace

import psycopg2
import pytest

from telemetry.contract import Analytics
from telemetry.errors import ContractError
from tests.fixtures.telemetry_database import CONTRACT, TABLE, TelemetryDatabase, column
from tests.integration.analytics.rollups import (
    assert_exact,
    bring_up,
    contract_for,
    kept_only,
    load,
    reading,
)

PUBLIC = ("latest", "hourly", "daily", "gaps", "quality", "quality_daily", "rejects")


def relations(database: TelemetryDatabase, schema: str = "telemetry") -> set[str]:
    found = database.query(
        "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'v'",
        schema,
    )
    return {name for (name,) in found}


def test_a_fresh_database_gets_all_views(empty_database: TelemetryDatabase) -> None:
    done = empty_database.migrate()
    assert done.views
    assert relations(empty_database) == {f"readings_{ending}" for ending in PUBLIC}
    assert empty_database.migrate().views == []


def test_every_view_and_column_says_what_it_is(empty_database: TelemetryDatabase) -> None:
    contract = contract_for()
    empty_database.migrate(contract)
    silent = empty_database.query(
        "SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid "
        "WHERE relnamespace = 'telemetry'::regnamespace AND relkind = 'v' "
        "AND col_description(attrelid, attnum) IS NULL "
        "AND NOT (relname = 'measured_latest' OR attname IN ('site', 'id'))"
    )
    assert silent == []
    unit = empty_database.query(
        "SELECT col_description(attrelid, attnum) FROM pg_attribute "
        "WHERE attrelid = 'telemetry.measured_hourly'::regclass AND attname = 'value_avg'"
    )
    assert unit == [("Average value. [°C]",)]


def test_a_new_column_is_in_the_views_and_what_was_kept_stays(
    empty_database: TelemetryDatabase,
) -> None:
    contract = contract_for()
    empty_database.migrate(contract)
    load(empty_database, contract, "one", [reading(m, value=m / 3) for m in range(100)])
    bring_up(empty_database, contract)
    grown = contract_for(more='[columns.co2]\ntype = "integer"\n[checks]\nconflict_share = 1\n')
    empty_database.migrate(grown)
    assert kept_only(empty_database)
    load(empty_database, grown, "two", [reading(m, value=1.0, co2=m) for m in range(50, 150)])
    for _ in range(2):
        found = empty_database.query(
            "SELECT sum(co2_count), sum(co2_avg * co2_count), sum(readings) "
            "FROM telemetry.measured_hourly"
        )
        assert found == [(50, pytest.approx(sum(range(100, 150))), 150)]
        bring_up(empty_database, grown)
    assert "co2" in columns(empty_database, "measured_latest")


def test_a_column_that_comes_back_is_counted_from_the_rows(
    empty_database: TelemetryDatabase,
) -> None:
    """It goes from the contract, not from the table; in between nobody keeps its figures."""
    whole, less = contract_for(), contract_for(analytics='metrics = ["value"]')
    empty_database.migrate(whole)
    load(empty_database, whole, "one", [reading(m, value=1.0, seq=m) for m in range(100)])
    bring_up(empty_database, whole)
    empty_database.migrate(less)
    assert "seq_avg" not in columns(empty_database, "measured_hourly")
    load(empty_database, less, "two", [reading(m, value=1.0, seq=m) for m in range(90, 200)])
    bring_up(empty_database, less)
    empty_database.migrate(whole)
    assert_exact(empty_database)
    bring_up(empty_database, whole)
    assert kept_only(empty_database)
    assert_exact(empty_database)


def test_rollups_of_a_table_that_has_rows_are_exact_at_once(
    empty_database: TelemetryDatabase,
) -> None:
    before = contract_for(analytics="views = false")
    empty_database.migrate(before)
    assert relations(empty_database) == set()
    load(empty_database, before, "one", [reading(m, value=m / 3) for m in range(500)])
    contract = contract_for()
    empty_database.migrate(contract)
    assert_exact(empty_database)
    bring_up(empty_database, contract)
    assert kept_only(empty_database)
    assert_exact(empty_database)


def test_a_type_that_grows_takes_the_views_with_it(empty_database: TelemetryDatabase) -> None:
    def of(kind: str):
        columns = (*CONTRACT.columns[:2], column("value", kind))
        return replace(CONTRACT, columns=columns)

    empty_database.migrate(of("smallint"))
    empty_database.query(f"INSERT INTO {TABLE} VALUES ('a', now(), 32767)")
    bring_up(empty_database, of("smallint"))
    empty_database.migrate(of("bigint"))
    empty_database.query(f"INSERT INTO {TABLE} VALUES ('b', now(), 9223372036854775807)")
    for _ in range(2):
        assert empty_database.query("SELECT max(value_max) FROM telemetry.readings_daily") == [
            (9223372036854775807,)
        ]
        bring_up(empty_database, of("bigint"))


def test_views_and_all_that_keeps_them_can_go(empty_database: TelemetryDatabase) -> None:
    empty_database.migrate()
    off = replace(CONTRACT, analytics=Analytics(views=False))
    empty_database.migrate(off)
    assert relations(empty_database) == relations(empty_database, "etl") == set()
    assert empty_database.query("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal") == []
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'etl' ORDER BY 1"
    left = (
        "batch_locks",
        "conflicts",
        "erasures",
        "ledger",
        "retention",
        "telemetry.readings.load_lock",
    )
    assert empty_database.query(tables) == [(name,) for name in left]
    assert empty_database.migrate(off).views == []
    empty_database.migrate()
    assert len(relations(empty_database)) == len(PUBLIC)


def test_a_table_without_a_time_in_its_key_has_only_its_quality(
    empty_database: TelemetryDatabase,
) -> None:
    timeless = replace(CONTRACT, key=("device_id",))
    empty_database.migrate(timeless)
    assert relations(empty_database) == {
        "readings_quality", "readings_quality_daily", "readings_rejects",
    }  # fmt: skip


def test_a_view_that_someone_dropped_is_made_again(empty_database: TelemetryDatabase) -> None:
    empty_database.migrate()
    empty_database.query("DROP VIEW telemetry.readings_gaps")
    assert empty_database.migrate().views
    assert "readings_gaps" in relations(empty_database)


def test_what_has_the_name_of_a_view_and_is_not_ours_is_left_alone(
    empty_database: TelemetryDatabase,
) -> None:
    empty_database.query("CREATE SCHEMA telemetry CREATE TABLE readings_latest (x int)")
    with pytest.raises(ContractError, match="not made by this pipeline"):
        empty_database.migrate()
    empty_database.migrate(replace(CONTRACT, analytics=Analytics(views=False)))


def test_someones_view_of_a_view_is_named_and_nothing_is_changed(
    empty_database: TelemetryDatabase,
) -> None:
    empty_database.migrate()
    empty_database.query("CREATE VIEW public.mine AS SELECT * FROM telemetry.readings_latest")
    grown = replace(CONTRACT, columns=(*CONTRACT.columns, column("co2", "float")))
    try:
        with pytest.raises(ContractError, match="view mine depends on"):
            empty_database.migrate(grown)
        assert "co2" not in columns(empty_database, "readings")
        assert empty_database.migrate().views == []
    finally:
        empty_database.query("DROP VIEW public.mine")


def test_names_of_columns_may_be_words_of_sql(empty_database: TelemetryDatabase) -> None:
    names = ("select", "gap", "f", "s", "h", "n", "marks", "spans", "taken", "longest", "before")
    odd = tuple(column(name, "integer") for name in names)
    contract = replace(CONTRACT, columns=(*CONTRACT.columns, *odd))
    empty_database.migrate(contract)
    empty_database.query(f"INSERT INTO {TABLE} (device_id, ts, gap) VALUES ('a', now(), 5)")
    bring_up(empty_database, contract)
    assert empty_database.query("SELECT gap_max FROM telemetry.readings_hourly") == [(5,)]


def test_the_key_may_have_any_name(empty_database: TelemetryDatabase) -> None:
    key = ("m", "k", "span", "at")
    columns_ = (*(column(name, "text", required=True) for name in key[:3]),)
    columns_ += (column("at", "timestamp", required=True), column("value", "float"))
    contract = replace(CONTRACT, key=key, columns=columns_)
    empty_database.migrate(contract)
    empty_database.query(f"INSERT INTO {TABLE} VALUES ('a', 'b', 'c', now(), 5)")
    bring_up(empty_database, contract)
    for ending in ("latest", "hourly", "daily"):
        assert len(empty_database.query(f"SELECT * FROM telemetry.readings_{ending}")) == 1
    assert empty_database.query("SELECT * FROM telemetry.readings_gaps") == []


def columns(database: TelemetryDatabase, relation: str) -> set[str]:
    found = database.query(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
        "AND NOT attisdropped",
        f"telemetry.{relation}",
    )
    return {name for (name,) in found}


def test_a_migration_waits_for_the_refresh_that_is_at_work(
    empty_database: TelemetryDatabase,
) -> None:
    """And gives up soon, as for any lock: a deployment can be repeated."""
    empty_database.migrate()
    with empty_database.connect_owner() as busy, busy.cursor() as cursor:
        cursor.execute("""SELECT etl."telemetry.readings.refresh"(1000, interval '0')""")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            empty_database.query(
                "SET lock_timeout = '100ms'; "
                'SELECT FROM etl."telemetry.readings.refreshed" FOR UPDATE'
            )
    busy.close()
