"""The queries saved in pgAdmin run as the loader, and tell what was loaded."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from etl.operations.pgadmin_queries import saved_queries
from functions.load.loading import load_batch
from tests.fixtures.telemetry_database import (
    CONTRACT,
    MemoryCopy,
    TelemetryDatabase,
    make_batch,
    make_copy,
)

ROWS = [("a", 1, 1.5, "x"), ("a", 2, 2.5, None), ("b", 1, None, "")]


@pytest.fixture
def answers(database: TelemetryDatabase) -> dict[str, list[dict[str, Any]]]:
    """Query name to its rows, after a load of three readings of which one more was rejected."""
    content, groups = make_copy(ROWS)
    batch = make_batch("one", 3, read=4, rejected=1, rejected_by={"missing:ts": 1, "not_json": 2})
    found = {}
    with closing(database.connect_loader()) as connection:
        load_batch(connection, CONTRACT, batch, MemoryCopy(content), lambda: groups, seconds=20)
        for query in saved_queries(CONTRACT):
            with connection, connection.cursor() as cursor:
                cursor.execute(query.text())
                names = [column.name for column in cursor.description]
                found[query.name] = [dict(zip(names, row, strict=True)) for row in cursor]
    return found


def test_they_tell_what_was_loaded_and_what_was_not(
    answers: dict[str, list[dict[str, Any]]],
) -> None:
    assert answers["Latest readings"][0]["device_id"] == "a"
    assert len(answers["Latest readings"]) == 3
    per_device = {r["device_id"]: r["rows"] for r in answers["Rows per device"]}
    assert per_device == {"a": 2, "b": 1}
    latest = {r["device_id"]: r["value"] for r in answers["Latest per device"]}
    assert latest == {"a": 2.5, "b": None}
    assert [(r["reason"], r["readings"]) for r in answers["Rejects by reason"]] == [
        ("not_json", 2),
        ("missing:ts", 1),
    ]
    (history,) = answers["Load history"]
    assert (history["batch_id"], history["inserted"], history["rejected"]) == ("one", 3, 1)
    assert {r["table"] for r in answers["Table sizes"]} >= {"telemetry.readings", "etl.ledger"}


def test_a_table_without_a_time_has_those_that_need_none() -> None:
    without = replace(CONTRACT, key=("device_id",))
    names = [query.name for query in saved_queries(without)]
    assert "Rows per device" in names
    assert "Latest readings" not in names


def test_their_files_are_named_for_a_person() -> None:
    files = [query.file_name for query in saved_queries(CONTRACT)]
    assert "rows-per-device.sql" in files
    assert len(set(files)) == len(files)
