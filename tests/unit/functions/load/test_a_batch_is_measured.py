"""What a batch adds to the metrics once the ledger has settled it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.load.batch import Batch
from functions.load.ledger import Entry
from functions.load.metrics import measure
from telemetry import metrics

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def batch(**changes: Any) -> Batch:
    fields: dict[str, Any] = {
        "batch_id": "b", "raw_key": "raw/b", "execution": "run-7", "contract": "fleet",
        "contract_digest": "d", "status": "loaded", "messages": 4, "read": 10, "accepted": 7,
        "duplicates": 1, "rejected": 2, "rejected_by": {"missing:ts": 1, "missing:device_id": 1},
        "min_time": "2026-11-23T11:00:00+00:00", "max_time": "2026-11-23T11:59:59+00:00",
        "copy_key": "copy/b", "columns": (), "groups_key": None,
        "median_time": "2026-11-23T11:59:00+00:00", "first_arrival": "2026-11-23T11:59:30+00:00",
        "last_received_at": "2026-11-23T11:59:58.500000+00:00",
    }  # fmt: skip
    return Batch(**fields | changes)


def entry(of: Batch, **changes: Any) -> Entry:
    fields: dict[str, Any] = {
        name: getattr(of, name)
        for name in (
            "batch_id", "raw_key", "status", "contract_digest", "read", "accepted", "duplicates",
            "rejected", "set_aside",
        )
    }  # fmt: skip
    return Entry(**fields | {"inserted": 5, "updated": 1, "unchanged": 1} | changes)


def measured(
    of: Batch, capsys: pytest.CaptureFixture[str], **changes: Any
) -> dict[str, list[float]]:
    measure(of, entry(of, **changes), NOW)
    metrics.flush()
    found: dict[str, list[float]] = {}
    for line in capsys.readouterr().out.splitlines():
        content = json.loads(line)
        for name in content["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            own = content.get("Reason")
            found[name["Name"] + (f"/{own}" if own else "")] = content[name["Name"]]
    return found


def test_every_reading_is_counted_under_what_became_of_it(capsys):
    found = measured(batch(), capsys)
    counted = {name: value for name, (value,) in found.items() if name.startswith("Readings")}
    assert counted == {
        "ReadingsRead": 10, "ReadingsInserted": 5, "ReadingsUpdated": 1, "ReadingsUnchanged": 1,
        "ReadingsDuplicate": 1, "ReadingsConflicting": 0, "ReadingsRejected": 2, "ReadingsSetAside": 0,
        "ReadingsRejectedByReason/missing": 2,
    }  # fmt: skip
    assert found["RejectShare"] == [20.0]


def test_the_delay_is_reported_by_the_devices_clock_and_by_ours(capsys):
    found = measured(batch(), capsys)
    assert found["LagMedianSeconds"] == [60.0]
    assert found["LagMaxSeconds"] == [3600.0]
    assert found["ArrivalToRowSeconds"] == [30.0]
    assert found["NewestArrivalToRowSeconds"] == [1.5]


def test_a_clock_that_is_a_moment_ahead_makes_no_negative_delay(capsys):
    found = measured(batch(median_time=(NOW + timedelta(seconds=59)).isoformat()), capsys)
    assert found["LagMedianSeconds"] == [0.0]


def test_a_clock_that_is_wrong_says_nothing_about_the_delay(capsys):
    found = measured(batch(median_time="9999-11-24T00:00:00+00:00"), capsys)
    assert "LagMedianSeconds" not in found
    assert found["LagMaxSeconds"] == [3600.0]


@pytest.mark.parametrize(
    ("of", "changes"),
    [
        (batch(purpose="replay"), {}),
        (batch(purpose="release"), {}),
        (batch(), {"loads": 2}),
        (batch(status="quarantined"), {}),
        (
            batch(median_time=None, min_time=None, first_arrival=None, last_received_at=None),
            {},
        ),
    ],
    ids=["replay", "release", "loaded before", "quarantined", "without times"],
)
def test_what_is_late_for_another_reason_is_not_measured(of, changes, capsys):
    assert not [n for n in measured(of, capsys, **changes) if n.endswith("Seconds")]


def test_a_batch_of_nothing_has_no_share(capsys):
    nothing = batch(read=0, rejected=0, duplicates=0, accepted=0, rejected_by={})
    assert "RejectShare" not in measured(nothing, capsys)
