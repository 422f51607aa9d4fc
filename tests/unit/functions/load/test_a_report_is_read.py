"""What Load reads from a batch's report and from the groups of its COPY object."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.load.batch import Batch, Group, parse_batch, parse_groups
from telemetry.errors import BatchCorruptError

EVENT = {"verdict": "pass", "execution": "run-2"}
REPORT: dict[str, Any] = {
    "batch_id": "b", "raw_key": "raw/b", "execution": "run-1", "contract": "fleet",
    "contract_digest": "d", "messages": 2, "read": 20, "accepted": 4, "duplicates": 3,
    "conflicts": 6,
    "rejected": 5, "set_aside": 2, "rejected_by": {"not_json": 5},
    "min_time": "2026-11-23T06:00:01+00:00", "max_time": "2026-11-23T06:00:09+00:00",
    "median_time": "2026-11-23T06:00:05+00:00", "first_arrival": "2026-11-23T06:00:10+00:00",
    "copy": {"key": "copy/b", "columns": ["id", "ts"], "groups_key": "copy/b.groups"},
}  # fmt: skip


def test_each_member_has_its_place():
    assert parse_batch(EVENT, json.dumps(REPORT).encode()) == Batch(
        batch_id="b", raw_key="raw/b", execution="run-2", contract="fleet", contract_digest="d",
        status="loaded", messages=2, read=20, accepted=4, duplicates=3, rejected=5,
        conflicts=6,
        rejected_by={"not_json": 5}, min_time="2026-11-23T06:00:01+00:00",
        max_time="2026-11-23T06:00:09+00:00", copy_key="copy/b", columns=("id", "ts"),
        groups_key="copy/b.groups", set_aside=2, purpose="load",
        median_time="2026-11-23T06:00:05+00:00", first_arrival="2026-11-23T06:00:10+00:00",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        ("pass", "loaded"),
        ("warn", "loaded"),
        ("quarantine", "quarantined"),
        ("discard", "discarded"),
    ],
)
def test_the_verdict_decides_how_the_batch_ends(verdict, status):
    assert parse_batch({**EVENT, "verdict": verdict}, json.dumps(REPORT).encode()).status == status


@pytest.mark.parametrize(
    "change",
    [{"rejected_by": ["not_json"]}, {"copy": None}, {"read": "many"}, {"messages": None}],
    ids=lambda change: next(iter(change)),
)
def test_a_report_of_another_shape_is_corrupt(change):
    with pytest.raises(BatchCorruptError, match="raw object"):
        parse_batch(EVENT, json.dumps({**REPORT, **change}).encode())


def test_groups_are_ranges_of_bytes():
    entry = {"key": ["a"], "offset": 7, "length": 5, "rows": 2, "min_time": "t1", "max_time": "t2"}
    assert parse_groups(json.dumps({"groups": [entry]}).encode()) == [
        Group(("a",), (7, 12), 2, "t1", "t2")
    ]
