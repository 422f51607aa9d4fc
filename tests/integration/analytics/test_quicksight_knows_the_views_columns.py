"""Names and types of QuickSight's data sets, against the views that a real migration makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from infrastructure.platform.data_sets import data_sets
from telemetry.contract import load_contract
from tests.fixtures.telemetry_database import TelemetryDatabase

FITS = {
    "text": "STRING",
    "smallint": "INTEGER",
    "integer": "INTEGER",
    "bigint": "INTEGER",
    "real": "DECIMAL",
    "double precision": "DECIMAL",
    "numeric": "DECIMAL",
    "boolean": "BOOLEAN",
    "timestamp with time zone": "DATETIME",
    "date": "DATETIME",
}


@pytest.mark.parametrize(
    "name",
    ["contracts/fleet", "contracts/examples/greenhouse", "tests/property/contracts/exact_rows"],
)
def test_each_column_is_in_its_view_with_that_type(
    empty_database: TelemetryDatabase, name: str
) -> None:
    contract = load_contract(Path(f"{name}.toml"))
    empty_database.migrate(contract)
    sets = data_sets(contract)
    assert sets
    for each in sets:
        found = empty_database.query(
            "SELECT attname, split_part(format_type(atttypid, atttypmod), '(', 1) "
            "FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
            f"{contract.schema}.{contract.table}_{each.name}",
        )
        columns = {column: FITS[kind] for column, kind in found if kind != "jsonb"}
        assert dict(each.columns) == columns
