"""What lost against a row comes back byte for byte from the raw objects, whatever the policy kept."""

from __future__ import annotations

import base64
import gzip
import json
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from etl.operations.conflicts import conflicting_batches, count_conflicts, read_conflicts
from functions.load.loading import load_batch
from telemetry.contract import ContractSet
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

FLEET = replace(CONTRACT, readings=("readings",))


def reading(row: Row) -> str:
    """JSON with spaces that no serializer would put there again."""
    device, second, value, note = row
    member = {"device_id": device, "ts": timestamp(second), "value": value, "note": note}
    return json.dumps(member).replace('"value"', '  "value"')


class Zone:
    """Raw objects in memory, and the table that was loaded from them."""

    def __init__(self, database: TelemetryDatabase) -> None:
        self.database = database
        self.contract = FLEET
        self.s3 = FakeS3()
        self.payloads: dict[tuple[str, str], bytes] = {}

    def load(
        self, batch_id: str, *messages: list[Row], merged: list[Row] | None = None, **fields: Any
    ) -> None:
        """``merged``: the rows that Transform has made of the readings; default: all of them."""
        rows = merged or [row for message in messages for row in message]
        times = {"min_time": timestamp(0), "max_time": timestamp(59)}
        batch = make_batch(batch_id, len(rows), purpose="release", **times, **fields)
        content, groups = make_copy(rows)
        with closing(self.database.connect_loader()) as connection:
            load_batch(connection, self.contract, batch, MemoryCopy(content), lambda: groups)
        lines = []
        for number, message in enumerate(messages):
            payload = ('{ "readings": [' + ",".join(map(reading, message)) + "] }").encode()
            name = f"{batch_id}-{number}"
            self.payloads[batch_id, name] = payload
            envelope = {
                "message_id": name, "topic": "telemetry/fleet/a", "client_id": "a",
                "received_at": 1_795_414_200_000 + number,
                "payload": base64.b64encode(payload).decode(),
            }  # fmt: skip
            lines.append(json.dumps(envelope).encode())
        self.s3.objects[batch.raw_key] = gzip.compress(b"\n".join(lines))

    @property
    def target(self) -> Any:
        return SimpleNamespace(
            client=lambda _: self.s3, bucket="data", contract=self.contract,
            contracts=ContractSet.of([self.contract]),
            connect=self.database.connect_loader,
        )  # fmt: skip

    def found(self, **options: Any) -> list[tuple[str, str | None, int | None]]:
        """Batch, message and index of each conflict, whose bytes are those that were sent."""
        found = list(read_conflicts(self.target, **options))
        for reject in found:
            assert reject.payload == self.payloads[reject.batch_id, str(reject.message_id)]
            assert reject.reading is not None
            assert reject.reading.encode() in reject.payload
            assert reject.reasons == ("conflict",)
        return [(reject.batch_id, reject.message_id, reject.index) for reject in found]


@pytest.fixture
def zone(database: TelemetryDatabase) -> Zone:
    return Zone(database)


def test_readings_that_lost_are_found_in_their_messages(zone: Zone):
    zone.load("one", [("a", 1, 1.0, "x"), ("a", 2, 2.0, "x")])
    zone.load("two", [("a", 3, 3.0, "x")], [("a", 1, 1.0, "x"), ("a", 2, 9.5, 'é"')])
    zone.load("three", [("a", 1, None, "x")])
    assert zone.found() == [("three", "three-0", 0), ("two", "two-1", 1)]
    assert zone.found(batches=("two",)) == [("two", "two-1", 1)]
    counts = {c.batch_id: (c.readings, c.rows) for c in count_conflicts(zone.target)}
    assert counts == {"two": (1, 0), "three": (1, 0)}
    assert {b.raw.batch_id for b in conflicting_batches(zone.target)} == {"two", "three"}


def test_former_values_of_a_row_are_found_in_the_batch_that_brought_them(zone: Zone):
    zone.contract = replace(FLEET, on_conflict="keep_last")
    zone.load("one", [("a", 1, 1.0, "x"), ("a", 2, 2.0, "x")])
    zone.load("two", [("a", 2, 9.5, None)])
    assert zone.found() == [("one", "one-0", 1)]
    assert {b.raw.batch_id for b in conflicting_batches(zone.target)} == {"one", "two"}


def test_a_corrected_contract_with_a_larger_key_still_finds_them(zone: Zone):
    zone.load("one", [("a", 1, 1.0, "x")])
    zone.load("two", [("a", 1, 1.0, "y")])
    zone.contract = replace(FLEET, key=("device_id", "note", "ts"))
    assert zone.found() == [("two", "two-0", 0)]


def test_a_message_that_came_twice_is_exported_once(zone: Zone):
    zone.load("one", [("a", 1, 1.0, "x")])
    zone.load("two", [("a", 1, 2.0, "x")])
    key = next(key for key in zone.s3.objects if "two" in key)
    twice = gzip.decompress(zone.s3.objects[key])
    zone.s3.objects[key] = gzip.compress(twice + b"\n" + twice)
    assert zone.found() == [("two", "two-0", 0)]


def test_all_readings_of_a_merged_one_that_lost_come_back(zone: Zone):
    zone.contract = replace(FLEET, on_conflict="fill_missing")
    zone.load("one", [("a", 1, 1.0, None)])
    of_two = [[("a", 1, 2.0, None), ("b", 1, 2.0, None)], [("a", 1, None, "x")]]
    zone.load("two", *of_two, merged=[("a", 1, 2.0, "x"), ("b", 1, 2.0, None)])
    assert zone.found() == [("two", "two-0", 0), ("two", "two-1", 0)]


def test_what_is_not_found_is_said(zone: Zone):
    zone.load("one", [("a", 1, 1.0, "x")])
    zone.load("two", [("a", 1, 2.0, "x")])
    zone.load("three", [("a", 1, 3.0, "x")])
    two, three = (next(k for k in zone.s3.objects if n in k) for n in ("two", "three"))
    del zone.s3.objects[two]
    zone.s3.objects[three] = zone.s3.objects[three][:30]
    said: list[str] = []
    assert zone.found(unreadable=said.append) == []
    assert "can't be read to its end" in said[0]
    assert "is missing" in said[1]
    assert "The readings of 2 conflicts were not found" in said[2]
