"""Each level has the metrics, alarms, logs and traces that it says it has, and no more."""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import fnmatch
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.core.alarm_spec import AlarmSpec
from infrastructure.core.alarms import ALARMS, alarms_of
from infrastructure.core.build import build_template
from infrastructure.core.channels import CHANNEL_ALARMS
from infrastructure.core.levels import counts
from infrastructure.core.maintenance import MAINTENANCE_ALARM
from infrastructure.core.observability import rule_name, service_name
from infrastructure.settings import DeploySettings
from telemetry.contract import ContractSet
from telemetry.metric_table import LEVELS, METRICS, NAMESPACE, Level, covers, level_of, series
from telemetry.tracing import TRACE_SHARES
from tests.unit.infrastructure.platform.resolving import Resolved

EVERY_ALARM = (*ALARMS, *CHANNEL_ALARMS, MAINTENANCE_ALARM)
LOSS_AND_STANDSTILL = {
    "executions-failed",
    "executions-timed-out",
    "reject-share",
    "quarantined-batches",
    "batches-need-attention",
    "queue-age",
    "dead-letters",
    "rule-errors",
    "rule-error-action",
    "rule-throttled",
    "sweep-errors",
}
"""Alarms of every level: data is lost or rejected, waits, or is no longer retried."""


def resolved(template: dict[str, Any], settings: DeploySettings, level: Level) -> Resolved:
    parameters = replace(settings, observability=level).parameters("artifacts")
    return Resolved(template, parameters)


def made(resolved: Resolved, kind: str) -> dict[str, Any]:
    return {n: r["Properties"] for n, r in resolved.resources.items() if r["Type"] == kind}


@pytest.mark.parametrize("level", LEVELS)
def test_a_stack_has_what_the_counts_say(template, settings, level):
    stack, count = resolved(template, settings, level), counts(level)
    assert len(made(stack, "AWS::CloudWatch::Alarm")) == count.alarms
    assert len(made(stack, "AWS::CloudWatch::Dashboard")) == count.dashboards
    assert ("DashboardName" in stack.outputs) == bool(count.dashboards)
    machine = made(stack, "AWS::StepFunctions::StateMachine")["StateMachine"]
    assert machine["LoggingConfiguration"]["Level"] == count.log_level
    for function in made(stack, "AWS::Lambda::Function").values():
        assert function["LoggingConfig"]["SystemLogLevel"] == count.system_log_level
    rules = [one["SamplingRule"] for one in made(stack, "AWS::XRay::SamplingRule").values()]
    shares = [(rule["FixedRate"], rule["ReservoirSize"]) for rule in rules]
    assert shares == ([] if level == "full" else [(count.traces_share, 0)])


def test_below_full_only_the_state_machine_begins_a_trace(template, settings):
    for level in LEVELS:
        functions = made(resolved(template, settings, level), "AWS::Lambda::Function")
        passing = {n for n, one in functions.items() if one["TracingConfig"]["Mode"] != "Active"}
        assert passing == (set() if level == "full" else {"StageFunction", "SweepFunction"})


@pytest.mark.parametrize("level", LEVELS)
def test_no_alarm_refers_to_a_metric_that_the_level_does_not_record(level):
    for spec in EVERY_ALARM:
        if spec.namespace == NAMESPACE and covers(level, spec.level):
            assert covers(level, METRICS[spec.metric].level), spec.name


@pytest.mark.parametrize("level", LEVELS)
def test_no_resource_of_a_level_refers_to_one_that_it_lacks(template, settings, level):
    stack = resolved(template, settings, level)
    known = {*stack.resources, *template["Parameters"]}
    for name, body in (*stack.resources.items(), *stack.outputs.items()):
        for reference in stack.references(body):
            assert reference in known or reference.startswith("AWS::"), (name, reference)


def test_no_first_step_of_an_alarm_asks_for_a_metric_that_its_level_lacks():
    for spec in EVERY_ALARM:
        for name in re.findall(r"etl metrics (\w+)", spec.first):
            if name in METRICS:
                assert covers(spec.level, METRICS[name].level), spec.name


def test_alarms_on_loss_and_standstill_are_in_every_level(template, settings):
    lean = {spec.name for spec in ALARMS if spec.level == "lean" and not spec.is_optional}
    assert lean == LOSS_AND_STANDSTILL
    stack = resolved(template, settings, "lean")
    names = {
        alarm["AlarmName"]["Fn::Sub"].partition("-")[2]
        for alarm in made(stack, "AWS::CloudWatch::Alarm").values()
    }
    assert names == LOSS_AND_STANDSTILL


def test_the_alarm_on_silence_can_be_had_at_every_level(template, settings):
    silent = replace(settings, alarms=replace(settings.alarms, no_data_minutes=30))
    for level in LEVELS:
        assert "NoDataAlarm" in resolved(template, silent, level).resources


def test_each_level_has_all_that_the_one_before_has():
    found = [counts(level) for level in LEVELS]
    for less, more in pairwise(found):
        for name in ("metrics", "alarms", "dashboards", "traces_share", "contract_alarms"):
            assert getattr(less, name) <= getattr(more, name), name
    assert found[0].metrics <= 10
    assert 6 <= found[0].alarms <= 11


def test_full_is_all_there_is():
    full = counts("full")
    assert full.metrics == series()
    assert full.alarms == sum(not spec.is_optional for spec in ALARMS)
    assert (full.channel_metrics, full.channel_alarms) == (1, len(CHANNEL_ALARMS))


@pytest.mark.parametrize("level", LEVELS)
def test_options_add_what_the_counts_say(
    contract, artifacts, settings, definition, template, level
):
    """Channels, a further contract and partitions."""
    before = len(made(resolved(template, settings, level), "AWS::CloudWatch::Alarm"))
    second = replace(contract, name="status", table="status", topic="status/+", partition="day")
    contracts, several = ContractSet((contract, second)), replace(settings, channels=True)
    built = build_template(contracts, artifacts, several, definition).to_dict()
    after = made(resolved(built, several, level), "AWS::CloudWatch::Alarm")
    count = counts(level)
    added = count.contract_alarms + count.channel_alarms + count.maintenance_alarms
    assert len(after) == before + added
    assert len(alarms_of(contracts)) == len(ALARMS) + 3


def test_the_default_is_lean_on_aws_and_full_on_this_machine():
    from infrastructure.setting_fields import settings_of

    (one,) = [s for s in settings_of(DeploySettings) if s.key == "operation.observability"]
    assert (one.default, one.local, one.choices) == ("lean", "full", LEVELS)


def test_a_function_of_no_known_level_reports_all():
    assert level_of(None) == level_of("") == level_of("loud") == "full"
    assert TRACE_SHARES.keys() == set(LEVELS)


def test_an_alarm_has_one_condition():
    with pytest.raises(ValueError, match="two conditions"):
        AlarmSpec(
            name="x", namespace="", metric="", dimensions={}, statistic="Sum", threshold=1,
            meaning="", first="", condition="HasNoDataAlarm", level="standard",
        )  # fmt: skip


@given(st.text("ab-", min_size=1, max_size=128))
def test_the_name_of_a_sampling_rule_is_short_and_the_stacks_own(stack):
    name = rule_name(stack)
    assert len(name) <= 32
    assert name[:23] == stack[:23]
    assert rule_name(f"{stack}-other") != name
    assert fnmatch(stack, service_name(stack))
    assert len(service_name(stack)) <= 64
