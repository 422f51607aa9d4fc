"""The refresh that a load does once its batch is loaded: all that is marked, and never an error."""

from __future__ import annotations

from contextlib import closing

import pytest

from functions.load import rollup_invalidation
from telemetry.ddl.analytics import service_name
from tests.fixtures.telemetry_database import TelemetryDatabase
from tests.integration.analytics.rollups import (
    assert_exact,
    bring_up,
    contract_for,
    kept_only,
    load,
    reading,
)

CONTRACT = contract_for()


@pytest.fixture
def loaded(empty_database: TelemetryDatabase) -> TelemetryDatabase:
    """Three marks, of one batch each; the last refresh is long ago."""
    empty_database.migrate(CONTRACT)
    bring_up(empty_database, CONTRACT)
    for number in range(3):
        load(empty_database, CONTRACT, f"b{number}", [reading(90 * number, value=1.0)])
    empty_database.query(
        """UPDATE etl."telemetry.measured.refreshed" SET refreshed_at = now() - interval '61 s'"""
    )
    return empty_database


def refresh(database: TelemetryDatabase) -> int:
    with closing(database.connect_loader()) as connection:
        return rollup_invalidation.refresh(connection, CONTRACT, seconds=240)


def test_it_goes_on_until_nothing_is_marked(loaded, monkeypatch):
    monkeypatch.setattr(rollup_invalidation, "SERIES_AT_ONCE", 1)
    assert refresh(loaded) == 3
    assert kept_only(loaded)
    assert_exact(loaded)


def test_an_error_of_the_database_is_a_warning(loaded, capsys):
    loaded.query('ALTER TABLE etl."telemetry.measured.marks" RENAME TO gone')
    assert refresh(loaded) == 0
    assert '"level":"WARNING"' in capsys.readouterr().out


def test_a_database_without_rollups_has_nothing_to_refresh(loaded, capsys):
    loaded.query(f"DROP FUNCTION {service_name(CONTRACT, 'refresh')}")
    assert refresh(loaded) == 0
    assert '"level":"WARNING"' not in capsys.readouterr().out
