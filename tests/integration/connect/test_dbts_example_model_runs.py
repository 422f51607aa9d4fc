"""The SQL of dbt's example model, of every contract, on the schema that a real migration makes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from etl.connect.dbt_model import example_model
from telemetry.contract import Contract, load_contract
from tests.fixtures.telemetry_database import TelemetryDatabase

CONTRACTS = sorted([*Path("contracts").rglob("*.toml"), *Path("tests/property").rglob("*.toml")])


def compiled(contract: Contract) -> str | None:
    """The model with the relations that dbt puts in."""
    model = example_model(contract)
    return model and re.sub(
        r"\{\{ source\('\w+', '(\w+)'\) \}\}", rf'"{contract.schema}"."\1"', model
    )


def test_it_runs_for_every_contract_that_has_one(empty_database: TelemetryDatabase) -> None:
    without = []
    for path in CONTRACTS:
        contract = load_contract(path)
        sql = compiled(contract)
        if sql is None:
            without.append(path.stem)
            continue
        assert "{{" not in sql
        empty_database.query(f'DROP SCHEMA IF EXISTS "{contract.schema}", etl CASCADE')
        empty_database.migrate(contract)
        assert empty_database.query(sql) == []
    assert len(without) < len(CONTRACTS) / 4, without


@pytest.mark.parametrize("rollups", ['["hourly"]', '["hourly", "daily"]'])
def test_days_are_the_same_from_hours(
    empty_database: TelemetryDatabase, tmp_path: Path, rollups: str
) -> None:
    file = tmp_path / "fleet.toml"
    text = Path("contracts/fleet.toml").read_text()
    file.write_text(f"{text}\n[analytics]\nrollups = {rollups}\n")
    contract = load_contract(file)
    empty_database.migrate(contract)
    empty_database.query(
        "INSERT INTO telemetry.fleet_readings (device_id, ts, temperature_c) "
        "SELECT 'a', %s::timestamptz + n * interval '1 hour', n FROM generate_series(0, 47) AS n",
        datetime(2026, 11, 1, tzinfo=UTC),
    )
    sql = compiled(contract)
    assert sql is not None
    rows = empty_database.query(
        f"SELECT day::text, readings::int, temperature_c_avg::float, completeness FROM ({sql}) AS m "
        "ORDER BY 1"
    )
    assert rows == [("2026-11-01", 24, 11.5, 1), ("2026-11-02", 24, 35.5, 1)]
