"""At the level `lean` readings become rows all the same, and every command says what it can't show."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli.main import app
from etl.deployment.laptop import bring_up
from etl.operations.executions import latest
from etl.operations.metrics import all_signals, read
from etl.operations.publishing import FleetPlan, simulate
from local.stack import stop
from telemetry.metric_table import METRICS, covers
from telemetry.tracing import start_options
from tests.end_to_end.conftest import account
from tests.fixtures.local import state_folder

pytestmark = pytest.mark.timeout(600)

PATIENCE_SECONDS = 60
PLAN = FleetPlan(devices=3, rate=100, duration=2, readings_per_message=10, mess=0.1, seed=5)


@pytest.fixture(scope="module")
def lean() -> Iterator[Target]:
    with state_folder() as state:
        try:
            target = bring_up(
                state, "lean", Path("contracts/fleet.toml"), trigger="queue", window=1,
                schedule="rate(1 day)", sweep="rate(1 day)", observability="lean",
                die_with_parent=True,
            )  # fmt: skip
            simulate(target, target.contract, PLAN)
            yield target
        finally:
            stop(state)


def run(target: Target, *words: str) -> Any:
    where = ["--state", str(target.state), "--stack", target.stack]
    return CliRunner().invoke(app, [*where, *words], env={"COLUMNS": "80"})


def test_readings_become_rows_and_balance(lean: Target) -> None:
    found = account(lean)
    assert found.problems() == []
    assert found.rows > 0


def test_only_the_metrics_of_the_level_are_recorded(lean: Target) -> None:
    ledger = account(lean).ledger
    since, deadline = datetime.now(UTC) - timedelta(hours=1), time.monotonic() + PATIENCE_SECONDS
    while True:
        found = {s.signal.name: s for s in read(lean, all_signals(lean), since=since)}
        if found["ReadingsInserted"].total == ledger.inserted:
            break
        assert time.monotonic() < deadline
        time.sleep(0.5)
    own = {name: s for name, s in found.items() if s.signal.metric in METRICS and s.points}
    assert {"MessagesStaged", "ReadingsInserted", "ArrivalToRowSeconds"} <= set(own)
    assert all(covers("lean", METRICS[s.signal.metric].level) for s in own.values()), set(own)


def test_the_figures_below_the_level_are_in_the_log(lean: Target) -> None:
    group = lean.outputs["LoadLogGroupName"]
    events = lean.client("logs").filter_log_events(logGroupName=group)["events"]
    lines = [json.loads(e["message"]) for e in events if '"figures"' in e["message"]]
    assert lines
    for line in lines:
        assert {"StageSeconds/load", "ReadingsUpdated"} <= line["figures"].keys()
        assert {"execution", "batch_id", "request_id"} <= line.keys()
    shown = run(lean, "logs", "load")
    assert shown.exit_code == 0, shown.output
    assert "figures" not in shown.output
    assert "figures" in run(lean, "logs", "load", "--raw").output


def test_the_commands_say_what_the_level_leaves_out(lean: Target) -> None:
    metrics = " ".join(run(lean, "metrics", "StageSeconds").output.split())
    assert "not recorded at level lean (operation.observability = full records it)" in metrics
    alarms = run(lean, "alarms")
    assert alarms.exit_code == 0, alarms.output
    assert "queue-age" in alarms.output
    assert "lag" not in alarms.output
    assert "level lean" in alarms.output


def test_an_execution_that_stage_did_not_choose_has_no_trace(
    lean: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    account(lean)
    monkeypatch.setenv("OBSERVABILITY", "lean")
    names = [one.name for one in latest(lean, 100) if one.name.startswith("esm-")]
    assert names
    for name in names:
        if start_options(name)["traceHeader"].endswith("Sampled=0"):
            traced = run(lean, "trace", name)
            assert traced.exit_code == 1
            text = " ".join(traced.output.split())
            assert "at level lean 5 % of the executions are traced" in text


def test_the_status_asks_nothing_of_the_level(lean: Target) -> None:
    account(lean)
    status = run(lean, "status", "--json")
    found = json.loads(status.stdout)
    assert found["healthy"] is True, found["problems"]


def test_an_execution_started_by_hand_is_traced(lean: Target) -> None:
    done = run(lean, "run")
    assert done.exit_code == 0, done.output
    newest = latest(lean, 1)[0].name
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (traced := run(lean, "trace", newest)).exit_code and time.monotonic() < deadline:
        time.sleep(0.5)
    assert traced.exit_code == 0, traced.output


def test_the_doctor_does_not_take_a_level_for_a_fault(
    lean: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.doctor.pipeline.BEGINNING_SECONDS", 4.0)
    done = run(lean, "doctor", "--json", "--wait", "120")
    checks = {one["name"]: one for one in json.loads(done.stdout)}
    assert {one["status"] for one in checks.values()} <= {"pass", "not checked"}, done.output
    assert "11 alarms" in checks["alarms: actions"]["finding"]
    trace = checks["canary: trace"]
    assert trace["status"] == "pass" or "at level lean 5 %" in trace["finding"], trace
