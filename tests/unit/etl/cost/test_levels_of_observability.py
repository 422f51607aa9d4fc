"""The bill follows the level of observability: metrics, alarms, dashboards, logs and traces."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from etl.cli.main import app
from etl.cost.bill import bill
from etl.cost.counts import logged_bytes
from etl.cost.platform_lines import LINE_BYTES, LINES, platform_bytes
from etl.cost.settings import Fleet, Pipeline
from infrastructure.core.levels import counts
from telemetry.metric_table import LEVELS

FLEET = Fleet(devices=10, rate=10.0)
MAPPING = Pipeline(trigger="queue", delivery="mapping", window_seconds=20)


def amount(made, key):
    return sum(line.amount for line in made.lines if line.price.key == key)


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_is_billed_for_what_it_has(level):
    made, has = bill(FLEET, replace(MAPPING, observability=level)), counts(level)
    assert amount(made, "metrics") == has.metrics
    assert amount(made, "alarms") == has.alarms
    assert amount(made, "dashboards") == has.dashboards


def test_each_level_costs_more_than_the_one_below():
    lean, standard, full = (
        bill(FLEET, replace(MAPPING, observability=level)).dollars() for level in LEVELS
    )
    assert lean < standard < full
    assert full - lean > 15


def test_without_the_lines_of_lambda_and_step_functions_the_functions_own_are_left():
    made = bill(FLEET, replace(MAPPING, observability="lean"))
    executions = 0.2 * 730 * 3600
    names = ("stage", "transform", "validate", "load", "summarize")
    own = sum(map(logged_bytes, names)) + 5 * platform_bytes(counts("lean").system_log_level)
    assert amount(made, "logs_ingested") == pytest.approx(executions * own / 1e9, rel=1e-3)


def test_lambda_writes_two_lines_for_a_call_and_none_at_level_warn():
    written = sum(len(json.dumps(line, separators=(",", ":"))) for line in LINES)
    assert platform_bytes("INFO") == written + 2 * LINE_BYTES
    assert 800 < platform_bytes("INFO") < 1_000
    assert platform_bytes("WARN") == 0
    assert [line["type"] for line in LINES] == ["platform.start", "platform.report"]


def run(*arguments):
    return CliRunner().invoke(app, ["cost", *arguments], env={"COLUMNS": "160"})


def test_the_command_takes_delivery_level_and_both_triggers():
    result = run(
        *("--rate", "10", "--devices", "10", "--trigger", "both", "--delivery", "drain"),
        *("--observability", "lean", "--window", "25", "--json"),
    )
    data = json.loads(result.output)
    pipeline = data["pipeline"]
    assert (pipeline["trigger"], pipeline["delivery"]) == ("both", "drain")
    assert pipeline["observability"] == "lean"
    expected = bill(FLEET, Pipeline(**pipeline)).dollars()
    assert data["dollars_a_month"] == pytest.approx(expected)
    assert 20 < data["latency_seconds"]["longest"] < 30


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--delivery", "--delivery must be drain or mapping, not 'x'"),
        ("--observability", "--observability must be lean, standard or full, not 'x'"),
    ],
)
def test_another_choice_is_refused(option, said):
    result = run(option, "x")
    assert result.exit_code == 1
    assert said in result.output


def test_comparing_shows_each_trigger_with_its_latency():
    text = run("--compare", "--delivery", "mapping", "--window", "20").output
    for name in ("queue, drained every 20 s", "window of 1 s", "schedule, every 5 minutes"):
        assert name in text
    assert "latency" in text
    rows = json.loads(run("--compare", "--json").output)["compared"]
    assert all(row["latency_seconds"]["longest"] > 1 for row in rows)
