"""The time of processing decides nothing: with a clock that jumps all comes out the same."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from functions.extract import handler as extract
from functions.transform.handler import transform
from telemetry.contract import load_contract
from tests.fixtures.aws_fakes import FakeAws, sqs_event
from tests.unit.functions.transform.envelopes_for import KEY, lines

FLEET = load_contract(Path("contracts/fleet.toml"))
DAY = 86_400.0
STARTED = "2026-11-23T23:59:59Z"


def jumping(steps: Iterator[float]) -> Callable[[], float]:
    real = time.time
    return lambda: real() + next(steps)


@pytest.fixture(params=["back a day", "ahead a day", "to and fro"])
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {"back a day": [-DAY], "ahead a day": [DAY], "to and fro": [-DAY, 0.0, DAY]}
    monkeypatch.setattr(time, "time", jumping(itertools.cycle(steps[request.param])))


def test_a_clock_that_jumps_changes_no_key_and_no_byte(aws: FakeAws, clock: None) -> None:
    event = sqs_event("a", "b", "c")
    extract.stage(event, None)
    first = dict(aws.s3.objects)
    extract.stage(event, None)
    assert aws.s3.objects == first
    assert len(aws.states.started) == 1
    assert all(key.startswith(("raw/2026/11/23/", "manifests/")) for key in first)


def test_a_drain_neither_stops_early_nor_goes_on_for_ever(aws: FakeAws, clock: None) -> None:
    aws.sqs.send(*map(str, range(500)))
    result = extract.drain({"execution": "run", "started": STARTED}, None)
    assert result["messages"] == 500
    assert len(aws.sqs.calls) < 500, "each receiver ends at its first empty answer"
    assert all(key.startswith(("raw/2026/11/23/run/", "manifests/")) for key in aws.s3.objects)


def test_transform_does_not_know_what_time_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = lines(
        {"device_id": "a", "readings": [{"ts": "2026-11-23T06:00:00Z", "temperature_c": 3}]}, b"{"
    )
    now = transform(raw, FLEET, KEY, "run")
    monkeypatch.setattr(time, "time", jumping(itertools.repeat(400 * DAY)))
    assert transform(raw, FLEET, KEY, "run") == now
