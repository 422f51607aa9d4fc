"""Every query of every dashboard, sent by the analyst to the schema that a real migration makes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from etl.connect.grafana import dashboard
from functions.migrate.migration import migrate
from telemetry.contract import Contract, load_contract
from telemetry.database import Credentials
from telemetry.ddl.analytics.levels import series_columns
from tests.fixtures.grafana import expanded, panels
from tests.fixtures.telemetry_database import TelemetryDatabase

ANALYST = Credentials("telemetry_analyst", "only-reads")
FLEET = load_contract(Path("contracts/fleet.toml"))
SPANS = {"a day": timedelta(days=1), "a month": timedelta(days=30)}
CONTRACTS = sorted([*Path("contracts").rglob("*.toml"), *Path("tests/property").rglob("*.toml")])


def migrated(database: TelemetryDatabase, contract: Contract) -> Any:
    with closing(database.connect_owner()) as owner:
        migrate(owner, contract, database.loader, ANALYST)
    connection = psycopg2.connect(database.server.dsn(ANALYST.username, ANALYST.password))
    connection.autocommit = True
    return connection


def answers(
    connection: Any,
    contract: Contract,
    span: timedelta,
    chosen: list[str] | None = None,
    until: datetime | None = None,
) -> dict[tuple[str, int], tuple[list[str], list[tuple[Any, ...]]]]:
    """Columns and rows by the title of the panel, and its number among those of that title."""
    found: dict[tuple[str, int], tuple[list[str], list[tuple[Any, ...]]]] = {}
    page = dashboard(contract, "telemetry")
    variables: dict[str, list[str] | str] = {}
    with connection.cursor() as cursor:
        for one in page["templating"]["list"]:
            if one["type"] == "query":
                cursor.execute(one["query"])
                variables[one["name"]] = chosen or one["allValue"]
        for panel in panels(page):
            for target in panel["targets"]:
                if "rawSql" not in target:
                    continue
                query = target["rawSql"]
                cursor.execute(
                    expanded(query, variables, until=until or datetime.now(UTC), span=span)
                )
                names = [column.name for column in cursor.description]
                number = sum(title == panel["title"] for title, _ in found)
                found[panel["title"], number] = names, cursor.fetchall()
                if target["format"] == "time_series":
                    assert names[0] == "time"
    return found


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_every_query_runs_as_the_analyst(empty_database: TelemetryDatabase, path: Path) -> None:
    contract = load_contract(path)
    empty_database.query(f'DROP SCHEMA IF EXISTS "{contract.schema}" CASCADE')
    with closing(migrated(empty_database, contract)) as connection:
        for span in SPANS.values():
            assert answers(connection, contract, span) or not contract.analytics.views


def test_of_a_contract_without_rollups_or_with_daily_ones(
    empty_database: TelemetryDatabase, tmp_path: Path
) -> None:
    text = Path("contracts/fleet.toml").read_text()
    for lines in ("rollups = []", 'rollups = ["daily"]', "views = false"):
        file = tmp_path / "fleet.toml"
        file.write_text(f"{text}\n[analytics]\n{lines}\n")
        contract = load_contract(file)
        with closing(migrated(empty_database, contract)) as connection:
            for span in SPANS.values():
                assert ("temperature_c", 0) in answers(connection, contract, span)


@pytest.fixture
def now() -> datetime:
    """The time at which a test begins: devices fall silent by the clock."""
    return datetime.now(UTC)


@pytest.fixture
def filled(empty_database: TelemetryDatabase, now: datetime) -> Iterator[Any]:
    """Two devices with a reading each minute for three hours, and a silent third one."""
    with closing(migrated(empty_database, FLEET)) as connection:
        empty_database.query(
            "INSERT INTO telemetry.fleet_readings (device_id, ts, temperature_c, charging) "
            "SELECT device, %s::timestamptz - minute * interval '1 minute', "
            "CASE device WHEN 'a' THEN 10 ELSE 20 END, device = 'a' "
            "FROM unnest(ARRAY['a', 'b''c', 'old']) AS device, generate_series(1, 180) AS minute "
            "WHERE device <> 'old' OR minute > 120",
            now,
        )
        empty_database.query(
            "INSERT INTO etl.ledger (batch_id, raw_key, execution, contract, contract_digest, "
            "status, messages, read, accepted, duplicates, conflicts, rejected, set_aside, "
            "rejected_by, inserted, updated, unchanged, loaded_at, max_time) VALUES "
            "('x', 'raw/x', 'e', 'fleet', 'd', 'loaded', 9, 100, 80, 0, 0, 20, 0, "
            "'{\"invalid:ts\": 20}', 80, 0, 0, %s::timestamptz, "
            "%s::timestamptz - interval '90 s')",
            now - timedelta(minutes=1),
            now - timedelta(minutes=1),
        )
        yield connection


def test_the_figures_are_those_of_the_rows(filled: Any, now: datetime) -> None:
    found = answers(filled, FLEET, timedelta(hours=4), until=now)
    assert found["Reporting devices", 0][1] == [(3,)]
    assert found["Silent devices", 0][1] == [(1,)]
    assert found["New rows", 0][1] == [(80,)]
    assert found["Rejected", 0][1] == [(20,)]
    assert found["Lag", 0][1][0][1:] == (90, 90)
    assert found["Rejected, by reason", 0][1][0][1:] == ("invalid:ts", 20)
    assert float(found["Last load", 0][1][0][0]) == pytest.approx(
        (now.timestamp() - 60) * 1000, abs=1
    )
    names, hours = found["temperature_c", 0]
    assert names == ["time", "least", "average", "greatest"]
    assert {(row[1], row[3]) for row in hours} == {(10, 20)}
    assert all(10 < row[2] < 20 for row in hours)


@pytest.mark.parametrize("span", SPANS.values(), ids=SPANS.keys())
def test_a_chart_has_a_line_for_each_device(filled: Any, now: datetime, span: timedelta) -> None:
    names, rows = answers(filled, FLEET, span, until=now)["temperature_c", 1]
    assert names == ["time", "metric", "temperature_c"]
    assert {(name, float(value)) for _, name, value in rows} == {
        ("a", 10.0), ("b'c", 20.0), ("old", 20.0)
    }  # fmt: skip
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    steps = {time % (300 if span < timedelta(days=2) else 3600) for time, *_ in rows}
    assert steps == {0}


def test_only_chosen_devices_are_shown(filled: Any, now: datetime) -> None:
    found = answers(filled, FLEET, timedelta(days=1), ["b'c"], now)
    assert {row[1] for row in found["temperature_c", 1][1]} == {"b'c"}
    assert {row[1] for row in found["temperature_c", 0][1]} == {20}
    assert [row[0] for row in found["Latest readings", 0][1]] == ["b'c"]
    assert found["Reporting devices", 0][1] == [(1,)]
    assert found["Silent devices", 0][1] == [(0,)]
    assert series_columns(FLEET) == ("device_id",)


def test_numbers_near_the_greatest_double_break_no_chart(
    empty_database: TelemetryDatabase, now: datetime
) -> None:
    with closing(migrated(empty_database, FLEET)) as connection:
        empty_database.query(
            "INSERT INTO telemetry.fleet_readings (device_id, ts, temperature_c) "
            "SELECT d, %s::timestamptz - n * interval '1 s', 1.7e308 "
            "FROM unnest(ARRAY['a', 'b']) AS d, generate_series(60, 90) AS n",
            now,
        )
        for span in SPANS.values():
            assert answers(connection, FLEET, span, until=now)["temperature_c", 1][1]
