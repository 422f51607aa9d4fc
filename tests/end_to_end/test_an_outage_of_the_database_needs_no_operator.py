"""PostgreSQL away for a minute in the middle of a run, and no one does anything about it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl.aws.target import Target
from etl.deployment.laptop import bring_up
from etl.operations.batches import Batch, batches_between
from etl.operations.executions import latest
from etl.operations.publishing import FleetPlan, simulate
from etl.operations.reconciliation import Reconciliation
from local import stack
from tests.end_to_end.conftest import account
from tests.fixtures.local import state_folder

pytestmark = pytest.mark.slow

CONTRACT = Path("contracts/fleet.toml")
BEFORE = FleetPlan(devices=3, rate=20, duration=2, readings_per_message=10, seed=7)
PLAN = FleetPlan(devices=3, rate=20, duration=20, readings_per_message=10, mess=0.1, seed=11)
OUTAGE_SECONDS = 60
PATIENCE_SECONDS = 300


@pytest.fixture
def target() -> Iterator[Target]:
    with state_folder() as state:
        stack.start(state, die_with_parent=True)
        yield bring_up(state, "outage", CONTRACT, window=3)
        stack.stop(state)


@contextmanager
def outage(state: Path) -> Iterator[None]:
    """Kill PostgreSQL, and keep its supervisor from starting it: a file of the cluster is away."""
    running = stack.read(state)
    assert running is not None
    control = state / "postgres" / "data" / "global" / "pg_control"
    away = control.with_name("pg_control.away")
    control.rename(away)
    os.kill(running.processes["postgres"].pid, signal.SIGKILL)
    yield
    assert [one.role for one in stack.down_servers(state)] == ["postgres"]
    away.rename(control)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while stack.down_servers(state):
        assert time.monotonic() < deadline, "the supervisor did not start the database again"
        time.sleep(0.2)


def all_batches(target: Target) -> list[Batch]:
    today = datetime.now(UTC).date()
    return list(batches_between(target, today - timedelta(days=1), today))


def _wait_for_a_failure(target: Target) -> None:
    """On a busy machine a batch may still be on its way to the database that isn't there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not any(batch.status == "failed" for batch in all_batches(target)):
        assert time.monotonic() < deadline, "no batch failed while the database was away"
        time.sleep(0.5)


def _balanced_again(target: Target) -> Reconciliation:
    """A batch that failed is not balanced, and not under way either, until a sweep begins."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := account(target, PATIENCE_SECONDS)).problems():
        if time.monotonic() > deadline:
            break
        time.sleep(1)
    return found


def test_a_minute_without_the_database_balances_without_a_command(target: Target) -> None:
    receipts = [simulate(target, target.contract, BEFORE)]
    loaded = account(target, PATIENCE_SECONDS)
    assert loaded.problems() == []
    fleet = threading.Thread(
        target=lambda: receipts.append(simulate(target, target.contract, PLAN))
    )
    fleet.start()
    while fleet.is_alive() and len(all_batches(target)) == loaded.staged_batches:
        time.sleep(0.2)
    with outage(target.state):
        time.sleep(OUTAGE_SECONDS)
        fleet.join()
        _wait_for_a_failure(target)
    found = _balanced_again(target)
    assert found.problems() == []
    assert found.rows == sum(receipt.rows or 0 for receipt in receipts)
    assert any(e.name.startswith("sweep-") for e in latest(target, 200))
    assert {batch.status for batch in all_batches(target)} == {"loaded"}
