"""Lineage is of the batches of the pipeline's contracts that were settled in a range of time."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from etl.operations.lineage import LedgerRow, read_ledger
from etl.operations.time_range import ALWAYS, TimeRange
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
    with closing(database.connect_loader()) as connection:
        batch = make_batch(name, 1, **fields)
        load_batch(connection, CONTRACT, batch, MemoryCopy(content), lambda: groups)


def read(
    database: TelemetryDatabase, times: TimeRange = ALWAYS, name: str = CONTRACT.name
) -> list[LedgerRow]:
    target: Any = SimpleNamespace(connect=database.connect_loader)
    return list(read_ledger(target, [name], times))


def test_each_batch_is_read_once_in_the_order_of_loading(database: TelemetryDatabase) -> None:
    load(database, "b1")
    load(database, "held", status="quarantined")
    load(database, "b2")
    first, held, second = read(database)
    assert [one.batch_id for one in (first, held, second)] == ["b1", "held", "b2"]
    assert (first.status, first.rows) == ("loaded", 1)
    assert (held.status, held.rows) == ("quarantined", 0)
    assert first.began_at <= first.loaded_at
    assert read(database, name="other") == []


def test_a_range_of_time_is_of_when_they_were_settled(database: TelemetryDatabase) -> None:
    load(database, "b1")
    load(database, "b2")
    _, second = read(database)
    end = datetime.now(UTC) + timedelta(minutes=1)
    assert [one.batch_id for one in read(database, TimeRange(second.loaded_at, end))] == ["b2"]
    before = TimeRange(datetime(2020, 1, 1, tzinfo=UTC), second.loaded_at)
    assert [one.batch_id for one in read(database, before)] == ["b1"]
