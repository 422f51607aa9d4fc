"""Every way of a load: what is in the table, in the counts, in the ledger, and in the session."""

from contextlib import closing, nullcontext

import psycopg2.extensions
import pytest

from functions.load import loading
from functions.load import rows as ways
from functions.load.copy_filter import Block
from functions.load.loading import load_batch
from functions.load.statements import existing_times
from telemetry.errors import (
    BatchCorruptError,
    DatabaseBusyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    StorageUnavailableError,
)
from tests.fixtures.telemetry_database import (
    CONTRACT,
    KEEP_LAST,
    TABLE,
    MemoryCopy,
    TelemetryDatabase,
    make_batch,
    make_copy,
)

OLD = [("a", 1, 1.5, "x"), ("a", 2, 2.5, None), ("b", 1, None, "")]


@pytest.fixture
def load(database: TelemetryDatabase):
    """Loads rows as a batch; checks that the session is left without an open transaction."""

    def run(batch_id, rows, *, contract=CONTRACT, grouped=True, copy=None, **batch):
        content, groups = make_copy(rows)
        accepted = batch.pop("accepted", len(rows))
        with closing(database.connect_loader()) as connection:
            try:
                return load_batch(
                    connection,
                    contract,
                    make_batch(batch_id, accepted, **batch),
                    copy or MemoryCopy(content),
                    lambda: groups if grouped else [],
                    seconds=240,
                )
            finally:
                if not connection.closed:
                    idle = psycopg2.extensions.TRANSACTION_STATUS_IDLE
                    assert connection.info.transaction_status == idle

    return run


def counts(loaded):
    entry = loaded.entry
    return entry.inserted, entry.updated, entry.unchanged, entry.conflicts_in_table


@pytest.mark.parametrize("grouped", [True, False], ids=["straight", "staged"])
def test_new_rows_are_inserted_with_null_and_empty_text_apart(database, load, grouped):
    loaded = load("one", OLD, grouped=grouped)
    assert counts(loaded) == (3, 0, 0, 0)
    assert not loaded.repeated
    assert database.rows() == OLD
    assert database.ledger()["one"]["inserted"] == 3


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("contract", [CONTRACT, KEEP_LAST], ids=lambda c: c.on_conflict)
def test_the_same_rows_in_another_batch_change_nothing(database, load, contract, grouped):
    load("one", OLD)
    assert counts(load("two", OLD, contract=contract, grouped=grouped)) == (0, 0, 3, 0)
    assert database.rows() == OLD


def test_keep_first_leaves_a_row_that_differs(database, load):
    load("one", OLD)
    assert counts(load("two", [("a", 1, 9.0, "new"), ("c", 1, 1.0, None)])) == (1, 0, 0, 1)
    assert database.rows() == [*OLD, ("c", 1, 1.0, None)]


def test_keep_last_updates_a_row_that_differs(database, load):
    load("one", OLD)
    newer = [("a", 1, 9.0, "new"), ("a", 2, 2.5, None), ("b", 2, 0.0, None)]
    assert counts(load("two", newer, contract=KEEP_LAST)) == (1, 1, 1, 0)
    assert database.rows() == [newer[0], OLD[1], OLD[2], newer[2]]


def test_keep_last_distinguishes_null_from_a_value(database, load):
    load("one", OLD)
    assert counts(load("two", [("a", 2, 2.5, "now")], contract=KEEP_LAST)) == (0, 1, 0, 0)
    assert counts(load("three", [("a", 2, None, None)], contract=KEEP_LAST)) == (0, 1, 0, 0)
    assert counts(load("four", [("a", 2, None, None)], contract=KEEP_LAST)) == (0, 0, 1, 0)


@pytest.fixture
def copies(monkeypatch):
    """Which tables were copied into, and how many rows."""
    tables = []
    real = ways.copy_stream

    def watched(cursor, statement, stream):
        copied = real(cursor, statement, stream)
        tables.append((statement.split()[1], copied))
        return copied

    monkeypatch.setattr(ways, "copy_stream", watched)
    return tables


MIXED = [("a", 1, 7.0, "x"), ("a", 3, 3.0, 'y\n,"z'), ("b", 2, 1.0, None), ("c", 9, 1.0, None)]


def test_only_what_is_not_there_is_copied_where_the_first_row_stays(database, load, copies):
    load("one", OLD)
    copies.clear()
    assert counts(load("two", MIXED)) == (3, 0, 0, 1)
    assert copies == [("pg_temp.staging", 1), (TABLE, 3)]  # the one is compared
    assert database.rows() == [*OLD[:2], MIXED[1], OLD[2], *MIXED[2:]]


def test_rows_that_are_there_are_merged_where_the_last_row_stays(database, load, copies):
    load("one", OLD)
    copies.clear()
    assert counts(load("two", MIXED, contract=KEEP_LAST)) == (3, 1, 0, 0)
    assert copies == [("pg_temp.staging", 1), (TABLE, 3)]
    assert database.rows() == [MIXED[0], OLD[1], MIXED[1], OLD[2], *MIXED[2:]]


@pytest.mark.parametrize("contract", [CONTRACT, KEEP_LAST], ids=lambda c: c.on_conflict)
def test_a_group_that_spans_far_more_rows_than_it_has_is_staged(database, load, copies, contract):
    load("one", [("a", second, 1.0, None) for second in range(1, 59)])
    copies.clear()
    wide = [("a", 0, 2.0, None), ("a", 5, 2.0, None), ("a", 59, 2.0, None), ("b", 1, 2.0, None)]
    updated = int(contract is KEEP_LAST)
    assert counts(load("two", wide, contract=contract)) == (3, updated, 0, 1 - updated)
    assert copies == [("pg_temp.staging", 3), (TABLE, 1)]


def unaware(kept):
    """Instead of what the table was asked: nothing is known of the first ``kept`` groups."""

    def blocks(_cursor, _contract, groups):
        return [
            Block(group.range, frozenset() if place < kept else None)
            for place, group in enumerate(groups)
        ]

    return blocks


@pytest.mark.parametrize("contract", [CONTRACT, KEEP_LAST], ids=lambda c: c.on_conflict)
def test_a_straight_copy_that_meets_a_row_falls_back_to_staging(
    database, load, monkeypatch, contract
):
    load("one", OLD)
    monkeypatch.setattr(ways, "find_blocks", unaware(kept=9))
    assert counts(load("two", [*OLD, ("b", 7, 7.0, None)], contract=contract)) == (1, 0, 3, 0)
    assert database.rows() == [*OLD, ("b", 7, 7.0, None)]


def test_a_mixed_load_that_meets_a_row_falls_back_to_staging(database, load, monkeypatch):
    load("one", OLD)
    monkeypatch.setattr(ways, "find_blocks", unaware(kept=1))
    assert counts(load("two", [*OLD, ("a", 7, 7.0, None)])) == (1, 0, 3, 0)
    assert database.rows() == sorted([*OLD, ("a", 7, 7.0, None)])


def test_a_repeated_batch_is_answered_from_the_ledger(database, load):
    first = load("one", OLD)
    again = load("one", [("z", 1, 1.0, None)], accepted=77)
    assert again.repeated
    assert again.entry == first.entry
    assert database.rows() == OLD


def test_a_quarantined_batch_is_in_the_ledger_only(database, load):
    loaded = load("one", OLD, status="quarantined")
    assert (loaded.entry.status, counts(loaded)) == ("quarantined", (0, 0, 0, 0))
    assert database.rows() == []
    assert database.ledger()["one"]["accepted"] == 3
    assert load("one", OLD, status="quarantined").repeated


def test_a_quarantined_batch_with_a_better_verdict_is_loaded(database, load):
    load("one", OLD, status="quarantined")
    loaded = load("one", OLD, execution="later")
    assert (loaded.entry.status, counts(loaded), loaded.repeated) == ("loaded", (3, 0, 0, 0), False)
    assert database.ledger()["one"]["execution"] == "later"
    assert load("one", OLD, status="quarantined").entry.status == "loaded"


def test_a_batch_without_accepted_readings_is_loaded_with_nothing(database, load):
    loaded = load("one", [], read=4, rejected=4, rejected_by={"not_json": 4})
    assert loaded.entry.status == "loaded"
    assert database.query("SELECT rejected_by FROM etl.ledger") == [({"not_json": 4},)]


@pytest.mark.parametrize("accepted", [2, 4])
@pytest.mark.parametrize("grouped", [True, False])
def test_another_number_of_rows_than_reported_loads_nothing(database, load, grouped, accepted):
    with pytest.raises(BatchCorruptError, match="brought 3 rows"):
        load("one", OLD, grouped=grouped, accepted=accepted)
    assert (database.rows(), database.ledger()) == ([], {})


@pytest.mark.parametrize("grouped", [True, False])
def test_a_truncated_object_loads_nothing(database, load, grouped):
    cut = make_copy(OLD)[0].rsplit(b"\n", 2)[0] + b"\n"
    with pytest.raises(BatchCorruptError):
        load("one", OLD, grouped=grouped, copy=MemoryCopy(cut))
    assert (database.rows(), database.ledger()) == ([], {})


def test_a_malformed_row_is_refused_and_loads_nothing(database, load):
    content = make_copy(OLD)[0] + b"c,not a time,1,\n"
    with pytest.raises(DatabaseRefusedError, match="22007"):
        load("one", OLD, accepted=4, grouped=False, copy=MemoryCopy(content))
    assert (database.rows(), database.ledger()) == ([], {})


def test_counts_that_do_not_add_up_are_refused_by_the_ledger_itself(database, load):
    with pytest.raises(DatabaseRefusedError, match="every_reading_is_accounted_for"):
        load("one", OLD, read=5)
    assert (database.rows(), database.ledger()) == ([], {})


def test_messages_set_aside_are_in_the_ledger(database, load):
    with pytest.raises(DatabaseRefusedError, match="every_reading_is_accounted_for"):
        load("one", OLD, set_aside=2)
    sums = database.query("SELECT count(*) FROM etl.ledger")
    assert sums == [(0,)]
    load("one", OLD, read=len(OLD) + 2, set_aside=2)
    assert database.query("SELECT read - accepted, set_aside FROM etl.ledger") == [(2, 2)]


def test_rows_that_a_trigger_drops_are_noticed(database, load):
    database.query(
        "CREATE FUNCTION telemetry.drop_row() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RETURN NULL; END'"
    )
    database.query(
        f"CREATE TRIGGER dropper BEFORE INSERT ON {TABLE} FOR EACH ROW "
        "WHEN (NEW.device_id = 'b') EXECUTE FUNCTION telemetry.drop_row()"
    )
    for grouped in (False, True):
        with pytest.raises(
            DatabaseRefusedError, match=r"1 row .*the trigger dropper on telemetry\.readings"
        ):
            load("one", OLD, grouped=grouped)
    assert (database.rows(), database.ledger()) == ([], {})


def test_a_disabled_trigger_is_not_blamed(database, load):
    database.query(
        "CREATE FUNCTION telemetry.drop_row() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RETURN NULL; END'"
    )
    database.query(
        f"CREATE TRIGGER dropper BEFORE INSERT ON {TABLE} FOR EACH ROW "
        "EXECUTE FUNCTION telemetry.drop_row()"
    )
    database.query(f"ALTER TABLE {TABLE} DISABLE TRIGGER dropper")
    with pytest.raises(BatchCorruptError, match="brought 3 rows"):
        load("one", OLD, accepted=4)
    assert counts(load("one", OLD)) == (3, 0, 0, 0)


def test_a_rule_that_drops_rows_is_named(database, load):
    database.query(f"CREATE RULE dropper AS ON INSERT TO {TABLE} DO INSTEAD NOTHING")
    with pytest.raises(DatabaseRefusedError, match=r"3 rows .*the rule dropper on"):
        load("one", OLD, grouped=False)
    assert (database.rows(), database.ledger()) == ([], {})
    assert counts(load("one", OLD)) == (3, 0, 0, 0)  # COPY doesn't look at rules
    assert database.rows() == OLD


@pytest.mark.parametrize("grouped", [True, False])
def test_a_row_policy_is_named(database, load, grouped):
    database.query(f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")
    with pytest.raises(DatabaseRefusedError, match="row-level security"):
        load("one", OLD, grouped=grouped)
    assert (database.rows(), database.ledger()) == ([], {})


class BreakingCopy(MemoryCopy):
    """All but the end of its rows, and then an error."""

    reads = 0

    def open(self, ranges):
        return nullcontext(self)

    def read(self, size=-1):
        self.reads += 1
        if self.reads > 1:
            raise StorageUnavailableError("the connection broke off")
        return self.content[:-10]


@pytest.mark.parametrize("grouped", [True, False])
def test_an_outage_of_s3_in_the_middle_is_named_as_such(database, load, grouped):
    with pytest.raises(StorageUnavailableError, match="broke off"):
        load("one", OLD, grouped=grouped, copy=BreakingCopy(make_copy(OLD)[0]))
    assert (database.rows(), database.ledger()) == ([], {})


class KillingCopy(MemoryCopy):
    """The server ends the session in the middle of the COPY."""

    def __init__(self, database):
        super().__init__(make_copy(OLD)[0])
        self.database = database

    def open(self, ranges):
        self.database.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s",
            "telemetry_loader",
        )
        return super().open(ranges)


def test_a_lost_connection_is_an_outage_and_loads_nothing(database, load):
    database.query("GRANT telemetry_loader TO CURRENT_USER")
    with pytest.raises(DatabaseUnavailableError):
        load("one", OLD, copy=KillingCopy(database))
    assert (database.rows(), database.ledger()) == ([], {})
    assert counts(load("one", OLD)) == (3, 0, 0, 0)


def test_a_lock_that_does_not_come_is_busy(database, monkeypatch):
    # Only the wait for the lock is short: a busy client may be idle within its transaction.
    prepare = loading._PREPARE.replace("session_timeout = {statement}", "session_timeout = 0")
    monkeypatch.setattr(loading, "_PREPARE", prepare)
    with closing(database.connect_owner()) as owner, owner.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {TABLE}")
        content, groups = make_copy(OLD)
        with closing(database.connect_loader()) as connection, pytest.raises(DatabaseBusyError):
            load_batch(
                connection,
                CONTRACT,
                make_batch("one", 3),
                MemoryCopy(content),
                lambda: groups,
                seconds=1,
            )
    assert (database.rows(), database.ledger()) == ([], {})


def test_a_missing_table_is_refused(database, load):
    database.query(f"DROP TABLE {TABLE} CASCADE")
    with pytest.raises(DatabaseRefusedError, match="42P01"):
        load("one", OLD)


def test_values_of_all_kinds_survive(database, load):
    tricky = [
        ("a", 1, 1e-300, 'quote " and, comma'),
        ("a", 2, -0.1, "line\nbreak"),
        ("a", 3, 1.7976931348623157e308, "\\."),
        ("a,b\nc", 1, 5e-324, "\\N"),
        ("ü", 1, 0.1, "NULL"),
    ]
    assert counts(load("one", tricky)) == (5, 0, 0, 0)
    assert database.rows() == tricky
    assert counts(load("two", tricky, contract=KEEP_LAST)) == (0, 0, 5, 0)


def test_loaded_times_are_read_from_the_index_alone(database, load):
    load("one", [(f"d{n}", s, 1.0, None) for n in range(40) for s in range(50)])
    with closing(database.connect_owner()) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM ANALYZE {TABLE}")
            cursor.execute(
                "EXPLAIN (COSTS OFF) " + existing_times(CONTRACT),
                (["d1"], ["2026-11-23T06:00:00Z"], ["2026-11-23T06:00:09Z"], [10]),
            )
            plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Index Only Scan" in plan
    assert "Seq Scan" not in plan
