"""Freshness and last loads in the data dictionary are the ledger's, of that contract alone."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from etl.operations.contract_facts import MOST_LOADS, read_facts
from functions.load.loading import load_batch
from tests.fixtures.telemetry_database import (
    CONTRACT,
    MemoryCopy,
    TelemetryDatabase,
    make_batch,
    make_copy,
)


def load(database: TelemetryDatabase, name: str, **fields: Any) -> None:
    content, groups = make_copy([(name, 1, 1.0, None)])
    batch = make_batch(name, 1, **{"max_time": "2026-11-23T06:00:01Z", **fields})
    with closing(database.connect_loader()) as connection:
        load_batch(connection, CONTRACT, batch, MemoryCopy(content), lambda: groups)


def test_the_latest_batches_of_the_contract(database: TelemetryDatabase) -> None:
    target: Any = SimpleNamespace(connect=database.connect_loader)
    assert read_facts(target, CONTRACT).last_load is None
    for number in range(MOST_LOADS + 1):
        load(database, f"b{number}")
    load(database, "held", status="quarantined", max_time="2027-01-01T00:00:00Z")
    found = read_facts(target, CONTRACT)
    assert found.newest is not None
    assert found.newest.isoformat() == "2026-11-23T06:00:01+00:00"
    assert [one.batch_id for one in found.loads] == ["held", "b5", "b4", "b3", "b2"]
    assert found.loads[0].status == "quarantined"
    assert found.last_load == found.loads[1].loaded_at
    assert read_facts(target, replace(CONTRACT, name="other")).loads == []
