"""A contract whose topic has the device's level in the middle and another wildcard, to rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etl.aws.target import Target
from etl.operations.publishing import FleetPlan, publish_file, simulate
from tests.end_to_end.conftest import account

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CONTRACT = "tests/end_to_end/uplinks.toml"


def rows(target: Target) -> set[tuple[str, int, int]]:
    """Device, app and number of rows."""
    with target.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT device, app, count(*) FROM telemetry.uplinks GROUP BY 1, 2")
        return set(cursor.fetchall())


@pytest.mark.parametrize("basic_ingest", [False, True])
def test_a_messy_fleet_is_accounted_for_on_both_paths(pipeline: Target, basic_ingest: bool) -> None:
    before = account(pipeline).rows or 0
    name = "direct" if basic_ingest else "fleet"
    plan = FleetPlan(2, 50, 1, 10, mess=0.1, seed=4, name=name, basic_ingest=basic_ingest, least=40)
    receipt = simulate(pipeline, pipeline.contract, plan)
    found = account(pipeline)
    assert found.problems() == []
    assert found.verdict.status == "balanced"
    assert receipt.rows
    assert found.rows == before + receipt.rows
    devices = {(device, app) for device, app, _ in rows(pipeline) if device.startswith(name)}
    assert devices == {(f"{name}-0001", 1), (f"{name}-0002", 1)}


def test_the_topics_of_a_recording_decide_device_and_app(pipeline: Target, tmp_path: Path) -> None:
    file = tmp_path / "recorded.ndjson"
    readings = {"object": {"readings": [{"ts": 1772366400000, "temperature": 21.5}]}}
    file.write_text(
        "\n".join(
            json.dumps({"topic": f"application/{app}/device/{device}/event/up", "qos": 1,
                        "payload": readings})
            for app, device in ((2, "a1"), (3, "a2"), (3, "a3"))
        )
    )  # fmt: skip
    receipt = publish_file(pipeline, pipeline.contract, file)
    assert receipt.messages == 3
    assert account(pipeline).verdict.status == "balanced"
    assert {("a1", 2, 1), ("a2", 3, 1), ("a3", 3, 1)} <= rows(pipeline)
