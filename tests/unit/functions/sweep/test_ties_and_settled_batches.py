"""What the sweep says where two things are true at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from functions.sweep.batch_state import Batch, Running, fate, seen
from telemetry.layout import OutcomeKey, parse_raw_key

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = "raw/2026/11/23/staging/batch-1.n10.ndjson.gz"


def batch() -> Batch:
    raw = parse_raw_key(KEY)
    assert raw is not None
    return Batch(raw, KEY, 100, NOW - timedelta(days=1))


def test_a_settled_batch_is_settled_though_an_execution_runs_over_it():
    (one,) = seen([batch()], [(OutcomeKey(KEY, "run", "loaded"), NOW)])
    running = Running(keys={KEY})
    assert fate(one, {}, running, now=NOW, grace=timedelta(minutes=15)) == "settled"


def test_of_two_failures_of_one_second_the_same_is_the_last_in_any_order():
    failures = [(OutcomeKey(KEY, name, "failed"), NOW) for name in ("a", "b")]
    for outcomes in (failures, failures[::-1]):
        (one,) = seen([batch()], outcomes)
        assert one.last_failure is not None
        assert one.last_failure.execution == "b"
