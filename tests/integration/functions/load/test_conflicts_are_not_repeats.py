"""Readings whose key is in the table: equal ones are counted, different ones are kept."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from psycopg2 import errors

from functions.load.loading import Loaded, load_batch
from telemetry.contract import Checks, Source
from telemetry.ddl.service import CONFLICTS
from tests.fixtures.telemetry_database import (
    CONTRACT,
    KEEP_LAST,
    MemoryCopy,
    TelemetryDatabase,
    make_batch,
    make_copy,
)

GREATEST = replace(CONTRACT, on_conflict="keep_greatest", greatest="value")
FILLING = replace(CONTRACT, on_conflict="fill_missing")
OLD = [("a", 1, 1.0, "x"), ("a", 2, 2.0, None), ("b", 1, 3.0, "z")]
MANY = [("a", second, 1.0, "x") for second in range(40)]


def load(
    database: TelemetryDatabase,
    batch_id: str,
    rows: Any,
    contract: Any = CONTRACT,
    *,
    grouped: bool = True,
    **batch: Any,
) -> Loaded:
    content, groups = make_copy(rows)
    with closing(database.connect_loader()) as connection:
        return load_batch(
            connection,
            contract,
            make_batch(batch_id, len(rows), **batch),
            MemoryCopy(content),
            lambda: groups if grouped else [],
        )


def counts(loaded: Loaded) -> tuple[int, int, int, int]:
    entry = loaded.entry
    return entry.inserted, entry.updated, entry.unchanged, entry.conflicts_in_table


def kept(database: TelemetryDatabase) -> list[tuple[Any, ...]]:
    return database.query(
        "SELECT batch_id, lost, key->>'device_id', (reading->>'value')::float8, reading->>'note' "
        f"FROM {CONFLICTS} ORDER BY 1, 2, 3, 4"
    )


GROUPED = pytest.mark.parametrize("grouped", [True, False], ids=["by blocks", "staged"])
PARTITIONS = pytest.mark.parametrize("partition", ["none", "month"])


@GROUPED
@PARTITIONS
@pytest.mark.parametrize(
    ("contract", "expected", "note", "lost"),
    [
        (CONTRACT, (1, 0, 1, 1), "z", ("reading", "b", 9.0, "new")),
        (KEEP_LAST, (1, 1, 1, 0), "new", ("row", "b", 3.0, "z")),
        (GREATEST, (1, 1, 1, 0), "new", ("row", "b", 3.0, "z")),
        (FILLING, (1, 0, 1, 1), "z", ("reading", "b", 9.0, "new")),
    ],
    ids=lambda value: getattr(value, "on_conflict", None),
)
def test_an_equal_reading_is_counted_and_what_lost_of_two_different_ones_is_kept(
    empty_database, contract, expected, note, lost, grouped, partition
):
    contract = replace(contract, partition=partition)
    empty_database.migrate(contract)
    load(empty_database, "one", OLD, contract)
    rows = [OLD[1], ("b", 1, 9.0, "new"), ("c", 1, 1.0, None)]
    loaded = load(empty_database, "two", rows, contract, grouped=grouped)
    assert counts(loaded) == expected
    assert empty_database.rows()[2][3] == note
    assert kept(empty_database) == [("two", *lost)]


@GROUPED
def test_the_smaller_of_two_is_kept_as_well(database, grouped):
    load(database, "one", OLD)
    assert counts(load(database, "two", [("b", 1, 2.0, "new")], GREATEST, grouped=grouped)) == (
        (0, 0, 0, 1)
    )
    assert kept(database) == [("two", "reading", "b", 2.0, "new")]


@GROUPED
def test_filling_a_gap_is_no_conflict_and_contradicting_is_one(database, grouped):
    load(database, "one", [("a", 1, 1.0, None), ("b", 1, None, None), ("c", 1, 1.0, None)])
    rows = [("a", 1, 2.0, "y"), ("b", 1, 5.0, None), ("c", 1, None, None)]
    loaded = load(database, "two", rows, FILLING, grouped=grouped)
    assert counts(loaded) == (0, 2, 1, 0)
    assert kept(database) == [("two", "reading", "a", 2.0, "y")]
    assert database.rows()[0] == ("a", 1, 1.0, "y")


@GROUPED
@pytest.mark.parametrize("contract", [CONTRACT, KEEP_LAST], ids=lambda c: c.on_conflict)
def test_what_is_stamped_at_arrival_makes_no_conflict(database, contract, grouped):
    columns = tuple(
        replace(c, sources=(Source("envelope", ("message_id",)),)) if c.name == "note" else c
        for c in contract.columns
    )
    contract = replace(contract, columns=columns)
    load(database, "one", [("a", 1, 1.0, "m1")], contract)
    loaded = load(database, "two", [("a", 1, 1.0, "m2")], contract, grouped=grouped)
    assert loaded.entry.conflicts_in_table == 0
    assert kept(database) == []


def test_loading_a_batch_again_keeps_its_conflicts_once(database):
    load(database, "one", OLD)
    for digest in ("one", "other", "third"):
        load(database, "two", [("b", 1, 9.0, "new")], purpose="replay", contract_digest=digest)
    assert kept(database) == [("two", "reading", "b", 9.0, "new")]


def test_a_trigger_that_changes_values_makes_no_conflict_of_a_new_row(database):
    database.query(
        "CREATE FUNCTION telemetry.change() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.value := 0; RETURN NEW; END'"
    )
    database.query(
        "CREATE TRIGGER changer BEFORE INSERT ON telemetry.readings FOR EACH ROW "
        "EXECUTE FUNCTION telemetry.change()"
    )
    load(database, "one", OLD[:1])
    loaded = load(database, "two", OLD, grouped=False)
    assert counts(loaded) == (2, 0, 0, 1)


@GROUPED
def test_too_many_conflicts_load_nothing_and_quarantine_the_batch(database, grouped):
    load(database, "one", MANY)
    rows = [("a", s, 2.0 if s < 10 else 1.0, "x") for s in range(40)] + [("b", 1, 1.0, None)]
    loaded = load(database, "two", rows, grouped=grouped)
    assert loaded.entry.status == "quarantined"
    assert counts(loaded) == (0, 0, 0, 0)
    assert loaded.finding.check == "conflict_share_in_table"
    assert "24.4% of 41 readings" in loaded.finding.sentence
    assert len(database.rows()) == 40
    assert kept(database) == []
    assert database.ledger()["two"]["status"] == "quarantined"
    released = load(database, "two", rows, grouped=grouped, purpose="release")
    assert counts(released) == (1, 0, 30, 10)
    assert len(kept(database)) == 10


def test_a_contract_may_allow_any_number_of_conflicts(database):
    contract = replace(CONTRACT, checks=Checks(conflict_share=1.0))
    load(database, "one", MANY)
    loaded = load(database, "two", [("a", s, 2.0, "x") for s in range(40)], contract)
    assert counts(loaded) == (0, 0, 0, 40)


def test_a_ledger_of_before_counts_no_conflicts(database):
    database.query(
        "ALTER TABLE etl.ledger DROP COLUMN conflicts CASCADE, "
        "DROP COLUMN conflicts_in_table CASCADE"
    )
    database.query("DROP TABLE etl.conflicts")
    database.migrate()
    load(database, "one", OLD)
    assert database.query("SELECT conflicts, conflicts_in_table FROM etl.ledger") == [(0, 0)]
    with pytest.raises(errors.CheckViolation):
        database.query("UPDATE etl.ledger SET conflicts_in_table = 1")


@pytest.mark.parametrize("statement", ["DELETE FROM", "TRUNCATE", "UPDATE"])
def test_the_loader_only_adds_conflicts(database, statement):
    change = f"{statement} {CONFLICTS}" + (" SET lost = 'row'" if statement == "UPDATE" else "")
    with closing(database.connect_loader()) as connection, connection.cursor() as cursor:
        with pytest.raises(errors.InsufficientPrivilege):
            cursor.execute(change)
