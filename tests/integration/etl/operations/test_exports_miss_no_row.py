"""Files of incremental exports, put into a table in their order, are the table: under loads at the
same time, updates, savepoints, replays, and transactions that end late."""

from __future__ import annotations

import csv
import io
import random
import threading
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from etl.operations.export_cursor import CursorError, ExportCursor
from etl.operations.export_query import Selection
from functions.load.loading import load_batch
from telemetry.errors import TransientError
from tests.fixtures.telemetry_database import (
    KEEP_LAST,
    MemoryCopy,
    Row,
    TelemetryDatabase,
    make_batch,
    make_copy,
)
from tests.integration.etl.operations.exported_table import ExportedTable


@pytest.fixture
def table(empty_database: TelemetryDatabase) -> ExportedTable:
    return ExportedTable.create(empty_database, KEEP_LAST)


def parse(body: bytes) -> dict[tuple[str, str], list[str]]:
    rows = list(csv.reader(io.StringIO(body.decode())))
    return {(row[0], row[1]): row for row in rows[1:]}


def load(table: ExportedTable, batch_id: str, rows: list[Row], **fields: Any) -> None:
    content, groups = make_copy(rows)
    batch = make_batch(batch_id, len(rows), **fields)
    for _ in range(20):
        with closing(table.database.connect_loader()) as connection:
            try:
                load_batch(
                    connection,
                    table.contract,
                    batch,
                    MemoryCopy(content),
                    lambda: groups,
                    objects=None,
                )
            except TransientError:
                continue
            return
    raise AssertionError("the load never succeeded")


class Follower:
    """Someone who applies each file in its order, and keeps the cursor of the last one."""

    def __init__(self, table: ExportedTable) -> None:
        self.table = table
        self.rows: dict[tuple[str, str], list[str]] = {}
        self.cursor: ExportCursor | None = None
        self.exported = 0

    def follow(self) -> int:
        body, found = self.table.export(after=self.cursor)
        self.rows |= parse(body)
        self.cursor = found.cursor
        self.exported += found.rows
        return found.rows

    def has_everything(self) -> bool:
        return self.rows == parse(self.table.export()[0])


def test_nothing_new_is_an_empty_export(table: ExportedTable) -> None:
    follower = Follower(table)
    load(table, "b1", [("a", 1, 1.0, None), ("a", 2, 2.0, "")])
    assert follower.follow() == 2
    assert follower.follow() == 0
    assert follower.has_everything()


def test_new_and_updated_rows_are_exported_and_no_others(table: ExportedTable) -> None:
    follower = Follower(table)
    load(table, "b1", [("a", second, 1.0, None) for second in range(10)])
    assert follower.follow() == 10
    load(table, "b2", [("a", 3, 9.0, "later"), ("b", 1, 1.0, None)])
    assert follower.follow() == 2
    assert follower.has_everything()


def test_what_a_person_writes_is_exported_as_well(table: ExportedTable) -> None:
    follower = Follower(table)
    load(table, "b1", [("a", 1, 1.0, None), ("a", 2, 2.0, None)])
    follower.follow()
    table.database.query(f"UPDATE {table.name} SET note = 'by hand' WHERE value = 2")
    assert follower.follow() == 1
    assert follower.has_everything()


@pytest.mark.parametrize("savepoint", [False, True])
def test_a_transaction_that_ends_after_the_export_is_in_the_next_one(
    table: ExportedTable, savepoint: bool
) -> None:
    """Its rows were stamped before: by time, and by number, they are older than the export's end.

    Within a savepoint they have a number that no snapshot lists as running.
    """
    follower = Follower(table)
    load(table, "b1", [("a", 1, 1.0, None)])
    with closing(table.database.connect_owner()) as late, late.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table.name} VALUES ('early', now(), 1, NULL)")
        if savepoint:
            cursor.execute("SAVEPOINT straight")
        cursor.execute(f"INSERT INTO {table.name} VALUES ('late', now(), 1, NULL)")
        if savepoint:
            cursor.execute("RELEASE SAVEPOINT straight")
        load(table, "b2", [("b", 1, 1.0, None)])  # a later number that has ended
        follower.follow()
        assert {device for device, _ in follower.rows} == {"a", "b"}
        late.commit()
    follower.follow()
    assert {device for device, _ in follower.rows} == {"a", "b", "early", "late"}
    assert follower.has_everything()
    follower.follow()
    assert follower.follow() == 0


def test_exports_while_loads_run_miss_nothing(table: ExportedTable) -> None:
    """Four loaders write, rewrite and load batches again, while exports follow each other."""
    over = threading.Event()
    failures: list[BaseException] = []

    def load_many(loader: int) -> None:
        chance = random.Random(loader)
        try:
            for number in range(12):
                rows = {
                    (f"d{chance.randrange(6)}", chance.randrange(60)): chance.random()
                    for _ in range(25)
                }
                readings = [(d, s, value, f"{loader}-{number}") for (d, s), value in rows.items()]
                again = {"purpose": "repair"} if number % 4 == 3 else {}
                name = f"l{loader}-{number - 1 if again else number}"
                arrival = {"first_received_at": None, "last_received_at": None}
                load(table, name, readings, **arrival, **again)
        except BaseException as error:
            failures.append(error)

    def end_late() -> None:
        """Transactions of a few hundredths of a second, which write in savepoints."""
        number = 0
        with closing(table.database.connect_owner()) as connection, connection.cursor() as cursor:
            while not over.is_set():
                number += 1
                value = f"('hand', timestamptz '2026-01-01' + {number} * interval '1 s', 1, NULL)"
                cursor.execute("SELECT pg_current_xact_id()")
                cursor.execute(f"SAVEPOINT s; INSERT INTO {table.name} VALUES {value}")
                cursor.execute("RELEASE SAVEPOINT s; SELECT pg_sleep(0.02)")
                connection.commit()

    follower = Follower(table)
    threads = [threading.Thread(target=load_many, args=(n,)) for n in range(4)]
    late = threading.Thread(target=end_late)
    for thread in (*threads, late):
        thread.start()
    exports = 0
    while any(thread.is_alive() for thread in threads):
        follower.follow()
        exports += 1
    over.set()
    late.join()
    assert failures == []
    follower.follow()
    assert exports > 3
    assert follower.has_everything()
    follower.follow()
    assert follower.follow() == 0


def test_rows_of_long_ago_are_not_exported_again_after_vacuum(table: ExportedTable) -> None:
    follower = Follower(table)
    load(table, "b1", [("a", second, 1.0, None) for second in range(10)])
    follower.follow()
    with closing(table.database.connect_owner()) as owner, owner.cursor() as cursor:
        owner.autocommit = True
        for statement in ("VACUUM (FREEZE)", "VACUUM FULL"):
            cursor.execute(f"{statement} {table.name}")
            assert follower.follow() == 0
    load(table, "b2", [("b", 1, 1.0, None)])
    assert follower.follow() == 1
    assert follower.has_everything()


def test_a_cursor_of_something_else_is_refused(table: ExportedTable) -> None:
    load(table, "b1", [("a", 1, 1.0, None)])
    cursor = table.export()[1].cursor
    for changed, reason in (
        ({"system": cursor.system + 1}, "another database"),
        ({"database": cursor.database + 1}, "another database"),
        ({"table": cursor.table + 1}, "another table"),
        ({"timeline": cursor.timeline + 1}, "restored"),
        ({"horizon": cursor.horizon + 10_000}, "restored"),
    ):
        with pytest.raises(CursorError, match=reason):
            table.export(after=replace(cursor, **changed))
    with pytest.raises(CursorError, match="other columns, devices or times"):
        table.export(after=cursor, selection=Selection(devices=("a",)))
    table.database.query(f"DROP TABLE {table.name} CASCADE")
    with pytest.raises(CursorError, match="etl deploy"):
        table.export(after=cursor)
    with pytest.raises(CursorError, match="another table"):
        ExportedTable.create(table.database, KEEP_LAST).export(after=cursor)
