"""Replay, release and discard: what the ledger says first, what is asked, what it says then."""

from __future__ import annotations

from contextlib import closing

import pytest

from functions.load.loading import load_batch
from tests.fixtures.telemetry_database import (
    CONTRACT,
    MemoryCopy,
    TelemetryDatabase,
    make_batch,
    make_copy,
)

ROWS = [("a", 1, 1.5, "x"), ("a", 2, 2.5, None), ("b", 1, None, "")]
MORE = [*ROWS, ("b", 2, 4.0, None), ("c", 1, 5.0, None)]
OTHER = "another contract"


@pytest.fixture
def load(database: TelemetryDatabase):
    """Loads rows as the one batch; returns (was it answered from the ledger, status)."""

    def run(rows=ROWS, **batch):
        content, groups = make_copy(rows)
        with closing(database.connect_loader()) as connection:
            loaded = load_batch(
                connection,
                CONTRACT,
                make_batch("one", len(rows), **batch),
                MemoryCopy(content),
                lambda: groups,
            )
        return loaded.repeated, loaded.entry.status

    return run


def sums(database: TelemetryDatabase) -> tuple[int, ...]:
    """Rows in the table, rows by the ledger, inserted last, inserted before, loads."""
    (row,) = database.query("SELECT inserted, inserted_before, loads FROM etl.ledger")
    return len(database.rows()), row[0] + row[1], *row


def test_a_replay_under_another_contract_loads_again_and_adds_what_is_new(database, load):
    assert load() == (False, "loaded")
    assert load(MORE, purpose="replay", contract_digest=OTHER) == (False, "loaded")
    assert sums(database) == (5, 5, 2, 3, 2)
    assert database.ledger()["one"]["unchanged"] == 3


def test_rows_add_up_however_often_a_batch_is_replayed(database, load):
    load(ROWS[:1])
    for number in range(2, 4):
        load(MORE[: number + 1], purpose="replay", contract_digest=f"contract {number}")
    assert sums(database) == (4, 4, 1, 3, 3)


def test_a_replay_under_the_same_contract_is_answered_from_the_ledger(database, load):
    load()
    assert load(MORE, purpose="replay") == (True, "loaded")
    load(MORE, purpose="replay", contract_digest=OTHER)
    assert load(MORE, purpose="replay", contract_digest=OTHER) == (True, "loaded")
    assert sums(database) == (5, 5, 2, 3, 2)


@pytest.mark.parametrize("purpose", ["load", "release", "discard"])
def test_only_a_replay_loads_a_loaded_batch_again(database, load, purpose):
    load()
    ends = "discarded" if purpose == "discard" else "loaded"
    again = load(MORE, purpose=purpose, status=ends, contract_digest=OTHER)
    assert again == (True, "loaded")
    assert sums(database) == (3, 3, 3, 0, 1)


def test_a_loaded_batch_stays_loaded_where_a_replay_would_be_held_back(database, load):
    load()
    held = load(MORE, purpose="replay", status="quarantined", contract_digest=OTHER)
    assert held == (True, "loaded")
    assert sums(database) == (3, 3, 3, 0, 1)


def test_a_discarded_batch_is_a_ledger_row_and_no_rows(database, load):
    load(status="quarantined")
    assert load(status="discarded", purpose="discard") == (False, "discarded")
    assert sums(database) == (0, 0, 0, 0, 1)
    assert database.ledger()["one"]["accepted"] == 3


@pytest.mark.parametrize("purpose", ["load", "replay", "discard"])
def test_a_discarded_batch_stays_discarded(database, load, purpose):
    load(status="discarded", purpose="discard")
    status = "discarded" if purpose == "discard" else "loaded"
    assert load(purpose=purpose, status=status, contract_digest=OTHER) == (True, "discarded")
    assert database.rows() == []


@pytest.mark.parametrize("held", ["quarantined", "discarded"])
def test_a_release_loads_what_was_held_back_or_discarded(database, load, held):
    load(status=held)
    assert load(purpose="release") == (False, "loaded")
    assert sums(database) == (3, 3, 3, 0, 1)
    assert load(purpose="release") == (True, "loaded")


def test_a_quarantined_batch_that_is_held_back_again_reports_the_newer_contract(database, load):
    load(status="quarantined")
    assert load(status="quarantined") == (True, "quarantined")
    again = load(MORE, status="quarantined", purpose="replay", contract_digest=OTHER)
    assert again == (False, "quarantined")
    assert database.ledger()["one"]["accepted"] == 5
    assert database.rows() == []


def test_a_repair_inserts_what_the_table_has_lost_and_the_rows_still_add_up(database, load):
    load()
    database.query("DELETE FROM telemetry.readings WHERE device_id = 'a'")
    assert load(purpose="repair") == (False, "loaded")
    assert sums(database) == (3, 3, 2, 1, 2)
    assert database.ledger()["one"]["unchanged"] == 1


def test_a_repair_of_a_whole_table_changes_nothing_and_the_rows_still_add_up(database, load):
    load()
    for number in (2, 3):
        assert load(purpose="repair") == (False, "loaded")
        assert sums(database) == (3, 3, 0, 3, number)


def test_a_repair_loads_a_batch_whose_restored_row_says_quarantined(database, load):
    load(status="quarantined")
    assert load(purpose="repair") == (False, "loaded")
    assert sums(database) == (3, 3, 3, 0, 1)


def test_a_repair_leaves_a_discarded_batch_alone(database, load):
    load(status="discarded", purpose="discard")
    assert load(purpose="repair") == (True, "discarded")
    assert database.rows() == []
