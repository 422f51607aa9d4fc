"""A further contract has no fixed cost, and batches of its own."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from etl.cli.main import app
from etl.cost.batches import batches_of
from etl.cost.bill import bill, further_contract
from etl.cost.settings import Fleet, Pipeline, Trigger
from etl.cost.simulation import simulate

FLEET = Fleet(devices=100, rate=100.0)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["cost", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("trigger", ["queue", "schedule"])
def test_nothing_fixed_is_added_and_something_for_batches(trigger: Trigger):
    one = bill(FLEET, Pipeline(trigger=trigger))
    three = bill(FLEET, Pipeline(trigger=trigger, contracts=3))
    assert three.dollars("fixed") == one.dollars("fixed")
    fixed, batches = further_contract(three)
    assert fixed == 0.0
    assert batches > 0
    assert one.dollars() + 2 * batches == pytest.approx(three.dollars())
    assert further_contract(one) == (0.0, 0.0)


@given(
    rate=st.floats(0.01, 10_000),
    contracts=st.integers(1, 20),
    trigger=st.sampled_from(["queue", "schedule"]),
)
def test_executions_stay_and_no_batch_is_smaller_than_a_message(rate, contracts, trigger):
    fleet = Fleet(rate=rate)
    one = Pipeline(trigger=trigger)
    before, after = batches_of(fleet, one), batches_of(fleet, replace(one, contracts=contracts))
    assert after.executions == before.executions
    assert after.delay == before.delay
    assert before.messages >= after.messages >= 1
    assert after.messages * after.rate == pytest.approx(fleet.messages)
    assert before.rate <= after.rate <= before.rate * contracts * (1 + 1e-9)


def test_the_simulation_loads_a_batch_for_each():
    one, two = (simulate(FLEET, Pipeline(contracts=number)) for number in (1, 2))
    assert two.keeps_up
    assert two.starts == pytest.approx(one.starts, rel=0.1)
    assert two.transitions - one.transitions == pytest.approx(one.starts, rel=0.1)


def test_the_command_says_so_and_reads_the_number_from_the_settings(tmp_path):
    said = "contracts: 2; each after the first one adds $0.00 fixed (no alarm, metric or log group)"
    assert said in run("--contracts", "2")
    assert "contracts:" not in run()
    for name in ("one.toml", "two.toml"):
        (tmp_path / name).touch()
    settings = tmp_path / "pipeline.toml"
    settings.write_text('contracts = ["one.toml", "two.toml"]\n')
    assert said in run("--settings", str(settings))
    plain = json.loads(run("--settings", str(settings), "--contracts", "3", "--json"))
    assert plain["pipeline"]["contracts"] == 3
