"""The schedule's sweeps list today and yesterday, and all days once a day; nothing gets lost by it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.sweep import handler
from functions.sweep.full_look import LOOK_KEY
from telemetry.layout import day_prefix, outcome_key, raw_key
from telemetry.manifest import parse_manifest
from tests.fixtures.aws_fakes import FakeAws, LambdaContext, aws_error
from tests.fixtures.frozen_clock import freeze
from tests.integration.functions.sweep.test_what_a_sweep_looks_at import metric

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
LATER = timedelta(minutes=15)


class Sweeps:
    """Sweeps of the schedule, at the times that a test says."""

    def __init__(self, aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
        self._aws = aws
        self._monkeypatch = monkeypatch
        self.now = NOON

    def __call__(self, event: dict[str, Any] | None = None, **after: float) -> dict[str, Any]:
        self.now += timedelta(**after)
        freeze(self._monkeypatch, handler, self.now)
        self._aws.s3.calls.clear()
        return handler.handle({"recent": True} if event is None else event, LambdaContext())

    @property
    def listings(self) -> int:
        return self._aws.s3.calls.count("list_objects_v2")

    def stage(self, name: str, *, days: int) -> str:
        day = (self.now - timedelta(days=days)).date()
        key = raw_key(f"{day_prefix(day)}dead/", name, 2)
        self._aws.s3.objects[key] = b"x" * 10
        self._aws.s3.modified[key] = self.now - timedelta(days=days)
        return key

    def end(self, key: str, status: str, error: str = "", by: str = "run") -> None:
        outcome = outcome_key(key, by, status)  # type: ignore[arg-type]
        self._aws.s3.objects[outcome] = json.dumps({"status": status, "error": error}).encode()
        self._aws.s3.modified[outcome] = self.now


@pytest.fixture
def sweep(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Sweeps:
    monkeypatch.setenv("MAX_CONCURRENCY", "4")
    monkeypatch.setenv("SWEEP_GRACE_SECONDS", "900")
    return Sweeps(aws, monkeypatch)


def test_the_first_sweep_lists_all_days_and_the_next_ones_two(sweep: Sweeps) -> None:
    sweep.end(sweep.stage("old", days=9), "loaded")
    for back in (0, 1):
        sweep.end(sweep.stage(f"b{back}", days=back), "loaded")
    result = sweep()
    assert (result["days"], result["settled"]) == (15, 3)
    assert (
        sweep.listings == 17 + 3
    )  # tomorrow to 15 days back, and outcomes where there are batches
    result = sweep(minutes=15)
    assert (result["days"], result["older_days"], result["settled"]) == (1, [], 2)
    assert sweep.listings == 3 + 2


def test_the_first_sweep_of_a_day_lists_all_days(sweep: Sweeps) -> None:
    sweep()
    assert sweep(hours=11)["days"] == 1
    key = sweep.stage("lost", days=3)
    assert sweep(minutes=15)["due"] == 0
    result = sweep(hours=1)  # past midnight
    assert (result["days"], result["due"]) == (15, 1)
    assert key in str(parse_manifest_of(sweep, result["execution"]))


def parse_manifest_of(sweep: Sweeps, execution: str) -> list[Any]:
    return parse_manifest(sweep._aws.s3.objects[f"manifests/{execution}.json"], "m")


def test_what_was_staged_two_days_ago_is_not_forgotten_at_midnight(
    sweep: Sweeps, aws: FakeAws
) -> None:
    """Yesterday's batch becomes one of an older day between two sweeps."""
    key = sweep.stage("busy", days=1)
    sweep.end(key, "failed", "DatabaseBusyError")
    assert sweep()["waiting"] == 1
    result = sweep(hours=12, minutes=1)
    assert (result["days"], result["due"]) == (15, 1)
    aws.states.ended[result["execution"]] = sweep.now
    sweep.end(key, "failed", "DatabaseBusyError", by="again")
    assert sweep(minutes=15)["waiting"] == 1


def test_what_failed_on_an_older_day_is_retried_each_hour_as_promised(
    sweep: Sweeps, aws: FakeAws
) -> None:
    key = sweep.stage("busy", days=9)
    sweep.end(key, "failed", "DatabaseBusyError")
    waits, tried = [], 0
    last = sweep.now
    sweep()
    for _ in range(40):
        result = sweep(minutes=15)
        assert result["older_days"] == ["2026-03-11"]
        if result["execution"]:
            waits.append(round((sweep.now - last).total_seconds() / 60))
            last, tried = sweep.now, tried + 1
            aws.states.ended[result["execution"]] = sweep.now
            sweep.end(key, "failed", "DatabaseBusyError", by=f"run-{tried}")
    assert waits[:5] == [15, 30, 60, 60, 60]


def test_what_needs_attention_is_counted_between_the_daily_looks(
    sweep: Sweeps, capsys: pytest.CaptureFixture[str]
) -> None:
    """The alarm would clear otherwise."""
    old = sweep.stage("corrupt", days=9)
    sweep.end(old, "failed", "BatchCorruptError")
    sweep.end(sweep.stage("new", days=0), "failed", "BatchCorruptError")
    for _ in range(3):
        result = sweep(minutes=15)
        assert metric("BatchesNeedAttention", capsys) == [2]
        assert old in result["for_a_person"]
    assert result["days"] == 1
    sweep.end(old, "discarded", by="person")
    sweep(minutes=15)
    assert metric("BatchesNeedAttention", capsys) == [1]


def test_a_batch_that_ran_at_the_daily_look_is_looked_after_too(
    sweep: Sweeps, aws: FakeAws
) -> None:
    key = sweep.stage("running", days=5)
    aws.states.started["dead"] = {}
    assert sweep()["running"] == 1
    aws.states.ended["dead"] = sweep.now
    result = sweep(minutes=15)
    assert (result["days"], result["due"]) == (1, 1)
    assert key in str(parse_manifest_of(sweep, result["execution"]))


@pytest.mark.parametrize("event", [{}, {"dry_run": True}, {"days": 15}])
def test_a_person_is_shown_all_days(sweep: Sweeps, event: dict[str, Any]) -> None:
    sweep()
    sweep.stage("lost", days=9)
    result = sweep(event, minutes=15)
    assert (result["days"], result["due"]) == (15, 1)


def test_a_sweep_of_a_person_does_not_stand_for_the_daily_look(sweep: Sweeps) -> None:
    sweep({"days": 2})
    assert sweep(minutes=15)["days"] == 15


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"on": "tomorrow"}',
        b'{"on": "2026-03-20", "days": 3, "unsettled": []}',
        b'{"on": "2026-03-20", "days": 1e999, "unsettled": []}',
        b"[" * 100_000,
    ],
)
def test_without_a_look_that_can_be_read_all_days_are_listed(
    sweep: Sweeps, aws: FakeAws, content: bytes
) -> None:
    aws.s3.objects[LOOK_KEY] = content
    assert sweep()["days"] == 15
    assert sweep(minutes=15)["days"] == 1


def test_a_look_that_can_not_be_kept_stops_no_sweep(sweep: Sweeps, aws: FakeAws) -> None:
    sweep.stage("lost", days=9)
    aws.s3.fail("put_object", aws_error("AccessDenied", 403), skip=1)  # the manifest comes first
    assert sweep()["started"] == 1
    assert LOOK_KEY not in aws.s3.objects
    aws.states.ended |= dict.fromkeys(aws.states.started, sweep.now)
    assert sweep(minutes=15)["days"] == 15
