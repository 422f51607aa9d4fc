"""A further contract costs the alarms of its topic rule, and batches of its own."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from etl.cli.main import app
from etl.cost.batches import batches_of
from etl.cost.bill import bill, further_contract
from etl.cost.settings import Fleet, Pipeline, Trigger
from etl.cost.simulation import simulate
from etl.cost.usage import CONTRACT_ALARMS
from infrastructure.core.build import Artifacts, build_template
from infrastructure.settings import DeploySettings
from telemetry.contract import Contract, ContractSet, parse_contract

FLEET = Fleet(devices=100, rate=100.0)
EACH = Pipeline(delivery="mapping", observability="full")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["cost", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("trigger", ["queue", "schedule"])
def test_each_adds_its_alarms_and_its_batches(trigger: Trigger):
    one = bill(FLEET, replace(EACH, trigger=trigger))
    three = bill(FLEET, replace(EACH, trigger=trigger, contracts=3))
    fixed, batches = further_contract(three)
    assert fixed == pytest.approx(0.30)
    assert batches > 0
    assert one.dollars() + 2 * (fixed + batches) == pytest.approx(three.dollars())
    assert further_contract(one) == (0.0, 0.0)


def test_what_the_template_adds_is_what_the_bill_counts(
    contract: Contract, artifacts: Artifacts, settings: DeploySettings, definition: dict[str, Any]
):
    def types(contracts: ContractSet) -> Counter[str]:
        built = build_template(contracts, artifacts, settings, definition).to_dict()
        return Counter(one["Type"] for one in built["Resources"].values())

    text = b"name = 'other'\ntopic = 'other/{device}'\n[table]\nname = 'other'\n"
    text += b"key = ['at']\n[columns.at]\ntype = 'timestamp'\nrequired = true\n"
    alone = types(ContractSet.of([contract]))
    both = types(ContractSet.of([contract, parse_contract(text, "other.toml")]))
    assert both - alone == {"AWS::CloudWatch::Alarm": CONTRACT_ALARMS, "AWS::IoT::TopicRule": 1}
    assert alone - both == {}


@given(
    rate=st.floats(0.01, 10_000),
    contracts=st.integers(1, 20),
    trigger=st.sampled_from(["queue", "schedule"]),
)
def test_executions_stay_and_no_batch_is_smaller_than_a_message(rate, contracts, trigger):
    fleet = Fleet(rate=rate)
    one = replace(EACH, trigger=trigger)
    before, after = batches_of(fleet, one), batches_of(fleet, replace(one, contracts=contracts))
    assert after.executions == before.executions
    assert after.delay == before.delay
    assert before.messages >= after.messages >= 1
    assert after.messages * after.rate == pytest.approx(fleet.messages)
    assert before.rate <= after.rate <= before.rate * contracts * (1 + 1e-9)


def test_the_simulation_loads_a_batch_for_each():
    one, two = (simulate(FLEET, replace(EACH, contracts=number)) for number in (1, 2))
    assert two.keeps_up
    assert two.starts == pytest.approx(one.starts, rel=0.1)
    assert two.transitions - one.transitions == pytest.approx(one.starts, rel=0.1)


def test_the_command_says_so_and_reads_the_number_from_the_settings(tmp_path):
    said = "contracts: 2; each after the first one adds $0.30 per month fixed (alarms of its topic"
    assert said in run("--contracts", "2", "--observability", "full")
    assert "contracts:" not in run()
    for name in ("one.toml", "two.toml"):
        (tmp_path / name).touch()
    settings = tmp_path / "pipeline.toml"
    settings.write_text('contracts = ["one.toml", "two.toml"]\n')
    assert said in run("--settings", str(settings), "--observability", "full")
    plain = json.loads(run("--settings", str(settings), "--contracts", "3", "--json"))
    assert plain["pipeline"]["contracts"] == 3
