"""What `etl up` started can be stopped, killed and deleted, and no advice on the way loses data."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from etl.aws.target import Target
from etl.cli.main import app
from etl.deployment.laptop import bring_up
from etl.operations.batches import Batch, batches_between
from etl.operations.publishing import FleetPlan, simulate
from etl.operations.receipts import Receipt
from local import stack
from local.health import ServerHealth, read_health
from tests.end_to_end.conftest import account
from tests.fixtures.local import state_folder

pytestmark = pytest.mark.slow

GREENHOUSE = Path("contracts/examples/greenhouse.toml")
READINGS = Path("contracts/examples/greenhouse.ndjson")
NEVER = ("--trigger", "schedule", "--schedule", "at(2099-01-01T00:00:00)")
PATIENCE_SECONDS = 120


@pytest.fixture
def state() -> Iterator[Path]:
    with state_folder() as folder:
        yield folder
        stack.stop(folder)


def etl(state: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--state", str(state), *arguments])


def ok(state: Path, *arguments: str) -> str:
    result = etl(state, *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def facts(state: Path) -> dict[str, Any]:
    """What the status says of messages that wait for a schedule which never comes."""
    result = etl(state, "status", "--json")
    found: dict[str, Any] = json.loads(result.stdout)
    assert [one["check"] for one in found["problems"]] == ["triggers"]
    assert result.exit_code == 1, result.output
    return found


def process(state: Path, role: str) -> int:
    running = stack.read(state)
    assert running is not None
    return running.processes[role].pid


def wait_until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_waits_survives_down_a_kill_and_up_with_its_contract(state: Path) -> None:
    ok(state, "up", "--contract", str(GREENHOUSE), *NEVER)
    ok(state, "publish", str(READINGS))
    sent = facts(state)["queued"]
    assert sent > 0
    stopped = ok(state, "down")
    assert "the data is kept" in stopped
    assert f"{sent} messages are in the queue" in stopped
    assert "is stopped" in etl(state, "status").output

    ok(state, "up", *NEVER)
    found = facts(state)
    assert (found["queued"], found["contract"]) == (sent, "greenhouse")
    refused = etl(state, "up", "--contract", "contracts/fleet.toml")
    assert refused.exit_code == 1
    assert "runs the contract 'greenhouse'" in refused.output
    assert facts(state)["contract"] == "greenhouse"

    os.kill(process(state, "supervisor"), signal.SIGKILL)
    wait_until(lambda: stack.read(state) is None)
    for command in (["status"], ["publish", str(READINGS)], ["simulate"]):
        died = etl(state, *command)
        assert died.exit_code == 1
        assert "its supervisor was killed" in died.output
    ok(state, "up")
    balanced = ok(state, "reconcile", "--wait", str(PATIENCE_SECONDS))
    assert "balanced: every reading is accounted for" in balanced

    refused = etl(state, "down", "--delete")
    assert refused.exit_code == 1
    assert "rows in greenhouse" in refused.output
    assert "Nothing was deleted" in refused.output
    assert stack.read(state) is not None
    ok(state, "down", "--delete", "--yes")
    assert not stack.has_data(state)
    assert "There is no local stack" in etl(state, "status").output


def test_a_database_that_is_down_is_named_with_its_reason_until_it_is_back(state: Path) -> None:
    ok(state, "up", "--contract", str(GREENHOUSE), *NEVER)
    control = state / "postgres" / "data" / "global" / "pg_control"
    away = control.with_name("pg_control.away")
    control.rename(away)
    os.kill(process(state, "postgres"), signal.SIGKILL)
    wait_until(lambda: any("can't be started" in one.reason for one in stack.down_servers(state)))
    for command in (["status"], ["psql", "-c", "SELECT 1"], ["reconcile"]):
        found = etl(state, *command)
        assert found.exit_code != 0
        assert "PostgreSQL is down since" in found.output, command
        assert "pg_control" in found.output
    ok(state, "publish", str(READINGS))  # needs the account alone
    away.rename(control)
    wait_until(lambda: not stack.down_servers(state))
    shown = etl(state, "status")
    assert shown.exit_code == 1
    assert "no trigger drains it" in shown.output
    assert "PostgreSQL died at" in shown.output
    assert "runs again since" in shown.output


def test_an_emulator_killed_under_traffic_loses_no_published_reading(state: Path) -> None:
    target = bring_up(state, "telemetry", Path("contracts/fleet.toml"), window=3)
    plan = FleetPlan(devices=3, rate=20, duration=15, readings_per_message=10, seed=5)
    receipts: list[Receipt] = []
    fleet = threading.Thread(
        target=lambda: receipts.append(simulate(target, target.contract, plan))
    )
    fleet.start()
    wait_until(lambda: any(batches(target)))
    os.kill(process(state, "emulator"), signal.SIGKILL)
    fleet.join()
    [receipt] = receipts
    assert receipt.messages > 0
    deadline = time.monotonic() + 3 * PATIENCE_SECONDS
    while (found := account(target, PATIENCE_SECONDS)).problems():
        assert time.monotonic() < deadline, found.problems()
        time.sleep(1)
    assert read_health_of(state, "emulator").restarts == 1
    assert found.rows >= (receipt.rows or 0)


def batches(target: Target) -> list[Batch]:
    today = datetime.now(UTC).date()
    return list(batches_between(target, today - timedelta(days=1), today))


def read_health_of(state: Path, role: str) -> ServerHealth:
    health = read_health(state)
    assert health is not None
    return health.servers[role]
