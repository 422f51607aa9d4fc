"""PostgreSQL away for a minute in the middle of a run, and no one does anything about it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
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
from local.postgres import PostgresServer
from tests.end_to_end.conftest import account
from tests.fixtures.local import state_folder

pytestmark = pytest.mark.slow

CONTRACT = Path("contracts/fleet.toml")
BEFORE = FleetPlan(devices=3, rate=20, duration=2, readings_per_message=10, seed=7)
PLAN = FleetPlan(devices=3, rate=20, duration=20, readings_per_message=10, mess=0.1, seed=11)
OUTAGE_SECONDS = 60
PATIENCE_SECONDS = 300


@contextmanager
def pipeline_and_its_database() -> Iterator[tuple[Target, PostgresServer]]:
    """A pipeline as ``etl up`` makes it, over a server that the test may stop: the stack's own
    supervisor would take the end of its database for the end of everything."""
    with state_folder() as state:
        server = PostgresServer(state.parent / "database", tls=True)
        database = server.start()
        try:
            local = stack.start(state, die_with_parent=True)
            stack.write(replace(local, database=database))
            yield bring_up(state, "outage", CONTRACT, window=3), server
        finally:
            stack.stop(state)
            server.stop()


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


def test_a_minute_without_the_database_balances_without_a_command() -> None:
    with pipeline_and_its_database() as (target, server):
        receipts = [simulate(target, target.contract, BEFORE)]
        loaded = account(target, PATIENCE_SECONDS)
        assert loaded.problems() == []
        fleet = threading.Thread(
            target=lambda: receipts.append(simulate(target, target.contract, PLAN))
        )
        fleet.start()
        while fleet.is_alive() and len(all_batches(target)) == loaded.staged_batches:
            time.sleep(0.2)
        server.halt()
        time.sleep(OUTAGE_SECONDS)
        fleet.join()
        _wait_for_a_failure(target)
        server.resume()
        found = _balanced_again(target)
        assert found.problems() == []
        assert found.rows == sum(receipt.rows or 0 for receipt in receipts)
        assert any(e.name.startswith("sweep-") for e in latest(target, 200))
        assert {batch.status for batch in all_batches(target)} == {"loaded"}
