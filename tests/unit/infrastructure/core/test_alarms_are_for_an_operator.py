"""Each alarm says what to do, tells the topic, and has its section in the runbook."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from etl.cli.main import app
from functions.inventory import function
from infrastructure.alarm_settings import AlarmSettings
from infrastructure.core.alarm_spec import LONGEST_DESCRIPTION, AlarmSpec
from infrastructure.core.alarms import ALARMS
from infrastructure.core.maintenance import MAINTENANCE_ALARM
from infrastructure.setting_fields import settings_of
from telemetry import errors
from telemetry.metric_table import METRICS

RUNBOOK = Path("docs/runbook.md")
IN_THE_RUNBOOK = (*ALARMS, MAINTENANCE_ALARM)
PARTS = ("What it means", "Look here first", "Likely causes", "Repair", "When to worry")


def sections() -> dict[str, str]:
    """The runbook's sections about alarms, by name."""
    parts = re.split(r"^## (.+)$", RUNBOOK.read_text(), flags=re.MULTILINE)[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    return {name: text for name, text in found.items() if re.fullmatch(r"[a-z]+(-[a-z]+)*", name)}


def names(spec: AlarmSpec) -> str:
    return spec.name


def test_every_alarm_has_its_section_and_every_section_its_alarm():
    assert list(sections()) == [spec.name for spec in IN_THE_RUNBOOK]


@pytest.mark.parametrize("spec", IN_THE_RUNBOOK, ids=names)
def test_a_section_says_all_that_someone_needs_at_night(spec):
    text = sections()[spec.name]
    assert [part for part in PARTS if f"**{part}.**" not in text] == []
    assert "etl " in text


@pytest.mark.parametrize("spec", IN_THE_RUNBOOK, ids=names)
def test_a_description_says_what_to_do_and_where_to_read_on(spec):
    assert spec.description.endswith(f"Runbook: docs/runbook.md#{spec.name}")
    assert "etl " in spec.first
    assert len(spec.description) <= LONGEST_DESCRIPTION


def commands_named() -> list[str]:
    """Every ``etl ...`` of the runbook and the descriptions, on one line."""
    page = re.sub(r"\s+", " ", RUNBOOK.read_text())
    found = re.findall(r"`(etl [^`]+)`", page)
    found += re.findall(r"^    (etl .+)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    for spec in IN_THE_RUNBOOK:
        found += re.findall(r"etl [^.;:,]+", spec.first)
    return sorted(set(found))


@pytest.mark.parametrize("told", commands_named())
def test_every_command_that_is_named_exists_with_its_options(told):
    words = shlex.split(told)[1:]
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert command.name != "etl", told
    if command.context_settings.get("ignore_unknown_options"):  # another program's, such as psql's
        return
    options = {name for parameter in command.params for name in parameter.opts}
    for word in words:
        if word.startswith("--"):
            assert word in options, told
    asked = [word for word in words if not word.startswith("-")]
    takes = [p for p in command.params if p.param_type_name == "argument"]
    if not takes and not options & set(words):
        assert asked == [], told


def test_every_error_and_parameter_that_is_named_exists(template):
    page = RUNBOOK.read_text()
    for name in set(re.findall(r"`([A-Z]\w+Error)`", page)):
        assert hasattr(errors, name), name
    for name in set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", page)) - set(METRICS):
        assert name in template["Parameters"] or hasattr(errors, name), name


def test_every_alarm_notifies_the_topic_when_it_begins_and_when_it_is_over(resources):
    alarms = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::CloudWatch::Alarm"]
    assert len(alarms) == len(ALARMS)
    for alarm in alarms:
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlertTopic"}]
        assert alarm["AlarmName"]["Fn::Sub"].startswith("${AWS::StackName}-")


def test_every_threshold_is_a_parameter_and_every_parameter_a_threshold(resources):
    alarms = json.dumps([r for r in resources.values() if r["Type"] == "AWS::CloudWatch::Alarm"])
    for one in settings_of(AlarmSettings):
        assert one.parameter in alarms, one.key


def test_the_alarm_on_silence_is_off_unless_asked_for(template, resources):
    assert resources["NoDataAlarm"]["Condition"] == "HasNoDataAlarm"
    assert template["Conditions"]["HasNoDataAlarm"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmAfterSilentMinutes"}, 0]}]
    }
    silence = resources["NoDataAlarm"]["Properties"]
    assert silence["TreatMissingData"] == "breaching"
    # CloudWatch looks back a day at most at periods this short.
    longest = template["Parameters"]["AlarmAfterSilentMinutes"]["MaxValue"]
    assert longest * silence["Period"] <= 86_400


def test_a_load_is_called_slow_before_lambda_ends_it(template):
    assert template["Parameters"]["AlarmAtLoadSeconds"]["Default"] < function("load").timeout


def test_only_alarms_of_this_account_and_stack_may_tell_the_topic(resources):
    # A request for the key that says nothing of the alarm isn't dropped: the topic's policy decides.
    for name, policy, absent in (
        ("AlertTopicPolicy", "PolicyDocument", ""), ("DataKey", "KeyPolicy", "IfExists")
    ):  # fmt: skip
        statements = resources[name]["Properties"][policy]["Statement"]
        (own,) = [one for one in statements if one.get("Sid") == "AlarmsOfThisStack"]
        assert own["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        condition = own["Condition"]
        assert set(condition) == {f"StringEquals{absent}", f"ArnLike{absent}"}
        assert condition[f"StringEquals{absent}"] == {
            "aws:SourceAccount": {"Ref": "AWS::AccountId"}
        }
        arn = condition[f"ArnLike{absent}"]["aws:SourceArn"]["Fn::Sub"]
        assert arn.endswith(":${AWS::AccountId}:alarm:${AWS::StackName}-*")
