"""The alarms of a stack, told by the stack itself: not those of another whose name begins alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli.main import app
from etl.operations.alarms import alarm, alarms, changes
from etl.operations.batch_selection import NotFoundError

MOMENT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
METRIC, COMPOSITE = "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"


class Account:
    """CloudFormation and CloudWatch of an account, as far as alarms need them."""

    def __init__(self, stacks: dict[str, list[tuple[str, str]]], states: dict[str, str]) -> None:
        self.stacks, self.states = stacks, states

    def get_paginator(self, name: str) -> Any:
        return Pages(self, name)

    def describe_alarms(self, *, AlarmNames: list[str], **_: Any) -> dict[str, Any]:
        assert len(AlarmNames) <= 100
        return {
            "MetricAlarms": [
                {
                    "AlarmName": name,
                    "StateValue": self.states.get(name, "OK"),
                    "StateUpdatedTimestamp": MOMENT,
                    "StateReason": "because",
                    "AlarmDescription": f"It is. See docs/platform.md#{name}"
                    if name.endswith("late")
                    else "It is.",
                    "AlarmActions": ["arn:topic"],
                    "ActionsEnabled": not name.endswith("silent"),
                }
                for name in AlarmNames
            ]
        }


class Pages:
    def __init__(self, account: Account, name: str) -> None:
        self.account, self.name = account, name

    def paginate(self, *, StackName: str = "", AlarmName: str = "", **_: Any) -> Any:
        if self.name == "describe_alarm_history":
            state = '{"oldState": {"stateValue": "%s"}, "newState": {"stateValue": "%s"}}'
            for before, after in (("OK", "ALARM"), ("INSUFFICIENT_DATA", "INSUFFICIENT_DATA")):
                yield {
                    "AlarmHistoryItems": [
                        {"Timestamp": MOMENT, "HistoryData": state % (before, after)}
                    ]
                }
            return
        if StackName not in self.account.stacks:
            error = {"Code": "ValidationError", "Message": f"Stack {StackName} does not exist"}
            raise ClientError({"Error": error}, "ListStackResources")
        for kind, physical in self.account.stacks[StackName]:
            yield {
                "StackResourceSummaries": [{"ResourceType": kind, "PhysicalResourceId": physical}]
            }


def target_with(stacks: dict[str, list[tuple[str, str]]], **states: str) -> Target:
    account = Account(stacks, {name.replace("_", "-"): state for name, state in states.items()})
    found = Target("fleet", _clients={"cloudwatch": account, "cloudformation": account})
    found.__dict__["outputs"] = {}
    return found


def test_those_that_fire_come_first_and_names_are_short():
    target = target_with(
        {"fleet": [(METRIC, "fleet-lag"), ("AWS::SQS::Queue", "fleet-q"), (METRIC, "fleet-a")]},
        fleet_lag="ALARM",
    )
    assert [(one.short, one.state) for one in alarms(target)] == [("lag", "ALARM"), ("a", "OK")]


def test_the_platform_stack_has_alarms_of_this_pipeline_too():
    arn = "arn:aws:cloudwatch:eu-west-1:1:alarm:fleet-rows-are-late"
    target = target_with({"fleet": [(METRIC, "fleet-lag")], "fleet-platform": [(COMPOSITE, arn)]})
    found = {one.short: one for one in alarms(target)}
    assert set(found) == {"lag", "rows-are-late"}
    assert found["lag"].runbook == "docs/runbook.md#lag"
    assert found["rows-are-late"].runbook == "docs/platform.md#fleet-rows-are-late"


def test_an_alarm_of_a_stack_whose_name_goes_on_is_another_pipelines():
    target = target_with(
        {"fleet": [(METRIC, "fleet-lag")], "fleet-two": [(METRIC, "fleet-two-lag")]}
    )
    assert [one.name for one in alarms(target)] == ["fleet-lag"]


def test_an_alarm_is_found_by_either_name_and_a_wrong_one_is_reported():
    target = target_with({"fleet": [(METRIC, "fleet-lag")]})
    assert alarm(target, "lag") == alarm(target, "fleet-lag")
    with pytest.raises(NotFoundError, match=r"There is no alarm 'leg'\. Alarms of this stack: lag"):
        alarm(target, "leg")


def test_that_an_alarm_was_made_is_no_change():
    target = target_with({"fleet": [(METRIC, "fleet-lag")]})
    assert [(one.before, one.after) for one in changes(target)] == [("OK", "ALARM")]


def test_one_whose_actions_are_off_is_said_to_notify_no_one(monkeypatch):
    target = target_with({"fleet": [(METRIC, "fleet-silent")]}, fleet_silent="ALARM")
    monkeypatch.setattr("etl.cli.alarms.target_of", lambda _: target)
    done = CliRunner().invoke(app, ["alarms"])
    assert "silent sends no notification" in done.output


def test_a_stack_without_alarms_says_so(monkeypatch):
    monkeypatch.setattr("etl.cli.alarms.target_of", lambda _: target_with({"fleet": []}))
    assert "the stack fleet has no alarms" in CliRunner().invoke(app, ["alarms"]).output
    history = CliRunner().invoke(app, ["alarms", "--history"])
    assert "no alarm has changed its state" in history.output
