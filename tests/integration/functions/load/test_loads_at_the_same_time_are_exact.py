"""The same batch twice at once, and batches that share rows: exact counts, no deadlock."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from functions.load import rows as ways
from functions.load.loading import load_batch
from telemetry.ddl import load_lock
from tests.fixtures.telemetry_database import (
    CONTRACT,
    KEEP_LAST,
    MemoryCopy,
    TelemetryDatabase,
    make_batch,
    make_copy,
)

THREADS = 4
LOCK = load_lock(CONTRACT)


def load_all(database: TelemetryDatabase, batches, contract=CONTRACT, grouped=True):
    """Loads (batch id, rows) all at the same moment; raises what any of them raised."""
    start = threading.Barrier(len(batches))

    def one(batch):
        batch_id, rows = batch
        content, groups = make_copy(rows)
        with closing(database.connect_loader()) as connection:
            start.wait(120)
            return load_batch(
                connection,
                contract,
                make_batch(batch_id, len(rows)),
                MemoryCopy(content),
                lambda: groups if grouped else [],
                seconds=240,
            )

    with ThreadPoolExecutor(len(batches)) as threads:
        return list(threads.map(one, batches))


@pytest.mark.parametrize("attempt", range(5))
def test_the_same_batch_at_the_same_time_is_loaded_once(database, attempt):
    rows = [(f"d{device}", second, 1.0, None) for device in range(20) for second in range(20)]
    loaded = load_all(database, [("one", rows)] * THREADS)
    assert sorted(result.repeated for result in loaded) == [False] + [True] * (THREADS - 1)
    assert {result.entry.inserted for result in loaded} == {400}
    assert len(database.rows()) == 400


@pytest.mark.parametrize("grouped", [True, False], ids=["straight", "staged"])
@pytest.mark.parametrize("attempt", range(3))
def test_the_same_rows_in_different_batches_are_inserted_once(database, attempt, grouped):
    rows = [(f"d{device}", second, 1.0, None) for device in range(20) for second in range(20)]
    batches = [(f"b{number}", rows) for number in range(THREADS)]
    loaded = load_all(database, batches, grouped=grouped)
    assert sum(result.entry.inserted for result in loaded) == 400
    assert sum(result.entry.unchanged for result in loaded) == 400 * (THREADS - 1)
    assert len(database.rows()) == 400


def some_rows(chance: random.Random, number: int):
    """Late rows of some devices and new ones of others, the newer the higher the number."""
    return [
        (f"d{device:02d}", second, float(second), None)
        for device in chance.sample(range(12), 8)
        for second in chance.sample(range(number * chance.choice([0, 10]), number * 10 + 20), 15)
    ]


@pytest.mark.parametrize("contract", [CONTRACT, KEEP_LAST], ids=lambda c: c.on_conflict)
@pytest.mark.parametrize("seed", range(6))
def test_overlapping_batches_of_all_ways_add_up_without_deadlock(database, contract, seed):
    chance = random.Random(seed)
    expected = set()
    for number in range(4):
        batches = [(f"{number}-{i}", some_rows(chance, number)) for i in range(THREADS)]
        before = len(expected)
        expected |= {row[:2] for _, rows in batches for row in rows}
        loaded = load_all(database, batches, contract, grouped=chance.random() < 0.8)
        assert sum(result.entry.inserted for result in loaded) == len(expected) - before
        # The value follows from the key, so that nothing ever differs.
        assert sum(result.entry.updated for result in loaded) == 0
    assert {row[:2] for row in database.rows()} == expected
    assert len(database.ledger()) == 4 * THREADS


def test_keep_last_under_contention_counts_each_row_once(database):
    keys = [(f"d{device}", second) for device in range(10) for second in range(10)]
    batches = [
        (f"b{number}", [(*key, float(number), None) for key in keys]) for number in range(THREADS)
    ]
    loaded = load_all(database, batches, KEEP_LAST)
    assert sum(result.entry.inserted for result in loaded) == 100
    assert sum(result.entry.updated for result in loaded) == 100 * (THREADS - 1)
    assert len({row[2] for row in database.rows()}) == 1  # one batch's values, not a mixture


def test_two_loads_that_go_both_ways_can_not_block_one_another(database, monkeypatch):
    # A group that spans far more rows than it has is staged, whoever else brings one of its rows.
    there = [(device, second, 1.0, None) for device in "ab" for second in range(10, 50)]
    load_all(database, [("zero", there)])
    meeting = threading.Barrier(2)
    copy_straight = ways._Insertion._copy_straight

    def copy_and_wait_for_the_other(self, ranges):
        copied = copy_straight(self, ranges)
        with suppress(threading.BrokenBarrierError):
            meeting.wait(2)
        return copied

    monkeypatch.setattr(ways._Insertion, "_copy_straight", copy_and_wait_for_the_other)
    # What one load copies straight, the other one merges after what it copies straight itself.
    first = [("a", 1, 1.0, None), ("a", 59, 1.0, None), ("b", 1, 1.0, None)]
    second = [("a", 1, 1.0, None), ("b", 1, 1.0, None), ("b", 59, 1.0, None)]
    loaded = load_all(database, [("one", first), ("two", second)])
    assert sum(result.entry.inserted for result in loaded) == 4
    assert sum(result.entry.unchanged for result in loaded) == 2
    assert len(database.rows()) == 84


@pytest.mark.parametrize(("partition", "together"), [("none", True), ("month", False)])
def test_loads_of_a_partitioned_table_that_update_rows_run_one_at_a_time(
    empty_database, monkeypatch, partition, together
):
    """Both find none of their rows in the table, so both take the straight path; the second meets
    the rows of the first, and merges them. A merge of a partitioned table passes through the keys
    twice, so two at once could deadlock."""
    contract = replace(KEEP_LAST, partition=partition)
    empty_database.migrate(contract)
    asked, meeting, met = threading.Barrier(2), threading.Barrier(2), []
    lock_table, copy_straight = ways._Insertion._lock_table, ways._Insertion._copy_straight

    def lock_after_both_have_asked(self, **kind):
        asked.wait(120)
        lock_table(self, **kind)

    def copy_beside_the_other(self, blocks):
        with suppress(threading.BrokenBarrierError):
            meeting.wait(120 if together else 1)
            met.append(True)
        return copy_straight(self, blocks)

    monkeypatch.setattr(ways._Insertion, "_lock_table", lock_after_both_have_asked)
    monkeypatch.setattr(ways._Insertion, "_copy_straight", copy_beside_the_other)
    keys = [(f"d{device}", second) for device in range(3) for second in range(5)]
    batches = [(f"b{number}", [(*key, float(number), None) for key in keys]) for number in (1, 2)]
    loaded = load_all(empty_database, batches, contract)
    assert met == ([True, True] if together else [])
    assert sorted((r.entry.inserted, r.entry.updated) for r in loaded) == [(0, 15), (15, 0)]
    assert len({row[2] for row in empty_database.rows()}) == 1


@pytest.mark.parametrize("policy", ["keep_greatest", "fill_missing"])
@pytest.mark.parametrize("partition", ["none", "month"])
def test_many_threads_with_overlapping_batches_end_at_the_same_table(
    empty_database, policy, partition
):
    """Each value is of one reading alone, so whatever order the loads took, one table is right."""
    contract = replace(
        CONTRACT,
        on_conflict=policy,
        greatest="value" if policy == "keep_greatest" else None,
        partition=partition,
        checks=replace(CONTRACT.checks, conflict_share=1.0),  # most readings conflict here
    )
    empty_database.migrate(contract)
    chance = random.Random(policy)
    keys = [(f"d{device}", second) for device in range(8) for second in range(12)]
    batches, wanted = [], {}
    for number in range(24):
        rows = []
        for key in chance.sample(keys, 40):
            if policy == "keep_greatest":
                value, note = number + chance.random(), f"of {number}"
                if key not in wanted or value > wanted[key][0]:
                    wanted[key] = (value, note)
            else:
                value = float(key[1]) if chance.random() < 0.5 else None
                note = key[0] if chance.random() < 0.5 else None
                old = wanted.get(key, (None, None))
                wanted[key] = (value if old[0] is None else old[0], note or old[1])
            rows.append((*key, value, note))
        batches.append((f"b{number}", rows))
    chance.shuffle(batches)
    loaded = [
        result
        for start in range(0, 24, 8)
        for result in load_all(empty_database, batches[start : start + 8], contract)
    ]
    assert {row[:2]: row[2:] for row in empty_database.rows()} == wanted
    assert sum(result.entry.inserted for result in loaded) == len(wanted)
    assert all(result.entry.accepted == 40 for result in loaded)


def test_a_load_leaves_nothing_in_a_session_that_others_will_use(database):
    with closing(database.connect_loader()) as connection, connection.cursor() as cursor:
        # plpgsql's own appear with the first function in that language, and are of no session.
        state = (
            "SELECT name, setting FROM pg_settings "
            "WHERE name <> 'transaction_isolation' AND name NOT LIKE 'plpgsql.%'"
        )
        cursor.execute(state)
        before = cursor.fetchall()
        connection.rollback()
        for number, grouped in enumerate((True, False)):
            content, groups = make_copy([("a", number, 1.0, None), ("b", 1, 1.0, None)])
            load_batch(
                connection,
                KEEP_LAST,
                make_batch(f"b{number}", 2),
                MemoryCopy(content),
                lambda groups=groups, grouped=grouped: groups if grouped else [],
            )
        cursor.execute(state)
        assert cursor.fetchall() == before
        cursor.execute("SELECT coalesce(current_setting('telemetry.marks', true), '')")
        assert cursor.fetchone() == ("",)
        cursor.execute("SELECT count(*) FROM pg_locks WHERE relation = %s::regclass", (LOCK,))
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT count(*) FROM pg_class WHERE relpersistence = 't'")
        assert cursor.fetchone() == (0,)
