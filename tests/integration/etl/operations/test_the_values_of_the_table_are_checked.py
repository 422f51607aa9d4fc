"""The deep check: each row equals a reading in the clean zone, or it is named with its column."""

from __future__ import annotations

import io
import json
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from etl.operations.deep_check import check_values
from functions.load.loading import load_batch
from telemetry.checksums import Checksum
from telemetry.contract import ContractSet
from telemetry.layout import clean_key, parse_raw_key, report_key
from tests.fixtures.aws_fakes import FakeS3
from tests.fixtures.telemetry_database import (
    CONTRACT,
    MemoryCopy,
    Row,
    TelemetryDatabase,
    make_batch,
    make_copy,
    timestamp,
)

ROWS: list[Row] = [
    ("a", 1, 1.5, "x"),
    ("a", 2, -0.0, None),
    ("b", 1, None, 'q"\n,'),
    ("b", 2, 1e300, ""),
]


class Zone:
    """A clean zone in memory, and the table that was loaded from it."""

    def __init__(self, database: TelemetryDatabase) -> None:
        self.database = database
        self.contract = CONTRACT
        self.s3 = FakeS3()

    def load(self, batch_id: str, rows: list[Row], **fields: Any) -> None:
        batch = make_batch(batch_id, len(rows), **fields)
        content, groups = make_copy(rows)
        with closing(self.database.connect_loader()) as connection:
            load_batch(connection, self.contract, batch, MemoryCopy(content), lambda: groups)
        raw = parse_raw_key(batch.raw_key)
        assert raw is not None
        frame = pl.DataFrame(
            {
                "device_id": [row[0] for row in rows],
                "ts": [timestamp(row[1]) for row in rows],
                "value": pl.Series([row[2] for row in rows], dtype=pl.Float64),
                "note": pl.Series([row[3] for row in rows], dtype=pl.String),
            }
        ).with_columns(pl.col("ts").str.to_datetime("%Y-%m-%dT%H:%M:%S%.6f%z", time_unit="us"))
        body = io.BytesIO()
        frame.write_parquet(body)
        key = clean_key(raw)
        report = {
            "contract_digest": batch.contract_digest,
            "objects": {key: Checksum.of(body.getvalue()).as_dict()},
        }
        self.s3.objects |= {
            key: body.getvalue(), report_key(batch_id): json.dumps(report).encode(),
        }  # fmt: skip

    def check(self, sample: int | None = None) -> Any:
        target: Any = SimpleNamespace(
            client=lambda _: self.s3, bucket="data", contract=self.contract,
            contracts=ContractSet.of([self.contract]),
            connect=self.database.connect_loader,
        )  # fmt: skip
        return check_values(target, sample)


@pytest.fixture
def zone(database: TelemetryDatabase) -> Zone:
    return Zone(database)


def test_what_was_loaded_is_what_is_there(zone: Zone):
    zone.load("one", ROWS)
    zone.load("two", [*ROWS[:2], ("c", 1, 5.0, "x")])
    found = zone.check()
    assert found.holds
    assert (found.batches, found.of_batches, found.rows, found.command) == (2, 2, 7, None)
    assert not found.skipped


def test_a_column_that_was_dropped_and_added_again_is_found(zone: Zone):
    zone.load("one", ROWS)
    zone.database.query("ALTER TABLE telemetry.readings DROP COLUMN value CASCADE")
    zone.database.migrate()  # as a deployment does
    found = zone.check()
    assert not found.holds
    assert found.columns == {"value": (3, 3)}
    assert (found.missing, found.different) == (0, 3)
    assert found.command == "etl replay --repair --batch one"


def test_a_column_that_the_table_lacks_is_named(zone: Zone):
    zone.load("one", ROWS)
    zone.database.query("ALTER TABLE telemetry.readings DROP COLUMN note CASCADE")
    found = zone.check()
    assert found.absent_columns == ("note",)
    assert found.command == "etl deploy"


def test_values_that_were_changed_in_the_table_are_found(zone: Zone):
    for number in range(7):
        zone.load(f"b{number}", [("a", 10 * number + n, float(n), "x") for n in range(5)])
    zone.database.query("UPDATE telemetry.readings SET note = upper(note) WHERE value >= 3")
    found = zone.check()
    assert (found.different, found.columns) == (14, {"note": (14, 0)})
    assert found.affected == [f"b{number}" for number in range(7)]
    assert found.command == "etl backfill --repair --from 2026-11-23 --to 2026-12-08"
    assert json.loads(found.keys[0])["device_id"] == "a"
    assert zone.check(sample=3).different == 6
    assert zone.check(sample=3).batches == 3


def test_rows_that_are_missing_are_counted(zone: Zone):
    zone.load("one", ROWS)
    zone.database.query("DELETE FROM telemetry.readings WHERE device_id = 'a'")
    found = zone.check()
    assert (found.missing, found.different, found.affected) == (2, 0, ["one"])


@pytest.mark.parametrize("policy", ["keep_first", "keep_last", "keep_greatest"])
def test_a_row_may_equal_the_reading_of_any_batch_with_its_key(zone: Zone, policy: str):
    greatest = "value" if policy == "keep_greatest" else None
    zone.contract = replace(CONTRACT, on_conflict=policy, greatest=greatest)  # type: ignore[arg-type]
    zone.load("one", [("a", 1, 1.0, "x"), ("a", 2, 2.0, "x")], purpose="release")
    zone.load("two", [("a", 1, 9.0, "y"), ("a", 2, 0.5, "y")], purpose="release")
    assert zone.check().holds
    assert zone.check(sample=1).holds
    zone.database.query("UPDATE telemetry.readings SET note = 'z' WHERE ts < '2026-11-23T06:00:02'")
    found = zone.check()
    assert (found.different, found.affected) == (1, ["one", "two"])


def test_a_mixture_of_two_readings_is_no_reading(zone: Zone):
    zone.load("one", [("a", 1, 1.0, "x")], purpose="release")
    zone.load("two", [("a", 1, 9.0, "y")], purpose="release")
    zone.database.query("UPDATE telemetry.readings SET note = 'y'")
    assert zone.check().different == 1


def test_with_fill_missing_each_value_is_one_of_a_reading(zone: Zone):
    zone.contract = replace(CONTRACT, on_conflict="fill_missing")
    zone.load("one", [("a", 1, None, "x"), ("a", 2, 2.0, None)])
    zone.load("two", [("a", 1, 9.0, None), ("a", 2, None, "y")])
    assert zone.check().holds
    zone.database.query("UPDATE telemetry.readings SET value = 3 WHERE note = 'y'")
    found = zone.check()
    assert found.columns == {"value": (1, 0)}
    assert found.different == 1


def test_with_fill_missing_a_value_that_another_reading_has_is_missed(zone: Zone):
    zone.contract = replace(CONTRACT, on_conflict="fill_missing")
    zone.load("one", [("a", 1, None, "x"), ("a", 2, 2.0, None)])
    zone.load("two", [("a", 1, 9.0, None), ("a", 2, None, None)])
    assert zone.check().holds
    zone.database.query("UPDATE telemetry.readings SET value = NULL")
    found = zone.check()
    assert found.columns == {"value": (2, 2)}
    assert found.affected == ["one", "two"]


def test_what_cannot_be_compared_is_counted(zone: Zone):
    for name in ("good", "again", "gone", "damaged"):
        zone.load(name, ROWS)
    zone.load("other", [("z", 1, 1.0, "x")], contract="another")
    zone.s3.objects[report_key("again")] = b'{"contract_digest": "newer"}'
    del zone.s3.objects["clean/staged_on=2026-11-23/gone.parquet"]
    zone.s3.objects["clean/staged_on=2026-11-23/damaged.parquet"] += b"x"
    found = zone.check()
    assert found.holds
    assert (found.batches, found.of_batches) == (1, 4)
    assert found.skipped.total() == 3
    assert len(found.skipped) == 3


def test_nothing_is_left_in_the_database(zone: Zone):
    zone.load("one", ROWS)
    before = zone.database.query("SELECT count(*) FROM pg_class")
    zone.check()
    assert zone.database.query("SELECT count(*) FROM pg_class") == before
