"""Edges of a load: ties, values that are missing, rows that something drops, and the ledger's row."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import Any

import pytest

from functions.load import loading
from functions.load.loading import Loaded, load_batch
from telemetry.ddl import load_lock
from telemetry.errors import DatabaseBusyError, DatabaseRefusedError
from tests.fixtures.telemetry_database import (
    CONTRACT,
    KEEP_LAST,
    MemoryCopy,
    TelemetryDatabase,
    make_batch,
    make_copy,
    timestamp,
)

GREATEST = replace(CONTRACT, on_conflict="keep_greatest", greatest="value")
FILLING = replace(CONTRACT, on_conflict="fill_missing")
MONTHLY = replace(CONTRACT, partition="month")
OLD = [("a", 1, 1.5, "x"), ("a", 3, 2.5, None), ("b", 1, None, "")]


@pytest.fixture
def load(empty_database: TelemetryDatabase) -> Callable[..., Loaded]:
    """Loads rows, or the given lines of a COPY object, as a batch."""

    def run(
        batch_id: str,
        rows: Any,
        *,
        contract: Any = CONTRACT,
        grouped: bool = True,
        lines: list[str] | None = None,
        seconds: float = 240,
        groups: Any = None,
        copy: MemoryCopy | None = None,
        **batch: Any,
    ) -> Loaded:
        content, made = make_copy(rows)
        if lines is not None:
            content, made = "".join(lines).encode(), []
        with closing(empty_database.connect_loader()) as connection:
            return load_batch(
                connection,
                contract,
                make_batch(batch_id, len(lines if lines is not None else rows), **batch),
                copy or MemoryCopy(content),
                (lambda: groups(connection)) if groups else lambda: made if grouped else [],
                seconds=seconds,
            )

    return run


@pytest.fixture
def table(empty_database: TelemetryDatabase) -> TelemetryDatabase:
    empty_database.migrate()
    return empty_database


def counts(loaded: Loaded) -> tuple[int, int, int, int]:
    entry = loaded.entry
    return entry.inserted, entry.updated, entry.unchanged, entry.conflicts_in_table


@pytest.mark.parametrize("grouped", [True, False])
def test_of_two_that_are_equally_great_the_first_stays(table, load, grouped):
    load("one", [("a", 1, 5.0, "first")])
    again = load("two", [("a", 1, 5.0, "second")], contract=GREATEST, grouped=grouped)
    assert counts(again) == (0, 0, 0, 1)
    assert table.rows() == [("a", 1, 5.0, "first")]


def test_no_value_is_smaller_than_any(table, load):
    load("one", [("a", 1, None, "without")])
    assert counts(load("two", [("a", 1, -1.0, "with")], contract=GREATEST)) == (0, 1, 0, 0)
    assert counts(load("three", [("a", 1, None, "none")], contract=GREATEST)) == (0, 0, 0, 1)
    assert table.rows() == [("a", 1, -1.0, "with")]


def test_a_batch_without_the_column_that_decides_changes_no_row(table, load):
    load("one", OLD)
    lines = [f'"a",{timestamp(1)},"other"\n', f'"c",{timestamp(1)},"new"\n']
    columns = ("device_id", "ts", "note")
    loaded = load("two", [], lines=lines, contract=GREATEST, columns=columns)
    assert counts(loaded) == (1, 0, 0, 1)
    assert table.rows() == [*OLD, ("c", 1, None, "new")]


def test_a_batch_of_keys_alone_changes_no_row(table, load):
    load("one", OLD)
    lines = [f'"a",{timestamp(1)}\n', f'"c",{timestamp(1)}\n']
    loaded = load("two", [], lines=lines, contract=KEEP_LAST, columns=("device_id", "ts"))
    assert counts(loaded) == (1, 0, 1, 0)
    assert table.rows() == [*OLD, ("c", 1, None, None)]


def test_one_missing_value_is_filled_and_the_one_that_is_there_stays(table, load):
    load("one", [("a", 1, 1.0, None)])
    assert counts(load("two", [("a", 1, 2.0, "now")], contract=FILLING)) == (0, 1, 0, 0)
    assert counts(load("three", [("a", 1, 3.0, "later")], contract=FILLING)) == (0, 0, 0, 1)
    assert table.rows() == [("a", 1, 1.0, "now")]


class CountingCopy(MemoryCopy):
    """Counts how often it is read from the start."""

    opened = 0

    def open(self, ranges):
        self.opened += 1
        return super().open(ranges)


def test_existing_rows_at_both_ends_of_a_span_are_found_before_the_copy(table, load):
    load("one", OLD)
    rows = [("a", second, 1.0, None) for second in (1, 2, 3)]
    copy = CountingCopy(make_copy(rows)[0])
    assert counts(load("two", rows, copy=copy)) == (1, 0, 0, 2)
    assert copy.opened == 2  # existing lines, new lines: a COPY that met one would begin again


def test_groups_are_of_no_use_where_the_key_does_not_end_with_a_time(table, load):
    contract = replace(CONTRACT, key=("ts", "device_id"))
    assert counts(load("one", OLD, contract=contract)) == (3, 0, 0, 0)
    assert counts(load("two", OLD, contract=contract)) == (0, 0, 3, 0)


@pytest.mark.parametrize("contract", [CONTRACT, KEEP_LAST], ids=lambda c: c.on_conflict)
def test_lines_are_distinguished_whatever_stands_in_their_texts(table, load, contract):
    devices = ['a,"', "b\nc", 'd""e"', "f,2026-11-23T06:00:01.000000+00:00"]
    note = 'one " and\n,"two'
    old = [(device, second, 1.0, note) for device in devices for second in (1, 4)]
    load("one", old)
    new = [(device, second, 1.0, note) for device in devices for second in (1, 2, 3, 4, 5)]
    copy = CountingCopy(make_copy(new)[0])
    assert counts(load("two", new, contract=contract, copy=copy)) == (12, 0, 8, 0)
    assert copy.opened == 2  # each row went where it belongs
    assert len(table.rows()) == 20


def test_rows_that_a_trigger_of_one_partition_drops_are_noticed(empty_database, load):
    empty_database.migrate(MONTHLY)
    load("one", OLD[:1], contract=MONTHLY)
    ((partition,),) = empty_database.query(
        "SELECT tableoid::regclass::text FROM telemetry.readings LIMIT 1"
    )
    empty_database.query(
        "CREATE FUNCTION telemetry.drop_row() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RETURN NULL; END'"
    )
    empty_database.query(
        f"CREATE TRIGGER dropper BEFORE INSERT ON {partition} FOR EACH ROW "
        "EXECUTE FUNCTION telemetry.drop_row()"
    )
    with pytest.raises(DatabaseRefusedError, match="trigger"):
        load("two", OLD, contract=MONTHLY, grouped=False)
    assert empty_database.rows() == OLD[:1]


def test_rows_that_a_policy_hides_are_not_taken_for_loaded(table, load):
    load("one", OLD)
    table.query("ALTER TABLE telemetry.readings ENABLE ROW LEVEL SECURITY")
    table.query("CREATE POLICY taken ON telemetry.readings FOR INSERT WITH CHECK (true)")
    table.query(
        "CREATE POLICY shown ON telemetry.readings FOR SELECT USING "
        "(device_id = 'a' OR current_query() LIKE 'INSERT%')"
    )
    with pytest.raises(DatabaseRefusedError, match="row-level security"):
        load("two", OLD, grouped=False)
    assert set(table.ledger()) == {"one"}


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(10, ("9s", "4500ms")), (0, ("1s", "500ms")), (9999, ("4min", "2min"))],
)
def test_the_server_gives_up_before_the_function_ends(table, load, seconds, expected, monkeypatch):
    found = []
    # Noted in the same request, and lifted at once: a busy machine would meet one of a second.
    prepare = f"""{loading._PREPARE}
        CREATE TEMPORARY TABLE limits ON COMMIT DROP AS
        SELECT current_setting('statement_timeout') AS statement,
               current_setting('lock_timeout') AS lock,
               current_setting('idle_in_transaction_session_timeout') AS idle;
        SET LOCAL statement_timeout = 0;
        SET LOCAL idle_in_transaction_session_timeout = 0;
        """
    monkeypatch.setattr(loading, "_PREPARE", prepare)

    def groups(connection):
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM limits")
            found.extend(cursor.fetchone())
        return []

    load("one", OLD, seconds=seconds, groups=groups)
    statement, lock = expected
    assert found == [statement, lock, statement]


def test_only_loads_of_a_loaded_batch_are_counted(table, load):
    load("one", OLD, status="quarantined")
    assert load("one", OLD, purpose="release").entry.loads == 1
    replayed = load("one", OLD, purpose="replay", contract_digest="another")
    assert (replayed.entry.loads, replayed.entry.inserted_before) == (2, 3)


def test_a_release_that_would_be_held_back_leaves_a_discarded_batch_as_it_is(table, load):
    load("one", OLD, status="discarded", purpose="discard")
    again = load("one", OLD, status="quarantined", purpose="release")
    assert (again.repeated, again.entry.status) == (True, "discarded")


def test_the_ledger_says_when_the_batch_was_loaded_last(table, load):
    load("one", OLD)
    ((before,),) = table.query("SELECT loaded_at FROM etl.ledger")
    load("one", OLD, purpose="replay", contract_digest="another")
    ((after,),) = table.query("SELECT loaded_at FROM etl.ledger")
    assert after > before


def test_a_repeated_batch_is_answered_with_what_was_written(table, load):
    rows = [*OLD, ("c", 1, 1.0, None), ("c", 2, 1.0, None), ("c", 3, 1.0, None)]
    load("zero", [("a", 1, 9.0, "x"), *rows[1:3]])
    told = {"read": 16, "duplicates": 2, "rejected": 5, "set_aside": 3, "rejected_by": {"r": 5}}
    first = load("one", rows, contract=KEEP_LAST, **told)
    assert counts(first) == (3, 1, 2, 0)
    again = load("one", rows, contract=KEEP_LAST, **told)
    assert again.repeated
    assert again.entry == first.entry


@pytest.mark.parametrize("grouped", [True, False], ids=["straight", "staged"])
@pytest.mark.parametrize(
    ("contract", "alone"),
    [(MONTHLY, False), (KEEP_LAST, False), (replace(MONTHLY, on_conflict="keep_last"), True)],
    ids=["first row of a partitioned table", "last row", "last row of a partitioned table"],
)
def test_only_a_load_that_updates_a_partitioned_table_waits_for_all_others(
    empty_database, load, contract, alone, grouped, monkeypatch
):
    empty_database.migrate(contract)
    if alone:
        # Only the wait for the lock is short: a busy client may be idle within its transaction.
        prepare = loading._PREPARE.replace("session_timeout = {statement}", "session_timeout = 0")
        monkeypatch.setattr(loading, "_PREPARE", prepare)
    with closing(empty_database.connect_loader()) as other, other.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {load_lock(contract)} IN ROW SHARE MODE")  # as each load does
        with pytest.raises(DatabaseBusyError) if alone else nullcontext():
            load("one", OLD, contract=contract, grouped=grouped, seconds=2 if alone else 240)
        other.rollback()
    assert counts(load("two", OLD, contract=contract)) == ((3, 0, 0, 0) if alone else (0, 0, 3, 0))
