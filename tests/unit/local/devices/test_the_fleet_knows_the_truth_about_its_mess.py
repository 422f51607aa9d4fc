from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from local.devices.fleet import SimulatedDevice, device_topic
from telemetry.contract import load_contract, parse_contract

FLEET = load_contract(Path("contracts/fleet.toml"))
START = datetime(2026, 11, 1, tzinfo=UTC)


def device(seed: int, mess: float) -> SimulatedDevice:
    return SimulatedDevice(FLEET, "device-0001", seed, START, readings_per_message=5, mess=mess)


def take(source: SimulatedDevice, count: int) -> list[bytes]:
    return list(itertools.islice(source.messages(), count))


def test_the_same_seed_makes_the_same_bytes() -> None:
    assert take(device(7, 0.3), 50) == take(device(7, 0.3), 50)
    assert take(device(7, 0.3), 50) != take(device(8, 0.3), 50)


def test_a_fleet_without_mess_sends_only_readings_that_become_rows() -> None:
    source = device(1, 0.0)
    messages = [json.loads(m) for m in take(source, 20)]
    times = [r["ts"] for m in messages for r in m["readings"]]
    assert len(set(times)) == len(times) == source.truth.rows == source.truth.readings == 100
    assert source.truth.rejected == source.truth.duplicates == 0


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), mess=st.floats(0, 1))
def test_every_reading_has_exactly_one_fate(seed: int, mess: float) -> None:
    source = device(seed, mess)
    take(source, 30)
    truth = source.truth
    assert truth.messages == 30
    assert truth.readings == truth.rows + truth.duplicates + truth.rejected


def test_a_device_publishes_under_its_own_name() -> None:
    assert device_topic(FLEET, "box-1") == "telemetry/fleet/box-1"


def test_the_other_levels_of_a_topic_have_values_that_the_contract_takes() -> None:
    contract = parse_contract(
        b"""
        name = "uplinks"
        topic = "plant/{area}/{line}/{device}/{kind}/#"
        [table]
        name = "uplinks"
        key = ["device", "ts"]
        [message.only]
        "$topic.kind" = ["up", "status"]
        [columns]
        device = { type = "text", from = "$topic.device", required = true, max_length = 99 }
        ts = { type = "timestamp", from = "$received_at", required = true }
        line = { type = "integer", from = ["line", "$topic.line"], range = [0.5, 4] }
        """,
        "uplinks.toml",
    )
    assert device_topic(contract, "box-1") == "plant/area/1/box-1/up/any"
