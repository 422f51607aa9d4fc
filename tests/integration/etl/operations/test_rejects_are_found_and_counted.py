"""Rejects in S3, as Transform writes them: by reason, device, batch and time of staging."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from etl.operations.rejects import RejectFilter, count, read_rejects
from etl.operations.time_range import TimeRange

GOOD = {"device_id": "box-1", "readings": [{"ts": "2026-11-23T06:00:00Z", "temperature_c": 20}]}
MANY = {
    "device_id": "box-1",
    "readings": [
        {"ts": "2026-11-23T06:00:01Z", "temperature_c": 999},
        {"temperature_c": 999},
        {"ts": "2026-11-23T06:00:02Z", "temperature_c": 21},
    ],
}
BROKEN = b'{"readings": [\xff\x00'


@pytest.fixture
def filled(target, transformed):
    transformed("a", GOOD)
    transformed("b", GOOD, MANY)
    transformed("c", BROKEN, day="2026/11/24", client_id="box-2", topic="telemetry/fleet/box-2")
    return target


def found(target, **wanted):
    return list(read_rejects(target, RejectFilter(**wanted)))


def test_all_are_counted_by_reason_device_and_day(filled):
    counts = count(read_rejects(filled, RejectFilter()))
    assert counts.as_dict() == {
        "rejects": 3,
        "batches": 2,
        "by_reason": {"out_of_range:temperature_c": 2, "missing:ts": 1, "not_utf8": 1},
        "by_device": {"box-1": 2, "box-2": 1},
        "by_day": {"2026-11-23": 2, "2026-11-24": 1},
    }


def test_each_comes_with_the_bytes_that_the_device_sent(filled):
    first, second, broken = found(filled)
    assert json.loads(first.payload) == json.loads(second.payload) == MANY
    assert json.loads(second.reading) == MANY["readings"][1]
    assert broken.payload == BROKEN


def test_a_gateways_rejects_are_of_the_devices_behind_it(target, transformed):
    gateway = {"client_id": "gateway", "topic": "telemetry/fleet/gateway"}
    transformed("g", {**MANY, "device_id": "box-7"}, BROKEN, {"readings": [{}]}, **gateway)
    assert count(read_rejects(target, RejectFilter())).by_device == {"box-7": 2, "gateway": 2}
    assert len(found(target, devices=("box-7",))) == 2
    assert len(found(target, devices=("gateway",))) == 4


@pytest.mark.parametrize(
    ("wanted", "batches"),
    [
        ({"reasons": ("missing",)}, ["b"]),
        ({"reasons": ("out_of_range:temperature_c",)}, ["b", "b"]),
        ({"reasons": ("out_of_range:humidity_pct",)}, []),
        ({"reasons": ("miss",)}, []),
        ({"devices": ("box-2",)}, ["c"]),
        ({"devices": ("box",)}, []),
        ({"batches": ("c", "b", "unknown")}, ["c", "b", "b"]),
        ({"batches": ("b",), "devices": ("box-2",)}, []),
    ],
)
def test_they_are_chosen_by_reason_device_and_batch(filled, wanted, batches):
    assert [reject.batch_id for reject in found(filled, **wanted)] == batches


def test_they_are_chosen_by_the_time_of_staging(target, transformed):
    now, hour = datetime.now(UTC), timedelta(hours=1)
    # What counts is when the object was written: the message may have waited for days.
    transformed("waited", BROKEN, day=f"{now - timedelta(days=13):%Y/%m/%d}")
    transformed("came", BROKEN, day=f"{now:%Y/%m/%d}")
    assert [r.batch_id for r in found(target, time_range=TimeRange(now - hour, now + hour))] == [
        "waited",
        "came",
    ]
    assert found(target, time_range=TimeRange(now - 2 * hour, now - hour)) == []
    assert found(target, batches=("came",), time_range=TimeRange(now + hour, now + 2 * hour)) == []


def test_an_object_that_is_cut_short_is_reported_and_the_others_are_read(filled):
    s3, key = filled.client("s3"), "rejected/date=2026-11-23/b.ndjson.gz"
    whole = s3.get_object(Bucket=filled.bucket, Key=key)["Body"].read()
    s3.put_object(Bucket=filled.bucket, Key=key, Body=whole[:-12])
    told: list[str] = []
    rest = list(read_rejects(filled, RejectFilter(), unreadable=told.append))
    assert "c" in {reject.batch_id for reject in rest}
    assert len(told) == 1
    assert key in told[0]


def test_a_reader_that_has_had_enough_leaves_nothing_open(filled, transformed):
    for number in range(12):
        transformed(f"d{number}", BROKEN)
    rejects = read_rejects(filled, RejectFilter())
    next(rejects)
    rejects.close()
    assert len(found(filled)) == 15
