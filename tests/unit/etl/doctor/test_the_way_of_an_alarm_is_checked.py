"""Alarms notify a topic, the topic reaches somebody, and CloudWatch may publish to it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from etl.doctor import alarm_route
from etl.doctor.alarm_route import check_alarm_route
from etl.operations.alarms import Alarm
from etl.operations.channels import ChannelError, ListedChannel
from tests.unit.etl.doctor.stubbed import account

TOPIC = "arn:aws:sns:eu-central-1:123456789012:plant-alerts"
CONFIRMED = {"SubscriptionArn": f"{TOPIC}:6a1b", "Protocol": "email", "Endpoint": "ops@example.com"}
PENDING = {**CONFIRMED, "SubscriptionArn": "PendingConfirmation"}
SENT = 1.5
REFUSED = f"Failed to execute action {TOPIC}. Received error: not authorized"


def alarm(*actions: str) -> Alarm:
    short = "executions-failed"
    return Alarm(f"plant-{short}", short, "OK", datetime.now(UTC), "", "", actions)


@dataclass(frozen=True)
class Queue:
    """A queue that gets the notification after so many seconds, or never."""

    seconds: float | None

    def received(self, reason: str) -> float | None:
        assert "etl doctor" in reason
        return self.seconds


def checked(
    monkeypatch: pytest.MonkeyPatch,
    subscriptions: list[dict[str, str]],
    arrival: float | str | None,
    one: Alarm | None = None,
    outputs: dict[str, str] | None = None,
) -> dict[str, Any]:
    triggered: list[str] = []
    monkeypatch.setattr(alarm_route, "alarms", lambda _: [one or alarm(TOPIC)])
    monkeypatch.setattr(alarm_route, "trigger", lambda _, name, __: triggered.append(name))
    seconds = arrival if isinstance(arrival, float) else None
    monkeypatch.setattr(alarm_route, "listening", lambda *_: nullcontext(Queue(seconds)))
    with account() as aws:
        aws.target.__dict__["outputs"] = {"TopicArn": TOPIC, **(outputs or {})}
        if one is None:
            aws.answers("sns", "list_subscriptions_by_topic", {"Subscriptions": subscriptions})
        if one is None and seconds is None:
            items = [{"AlarmName": "plant-executions-failed", "HistorySummary": arrival or "Fired"}]
            aws.answers("cloudwatch", "describe_alarm_history", {"AlarmHistoryItems": items})
        found = list(check_alarm_route(aws.examination(may_send_canary=True)))
    assert triggered == ([] if one else ["plant-executions-failed"])
    return {result.name: result for result in found}


def test_a_notified_and_confirmed_topic_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = checked(monkeypatch, [CONFIRMED, PENDING], SENT)
    assert {one.status for one in found.values()} == {"pass"}
    assert found["alarms: subscribers"].finding == "1 confirmed, 1 not confirmed"
    assert "after 1.5 s" in found["alarms: route"].finding


def test_a_topic_that_cloudwatch_may_not_notify_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    route = checked(monkeypatch, [CONFIRMED], REFUSED)["alarms: route"]
    assert route.status == "fail"
    assert "not authorized" in route.finding


def test_a_notification_that_never_was_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(monkeypatch, [CONFIRMED], None)["alarms: route"].status == "fail"


def test_without_permission_to_listen_nothing_is_triggered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alarm_route, "alarms", lambda _: [alarm(TOPIC)])
    with account() as aws:
        aws.target.__dict__["outputs"] = {"TopicArn": TOPIC}
        aws.answers("sns", "list_subscriptions_by_topic", {"Subscriptions": [CONFIRMED]})
        aws.refuses("sqs", "create_queue")
        found = list(check_alarm_route(aws.examination(may_send_canary=True)))
    route = found[-1]
    assert route.status == "not checked"
    assert "(AccessDenied)" in route.finding
    assert "etl settings policy doctor" in route.remedy


@pytest.mark.parametrize(
    ("subscriptions", "remedy"),
    [([PENDING], "confirm the email that AWS sent"), ([], "set operation.alert_email, and deploy")],
)
def test_without_a_confirmed_subscription_no_one_would_know(
    subscriptions: list[dict[str, str]], remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = checked(monkeypatch, subscriptions, SENT)["alarms: subscribers"]
    assert (found.status, found.remedy) == ("fail", remedy)


def test_an_alarm_without_actions_fails_and_none_is_triggered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = checked(monkeypatch, [], None, one=alarm())
    assert found["alarms: actions"].status == "fail"
    assert list(found) == ["alarms: actions"]


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ([ListedChannel("slack", "hooks.slack.com")], "pass", "go to slack (hooks.slack.com)"),
        ([], "fail", "no channel has an address"),
        ([ListedChannel("slack", "", "Its address is wrong.")], "fail", "Its address is wrong"),
        (ChannelError("plant-notify failed."), "fail", "plant-notify failed"),
        (ClientError({"Error": {"Code": "AccessDenied"}}, "Invoke"), "not checked", "AccessDenied"),
    ],
)
def test_channels_that_reach_nobody_fail(
    monkeypatch: pytest.MonkeyPatch, answer: Any, status: str, words: str
) -> None:
    def listed(_: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(alarm_route, "listed_channels", listed)
    function = {**CONFIRMED, "Protocol": "lambda"}
    outputs = {"ChannelsSecretArn": "arn:aws:secretsmanager:eu-central-1:1:secret:C"}
    found = checked(monkeypatch, [function], SENT, outputs=outputs)
    assert found["alarms: channels"].status == status
    assert words in found["alarms: channels"].finding
    # The function that posts to channels is no subscriber that anybody reads.
    assert found["alarms: subscribers"].status == "fail"
