"""A key may have more than one timestamp: all but the last are part of what names the series."""

from __future__ import annotations

import pytest

from telemetry.contract import parse_contract
from tests.fixtures.telemetry_database import TelemetryDatabase
from tests.integration.analytics.rollups import Reading, bring_up, load

CONTRACT = parse_contract(
    b"""
    name = "forecast"
    topic = "lab/+"
    [table]
    name = "forecast"
    key = ["site", "made_at", "ts"]
    [columns.site]
    type = "text"
    max_length = 8
    required = true
    [columns.made_at]
    type = "timestamp"
    required = true
    [columns.ts]
    type = "timestamp"
    required = true
    [columns.value]
    type = "float"
    """,
    "forecast.toml",
)
MORNING, NOON = "2026-03-01T06:00:00.000001+01:00", "2026-03-01T12:00:00Z"


def forecasts(made_at: str, hours: range, value: float) -> list[Reading]:
    return [
        {"site": "a", "made_at": made_at, "ts": f"2026-03-02T{hour:02}:30:00Z", "value": value}
        for hour in hours
    ]


@pytest.mark.parametrize("late", [False, True], ids=["newer rows", "rows between"])
def test_rows_of_each_series_are_found_again(empty_database: TelemetryDatabase, late: bool) -> None:
    empty_database.migrate(CONTRACT)
    hours = range(0, 20, 2) if late else range(10)
    first = load(empty_database, CONTRACT, "one", forecasts(MORNING, hours, 1.0)).entry
    assert (first.inserted, first.unchanged, first.conflicts_in_table) == (10, 0, 0)
    both = [*forecasts(MORNING, range(20), 1.0), *forecasts(NOON, hours, 2.0)]
    second = load(empty_database, CONTRACT, "two", both).entry
    assert (second.inserted, second.unchanged, second.conflicts_in_table) == (20, 10, 0)
    changed = [*forecasts(MORNING, range(1), 9.0), *forecasts(NOON, hours, 2.0)]
    third = load(empty_database, CONTRACT, "three", changed).entry
    assert (third.inserted, third.unchanged, third.conflicts_in_table) == (0, 10, 1)


def test_rollups_have_a_row_for_each_series_and_hour(empty_database: TelemetryDatabase) -> None:
    empty_database.migrate(CONTRACT)
    bring_up(empty_database, CONTRACT)
    both = [*forecasts(MORNING, range(3), 1.0), *forecasts(NOON, range(3), 2.0)]
    load(empty_database, CONTRACT, "one", both, refreshes=True)
    rows = empty_database.query(
        "SELECT extract(hour FROM made_at AT TIME ZONE 'UTC')::int, readings, value_avg "
        'FROM "telemetry"."forecast_daily" ORDER BY 1'
    )
    assert rows == [(5, 3, 1.0), (12, 3, 2.0)]
