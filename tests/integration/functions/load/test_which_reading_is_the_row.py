"""Batches with the same key, loaded in another order than their messages arrived in."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from functions.load import arrival_order, loading
from telemetry.contract import Contract, parse_contract
from telemetry.errors import StorageUnavailableError
from tests.fixtures.stored_batches import StoredBatches
from tests.fixtures.telemetry_database import TelemetryDatabase
from tests.unit.functions.transform.envelopes_for import line

NOON = 1_772_366_400_000
TABLE = '"telemetry"."box"'


def contract_of(policy: str = "keep_last", more: str = "") -> Contract:
    greatest = 'greatest = "value"' if policy == "keep_greatest" else ""
    return parse_contract(
        f"""
        name = "box"
        topic = "lab/+"
        [table]
        name = "box"
        key = ["id", "ts"]
        on_conflict = "{policy}"
        {greatest}
        [columns.id]
        type = "text"
        max_length = 8
        required = true
        [columns.ts]
        type = "timestamp"
        formats = ["epoch_s"]
        required = true
        [columns.value]
        type = "integer"
        [columns.note]
        type = "text"
        {more}
        """.encode(),
        "box.toml",
    )


MORE = '[columns.more]\ntype = "integer"'


class Lab:
    """One device's readings in batches that are named by the second of their arrival."""

    def __init__(self, database: TelemetryDatabase) -> None:
        self.database = database
        self.stored = StoredBatches(database)
        self.keys: dict[int, str] = {}

    def stage(self, second: int, *readings: dict[str, Any]) -> str:
        """Stages a batch of one message per reading."""
        lines = [
            line({"id": "a", "ts": 1, **reading}, number, received_at=NOON + second * 1000)
            for number, reading in enumerate(readings, second * 100)
        ]
        self.keys[second] = self.stored.stage(f"b{second}", lines)
        return self.keys[second]

    def load(self, second: int, contract: Contract, purpose: str = "load", **changes: Any) -> Any:
        """Loads the batch; returns inserted, updated, unchanged, conflicts in the table."""
        entry = self.stored.load(self.keys[second], contract, purpose, **changes).entry
        return entry.inserted, entry.updated, entry.unchanged, entry.conflicts_in_table

    def rows(self, columns: str = "value, note") -> list[Any]:
        return self.database.query(f"SELECT {columns} FROM {TABLE} ORDER BY id, ts")

    def kept(self) -> list[Any]:
        return self.database.query(
            "SELECT batch_id, lost, (reading->>'value')::int FROM etl.conflicts ORDER BY 1, 2, 3"
        )

    def expire(self, second: int) -> None:
        for key in [key for key in self.stored.objects if key.startswith(f"copy/b{second}.")]:
            del self.stored.objects[key]


@pytest.fixture
def lab(empty_database: TelemetryDatabase) -> Lab:
    empty_database.migrate(contract_of())
    empty_database.migrate(contract_of(more=MORE))
    return Lab(empty_database)


def test_an_older_batch_does_not_put_an_older_value_over_a_newer_one(lab: Lab) -> None:
    lab.stage(1, {"value": 1})
    lab.stage(2, {"value": 2})
    assert lab.load(2, contract_of()) == (1, 0, 0, 0)
    assert lab.load(1, contract_of()) == (0, 0, 0, 1)
    assert lab.rows() == [(2, None)]
    assert lab.kept() == [("b1", "reading", 1)]


def test_the_first_reading_is_the_row_although_it_is_loaded_last(lab: Lab) -> None:
    lab.stage(1, {"value": 1})
    lab.stage(2, {"value": 2})
    lab.load(2, contract_of("keep_first"))
    assert lab.load(1, contract_of("keep_first")) == (0, 1, 0, 0)
    assert lab.rows() == [(1, None)]
    assert lab.kept() == [("b1", "row", 2)]


def test_of_equally_great_ones_the_first_is_the_row(lab: Lab) -> None:
    lab.stage(1, {"value": 1, "note": "first"})
    lab.stage(2, {"value": 1, "note": "second"})
    lab.load(2, contract_of("keep_greatest"))
    assert lab.load(1, contract_of("keep_greatest")) == (0, 1, 0, 0)
    assert lab.rows() == [(1, "first")]


def test_each_column_has_its_first_value(lab: Lab) -> None:
    filling = contract_of("fill_missing")
    lab.stage(1, {"value": 1}, {"note": "late in its batch"})
    lab.stage(2, {"value": 2, "note": "x"})
    lab.load(2, filling)
    lab.load(1, filling)
    assert lab.rows() == [(1, "late in its batch")]
    assert lab.kept() == [("b1", "row", 2)]


def test_a_value_of_a_later_reading_of_the_batch_keeps_its_own_place(lab: Lab) -> None:
    """The batch's row is of two readings: one before the other batch, one after it."""
    filling = contract_of("fill_missing")
    early, late = (
        line({"id": "a", "ts": 1, **reading}, number, received_at=NOON + number * 1000)
        for number, reading in ((1, {"value": 1}), (3, {"note": "third"}))
    )
    lab.keys[1] = lab.stored.stage("b1", [early, late])
    lab.stage(2, {"value": 2, "note": "second"})
    lab.load(1, filling)
    assert lab.load(2, filling) == (0, 1, 0, 0)
    assert lab.rows() == [(1, "second")]
    assert lab.kept() == [("b2", "reading", 2), ("b2", "row", 1)]


@pytest.mark.parametrize("policy", ["keep_first", "keep_last", "keep_greatest", "fill_missing"])
def test_a_replay_knows_the_rows_that_the_batch_brought_itself(lab: Lab, policy: str) -> None:
    lab.stage(1, {"value": 1, "more": 5})
    lab.load(1, contract_of(policy))
    newer = contract_of(policy, MORE)
    assert lab.load(1, newer, "replay") == (0, 1, 0, 0)
    assert lab.rows("value, more") == [(1, 5)]
    assert lab.kept() == []


def test_a_replay_does_not_replace_what_another_batch_brought(lab: Lab) -> None:
    lab.stage(1, {"value": 1, "more": 5})
    lab.stage(2, {"value": 2})
    lab.load(1, contract_of("keep_first"))
    lab.load(2, contract_of("keep_first"))
    assert lab.load(2, contract_of("keep_first", MORE), "replay") == (0, 0, 0, 1)
    assert lab.rows("value, more") == [(1, None)]
    assert lab.load(1, contract_of("keep_first", MORE), "replay") == (0, 1, 0, 0)
    assert lab.rows("value, more") == [(1, 5)]
    assert lab.kept() == [("b2", "reading", 2)] * 2  # with and without the new column


def test_a_value_that_a_replay_replaces_is_kept_although_the_row_is_of_several_readings(
    lab: Lab,
) -> None:
    lab.stage(1, {"value": 1, "more": 2})
    lab.stage(2, {"note": "x", "more": 1})
    newer = contract_of("fill_missing", MORE)
    lab.load(1, contract_of("fill_missing"))
    lab.load(2, newer)
    assert lab.rows("value, note, more") == [(1, "x", 1)]
    assert lab.load(1, newer, "replay") == (0, 1, 0, 0)
    assert lab.rows("value, note, more") == [(1, "x", 2)]
    assert lab.database.query("SELECT (reading->>'more')::int FROM etl.conflicts") == [(1,)]


STAMP = '[columns.stamp]\ntype = "bigint"\nfrom = "$received_at"'


@pytest.mark.parametrize(
    ("policy", "own", "other"),
    [("keep_first", 1, 2), ("keep_last", 2, 1), ("keep_greatest", 1, 2)],
)
def test_a_repeat_of_the_former_version_is_kept_where_the_newer_one_differs(
    lab: Lab, policy: str, own: int, other: int
) -> None:
    """They repeated each other although they were stamped at different times."""
    older, newer = contract_of(policy, STAMP), contract_of(policy, f"{MORE}\n{STAMP}")
    lab.database.migrate(newer)
    lab.stage(own, {"value": 1, "more": 5})
    lab.stage(other, {"value": 1})
    for second in (1, 2):
        lab.load(second, older)
    assert lab.kept() == []
    assert lab.load(own, newer, "replay") == (0, 1, 0, 0)
    assert lab.rows("value, more") == [(1, 5)]
    assert lab.kept() == [(f"b{own}", "row", 1)]


def repaired(lab: Lab, second: int, contract: Contract) -> None:
    """Loads a loaded batch again, to put its rows back."""
    transform = lab.stored.transform
    lab.stored.transform = lambda *asked: replace(transform(*asked), purpose="repair")  # type: ignore[method-assign]
    lab.load(second, contract)


DAMAGES = {
    "a row is gone": f"DELETE FROM {TABLE} WHERE value IN (2, 3)",
    "a value was changed": f"UPDATE {TABLE} SET value = 9",
    "a column was dropped": f"UPDATE {TABLE} SET note = NULL",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("policy", ["keep_first", "keep_last", "keep_greatest", "fill_missing"])
def test_a_repair_puts_back_what_the_readings_say(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, policy: str, damage: str
) -> None:
    contract = contract_of(policy)
    lab.stage(1, {"value": 1, "note": "x"}, {"ts": 2, "value": 3, "note": "y"})
    lab.stage(2, {"value": 2, "note": "z"})
    lab.load(1, contract)
    lab.load(2, contract)
    rows, kept = lab.rows(), lab.kept()
    lab.database.query(damage)
    assert lab.rows() != rows
    monkeypatch.setattr(loading, "is_settled", lambda _entry, _batch: False)
    repaired(lab, 1, contract)
    assert lab.rows() == rows
    assert {one[2] for one in lab.kept()} == {one[2] for one in kept}


def test_nothing_is_read_where_no_key_is_disputed(lab: Lab) -> None:
    lab.stage(1, {"value": 1}, {"ts": 2, "value": 1})
    lab.stage(2, {"value": 1}, {"ts": 3, "value": 1})
    lab.load(2, contract_of())
    assert lab.load(1, contract_of()) == (1, 0, 1, 0)
    assert lab.stored.opened == []


def test_nothing_is_read_where_batches_are_loaded_in_their_order(lab: Lab) -> None:
    lab.stage(1, {"value": 1})
    lab.stage(2, {"value": 2})
    lab.load(1, contract_of())
    assert lab.load(2, contract_of()) == (0, 1, 0, 0)
    assert lab.stored.opened == []
    assert lab.kept() == [("b2", "row", 1)]


def test_many_replaced_rows_are_as_many_conflicts(lab: Lab) -> None:
    """The key is too small: which of the readings was loaded first makes no difference."""
    for second in (1, 2):
        lab.stage(second, *({"ts": n, "value": second} for n in range(30)))
    lab.load(2, contract_of("keep_first"))
    loaded = lab.stored.load(lab.keys[1], contract_of("keep_first"))
    assert loaded.entry.status == "quarantined"
    assert loaded.finding is not None
    assert lab.rows() == [(2, None)] * 30


@pytest.mark.parametrize(
    ("policy", "value"), [("keep_first", 1), ("keep_last", 2), ("fill_missing", 1)]
)
def test_the_ledger_has_the_order_of_batches_whose_objects_have_expired(
    lab: Lab, policy: str, value: int
) -> None:
    contract = contract_of(policy)
    lab.stage(1, {"value": 1})
    lab.stage(2, {"value": 2})
    lab.load(2, contract)
    lab.expire(2)
    lab.load(1, contract)
    assert lab.rows() == [(value, None)]
    assert len(lab.kept()) == 1


def test_a_replay_beside_an_expired_batch_knows_its_own_rows(lab: Lab) -> None:
    lab.stage(1, {"value": 1, "more": 5}, {"ts": 2, "value": 1, "more": 6})
    lab.stage(2, {"ts": 0, "value": 2}, {"value": 2}, {"ts": 3, "value": 2})
    lab.load(1, contract_of())
    lab.load(2, contract_of())
    lab.expire(2)
    lab.load(1, contract_of(more=MORE), "replay")
    # The first key has had a conflict, and the other batch arrived later; the second has not.
    assert lab.rows("ts::text, value, more")[1:3] == [
        ("1970-01-01 00:00:01+00", 2, None),
        ("1970-01-01 00:00:02+00", 1, 6),
    ]


def test_a_replay_empties_nothing_that_an_expired_batch_filled(lab: Lab) -> None:
    lab.stage(1, {"value": 1, "more": 5})
    lab.stage(2, {"note": "x"})
    lab.load(1, contract_of("fill_missing"))
    lab.load(2, contract_of("fill_missing"))
    lab.expire(2)
    assert lab.load(1, contract_of("fill_missing", MORE), "replay") == (0, 1, 0, 0)
    assert lab.rows("value, note, more") == [(1, "x", 5)]
    assert lab.kept() == []


def test_a_value_that_may_be_of_an_expired_batch_is_kept_where_a_replay_replaces_it(
    lab: Lab,
) -> None:
    newer = contract_of("fill_missing", MORE)
    lab.stage(1, {"value": 1, "more": 5})
    lab.stage(2, {"note": "x", "more": 1})
    lab.load(1, contract_of("fill_missing"))
    lab.load(2, newer)
    lab.expire(2)
    assert lab.load(1, newer, "replay") == (0, 1, 0, 0)
    assert lab.rows("value, note, more") == [(1, "x", 5)]
    assert lab.database.query("SELECT (reading->>'more')::int FROM etl.conflicts") == [(1,)]


@pytest.mark.parametrize("lines", [b"", b"damaged"], ids=["cut off", "altered"])
def test_a_damaged_object_of_another_batch_fails_no_load(lab: Lab, lines: bytes) -> None:
    lab.stage(1, {"value": 1})
    lab.stage(2, {"value": 2})
    lab.load(2, contract_of())
    [key] = [key for key in lab.stored.objects if key.startswith("copy/b2.") and "csv" in key]
    lab.stored.objects[key] = lines + lab.stored.objects[key][8:]
    assert lab.load(1, contract_of()) == (0, 0, 0, 1)
    assert lab.rows() == [(2, None)]


def test_a_failure_of_storage_is_raised_and_nothing_is_loaded(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.stage(1, {"value": 1})
    lab.stage(2, {"value": 2})
    lab.load(2, contract_of())

    def fails(*_args: Any, **_options: Any) -> Any:
        raise StorageUnavailableError("throttled")

    monkeypatch.setattr(arrival_order.StoredBatch, "footer", fails)
    with pytest.raises(StorageUnavailableError):
        lab.load(1, contract_of())
    assert lab.rows() == [(2, None)]
    assert list(lab.database.ledger()) == ["b2"]


def test_a_value_that_the_table_refuses_by_now_fails_no_load(lab: Lab) -> None:
    lab.stage(1, {"value": 1, "note": "old"})
    lab.stage(2, {"value": 2, "note": "new"})
    lab.stage(3, {"value": 3, "note": "new"})
    lab.load(1, contract_of("keep_first"))
    lab.database.query(f"DELETE FROM {TABLE}")
    lab.database.query(f"ALTER TABLE {TABLE} ADD CHECK (note <> 'old')")
    lab.load(3, contract_of("keep_first"))
    assert lab.load(2, contract_of("keep_first"))[0] == 0
    assert lab.rows() == [(3, "new")]


def test_what_came_before_there_were_arrivals_is_older_than_all_since(lab: Lab) -> None:
    lab.stage(1, {"value": 1})
    lab.stage(2, {"value": 2})
    lab.load(2, contract_of(), first_received_at=None, last_received_at=None)
    assert lab.load(1, contract_of()) == (0, 1, 0, 0)
    assert lab.rows() == [(1, None)]


@pytest.mark.parametrize(("policy", "value"), [("keep_first", 0), ("keep_last", 39)])
def test_loads_at_once_end_as_one_after_the_other(lab: Lab, policy: str, value: int) -> None:
    contract = contract_of(policy)
    batches = range(4)
    for batch in batches:  # each has readings between those of the others
        lines = [
            line(
                {"id": "a", "ts": ts, "value": second},
                1000 * second + ts,
                received_at=NOON + second * 1000,
            )
            for second in range(batch, 40, 4)
            for ts in range(15)
        ]
        lab.keys[batch] = lab.stored.stage(f"b{batch}", lines)
        lab.stored.transform(lab.keys[batch], contract)
    start = threading.Barrier(len(batches))
    errors: list[Exception] = []

    def load(batch: int) -> None:
        with closing(lab.database.connect_loader()) as connection:
            start.wait(60)
            try:
                lab.stored.load(lab.keys[batch], contract, "release", connection)
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=load, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert lab.rows() == [(value, None)] * 15
    sums = lab.database.query("SELECT sum(accepted), sum(inserted) FROM etl.ledger")
    assert sums == [(60, 15)]
    lost = {one[2] for one in lab.kept()}
    assert lost == ({1, 2, 3} if policy == "keep_first" else {36, 37, 38})
