"""A load that only updates rows marks their spans, as one that inserts rows does."""

from __future__ import annotations

from tests.fixtures.telemetry_database import TelemetryDatabase
from tests.integration.analytics.rollups import (
    assert_exact,
    bring_up,
    contract_for,
    kept_only,
    load,
    reading,
)


def test_an_update_shows_in_the_rollups(empty_database: TelemetryDatabase) -> None:
    contract = contract_for("keep_last")
    empty_database.migrate(contract)
    load(empty_database, contract, "one", [reading(0, value=1.0), reading(90, value=1.0)])
    bring_up(empty_database, contract)
    loaded = load(empty_database, contract, "two", [reading(0, value=2.0)])
    assert (loaded.entry.inserted, loaded.entry.updated) == (0, 1)
    assert not kept_only(empty_database)
    assert_exact(empty_database)
