"""Alarms: judged by their own metric over their periods, ended by themselves, told by SNS."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

HERE = [{"Name": "Pipeline", "Value": "here"}]
ELSEWHERE = [{"Name": "Pipeline", "Value": "elsewhere"}]


@dataclass
class Bell:
    """An alarm on a metric of its own, and a queue that hears what its topic is told."""

    emulator: Any
    name: str
    topic: str
    ears: str

    def put(self, *values: tuple[float, float], dimensions: Any = HERE) -> None:
        """Values, each with its age in seconds."""
        now = datetime.now(UTC)
        self.emulator.client("cloudwatch").put_metric_data(
            Namespace="Test",
            MetricData=[
                {
                    "MetricName": self.name,
                    "Dimensions": dimensions,
                    "Timestamp": now - timedelta(seconds=age),
                    "Value": value,
                }
                for value, age in values
            ],
        )

    def set_up(self, **changes: Any) -> None:
        settings: dict[str, Any] = {
            "AlarmDescription": "It is too much. Look at it.",
            "Namespace": "Test",
            "MetricName": self.name,
            "Dimensions": HERE,
            "Statistic": "Maximum",
            "Period": 3600,
            "EvaluationPeriods": 1,
            "Threshold": 10,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": [self.topic],
            "OKActions": [self.topic],
        }
        self.emulator.client("cloudwatch").put_metric_alarm(
            AlarmName=self.name, **settings | changes
        )

    def told(self) -> dict[str, Any]:
        found = self.emulator.client("cloudwatch").describe_alarms(AlarmNames=[self.name])
        alarm: dict[str, Any] = found["MetricAlarms"][0]
        return alarm

    def becomes(self, state: str, seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while (now := self.told())["StateValue"] != state:
            assert time.monotonic() < deadline, now
            time.sleep(0.1)

    def is_evaluated(self) -> None:
        """Waits until the alarm has been looked at again, whatever came of it.

        All alarms are evaluated in turn: once another one has followed two changes, each of them
        was."""
        witness = Bell(self.emulator, f"{self.name}-witness", self.topic, self.ears)
        for missing, state in (("breaching", "ALARM"), ("notBreaching", "OK")):
            witness.set_up(TreatMissingData=missing, AlarmActions=[], OKActions=[])
            witness.becomes(state)

    def hears(self, state: str) -> dict[str, Any]:
        """The next message that tells this state."""
        sqs = self.emulator.client("sqs")
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            for message in sqs.receive_message(
                QueueUrl=self.ears, MaxNumberOfMessages=10, WaitTimeSeconds=1
            ).get("Messages", []):
                sqs.delete_message(QueueUrl=self.ears, ReceiptHandle=message["ReceiptHandle"])
                envelope = json.loads(message["Body"])
                content: dict[str, Any] = json.loads(envelope["Message"])
                if content["NewStateValue"] == state:
                    return content | {"Subject": envelope["Subject"]}
        raise AssertionError(f"nobody was told of {state}")


@pytest.fixture
def bell(emulator: Any) -> Bell:
    name = f"bell-{uuid.uuid4().hex[:8]}"
    sns, sqs = emulator.client("sns"), emulator.client("sqs")
    topic = sns.create_topic(Name=name)["TopicArn"]
    ears = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=ears, AttributeNames=["QueueArn"])
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
    return Bell(emulator, name, topic, ears)


def test_without_data_an_alarm_is_what_missing_data_are_taken_for(bell):
    bell.set_up()
    bell.becomes("OK")
    assert bell.told()["StateReason"] == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was "
        "treated as [NonBreaching]."
    )
    bell.set_up(TreatMissingData="breaching")
    bell.becomes("ALARM")
    bell.set_up(TreatMissingData="missing")
    bell.becomes("INSUFFICIENT_DATA")
    bell.set_up(TreatMissingData="ignore")
    bell.is_evaluated()
    assert bell.told()["StateValue"] == "INSUFFICIENT_DATA"


def test_an_alarm_hears_only_the_metric_with_its_own_dimensions(bell):
    bell.set_up()
    bell.put((99, 0), dimensions=ELSEWHERE)
    bell.put((99, 0), dimensions=[])
    bell.becomes("OK")
    bell.is_evaluated()
    assert bell.told()["StateValue"] == "OK"
    bell.put((99, 0))
    bell.becomes("ALARM")


def test_it_ends_by_itself_once_its_period_is_over(bell):
    bell.set_up(Period=60)
    deadline = time.monotonic() + 120
    while bell.told()["StateValue"] != "ALARM":  # again where a busy machine has missed it
        assert time.monotonic() < deadline
        bell.put((99, 55))  # five seconds are left of its period
        time.sleep(0.2)
    bell.becomes("OK")


def test_so_many_periods_of_so_many_have_to_breach(bell):
    bell.set_up(EvaluationPeriods=3, DatapointsToAlarm=2)
    bell.put((99, 9000), (1, 5000))
    bell.becomes("OK")
    bell.put((99, 1))
    bell.becomes("ALARM")


def test_a_percentile_and_a_sum_are_taken_of_each_period(bell):
    bell.put((1, 5), (1, 5), (99, 5))
    bell.set_up(Statistic="Sum", Threshold=101)
    bell.becomes("ALARM")
    settings = {"ExtendedStatistic": "p50", "Threshold": 2}
    client = bell.emulator.client("cloudwatch")
    client.delete_alarms(AlarmNames=[bell.name])
    client.put_metric_alarm(
        AlarmName=bell.name, Namespace="Test", MetricName=bell.name, Dimensions=HERE, Period=3600,
        EvaluationPeriods=1, ComparisonOperator="GreaterThanOrEqualToThreshold", **settings,
    )  # fmt: skip
    bell.becomes("OK")


def test_the_topic_is_reported_in_the_form_that_aws_documents(bell):
    bell.set_up()
    bell.hears("OK")
    bell.put((12, 0))
    content = bell.hears("ALARM")
    region = bell.emulator.region
    assert content["Subject"] == f'ALARM: "{bell.name}" in {content["Region"]}'
    assert content["Region"] != region  # in words
    assert content["AlarmDescription"] == "It is too much. Look at it."
    assert content["OldStateValue"] == "OK"
    assert content["AlarmArn"].endswith(f":alarm:{bell.name}")
    assert content["NewStateReason"].startswith(
        "Threshold Crossed: 1 out of the last 1 datapoints [12.0 ("
    )
    assert content["NewStateReason"].endswith(
        "was greater than or equal to the threshold (10.0) "
        "(minimum 1 datapoint for OK -> ALARM transition)."
    )
    assert datetime.strptime(content["StateChangeTime"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert content["Trigger"] == {
        "MetricName": bell.name, "Namespace": "Test", "StatisticType": "Statistic",
        "Statistic": "MAXIMUM", "Unit": None,
        "Dimensions": [{"value": "here", "name": "Pipeline"}], "Period": 3600,
        "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 10.0, "TreatMissingData": "notBreaching",
        "EvaluateLowSampleCountPercentile": "",
    }  # fmt: skip


def test_the_history_has_every_change_and_every_action(bell):
    bell.set_up()
    bell.becomes("OK")
    bell.put((12, 0))
    bell.becomes("ALARM")
    read: Callable[..., Any] = bell.emulator.client("cloudwatch").describe_alarm_history
    changes = read(AlarmName=bell.name, HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    assert [one["HistorySummary"] for one in changes[:2]] == [
        "Alarm updated from OK to ALARM",
        "Alarm updated from INSUFFICIENT_DATA to OK",
    ]
    after = json.loads(changes[0]["HistoryData"])["newState"]
    assert after["stateReason"] == bell.told()["StateReason"]
    assert after["stateReasonData"]["recentDatapoints"] == [12.0]
    actions = read(AlarmName=bell.name, HistoryItemType="Action")["AlarmHistoryItems"]
    assert {one["HistorySummary"] for one in actions} == {
        f"Successfully executed action {bell.topic}"
    }


def test_an_alarm_without_actions_notifies_no_one(bell):
    bell.set_up(ActionsEnabled=False)
    bell.put((12, 0))
    bell.becomes("ALARM")
    history = bell.emulator.client("cloudwatch").describe_alarm_history(
        AlarmName=bell.name, HistoryItemType="Action"
    )
    assert history["AlarmHistoryItems"] == []


@pytest.mark.slow
def test_a_state_that_is_set_by_hand_is_reported_and_judged_again_later(bell):
    bell.set_up()
    bell.hears("OK")
    bell.emulator.client("cloudwatch").set_alarm_state(
        AlarmName=bell.name, StateValue="ALARM", StateReason="a test"
    )
    assert bell.hears("ALARM")["NewStateReason"] == "a test"
    bell.hears("OK")
