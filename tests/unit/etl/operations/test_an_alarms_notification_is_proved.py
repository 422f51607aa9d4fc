"""``etl alarms test`` proves the notification, says why none came, or what it could not check."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from etl.cli.main import app
from etl.operations import alarm_delivery
from etl.operations.alarms import Alarm

TOPIC = "arn:aws:sns:eu-west-1:1:fleet-AlertTopic"


class Account:
    """SQS, SNS and CloudWatch, and whether they are let through."""

    stack = "fleet"

    def __init__(self, *, delivered: bool = True, allowed: bool = True) -> None:
        self.delivered, self.allowed = delivered, allowed
        self.reason = ""
        self.log: list[str] = []
        paginators = {
            "describe_alarm_history": [
                {"AlarmHistoryItems": [{"HistorySummary": "Failed to execute action: no key"}]}
            ],
            "list_subscriptions_by_topic": [
                {
                    "Subscriptions": [
                        {"SubscriptionArn": "arn:1", "Protocol": "email", "Endpoint": "me@x"},
                        {
                            "SubscriptionArn": "arn:2",
                            "Protocol": "sqs",
                            "Endpoint": "f-alarm-test-1",
                        },
                    ]
                }
            ],
        }
        self.services = SimpleNamespace(
            create_queue=self._create_queue,
            get_queue_attributes=lambda **_: {"Attributes": {"QueueArn": "arn:q"}},
            set_queue_attributes=lambda **given: self.log.append(given["Attributes"]["Policy"]),
            subscribe=lambda **_: self._made("subscribed") or {"SubscriptionArn": "arn:s"},
            unsubscribe=lambda **_: self._made("unsubscribed"),
            delete_queue=lambda **_: self._made("deleted"),
            receive_message=self._receive,
            set_alarm_state=self._fire,
            get_paginator=lambda name: SimpleNamespace(paginate=lambda **_: paginators[name]),
        )

    def client(self, _: str) -> Any:
        return self.services

    def _made(self, what: str) -> None:
        self.log.append(what)

    def _create_queue(self, **_: Any) -> dict[str, str]:
        if not self.allowed:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "CreateQueue")
        return {"QueueUrl": "url"}

    def _fire(self, *, StateReason: str, **_: Any) -> None:
        self.reason = StateReason
        self.log.append("fired")

    def _receive(self, **_: Any) -> dict[str, Any]:
        other = json.dumps({"Message": json.dumps({"NewStateReason": "another alarm"})})
        ours = json.dumps({"Message": json.dumps({"NewStateReason": self.reason})})
        bodies = ["no JSON", other, *([ours] if self.delivered else [])]
        return {"Messages": [{"Body": body} for body in bodies]}


def run_test(account: Account, state: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    one = Alarm("fleet-dead", "dead", state, datetime.now(UTC), "", "", (TOPIC,))  # type: ignore[arg-type]
    monkeypatch.setattr("etl.cli.alarms.target_of", lambda _: account)
    monkeypatch.setattr("etl.cli.alarms.alarm", lambda *_: one)
    monkeypatch.setattr("etl.operations.alarms.alarm", lambda *_: one)
    monkeypatch.setattr(alarm_delivery.Listener.received, "__defaults__", (0.05,))
    return CliRunner().invoke(app, ["alarms", "test", "dead", "--yes"])


def test_a_notification_that_comes_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account()
    done = run_test(account, "OK", monkeypatch)
    assert done.exit_code == 0, done.output
    assert f"its notification came through {TOPIC} after" in done.output
    assert "email me@x" in done.output
    assert "alarm-test" not in done.output
    policy, *rest = account.log
    assert json.loads(policy)["Statement"][0]["Condition"] == {
        "ArnEquals": {"aws:SourceArn": TOPIC}
    }
    assert rest == ["subscribed", "fired", "unsubscribed", "deleted"]


def test_one_that_does_not_come_is_an_error_with_cloudwatchs_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = Account(delivered=False)
    done = run_test(account, "OK", monkeypatch)
    assert done.exit_code == 1
    assert f"no notification has come through {TOPIC}" in " ".join(done.output.split())
    assert "Failed to execute action: no key" in " ".join(done.output.split())
    assert account.log[-2:] == ["unsubscribed", "deleted"]


def test_without_the_permission_to_listen_it_says_what_to_look_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = Account(allowed=False)
    done = run_test(account, "OK", monkeypatch)
    assert done.exit_code == 0
    told = " ".join(done.output.split())
    assert "not checked: no queue can be subscribed" in told
    assert "(AccessDenied)" in told
    assert "email me@x" in told
    assert account.log == ["fired"]


def test_an_alarm_that_is_firing_already_is_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account()
    done = run_test(account, "ALARM", monkeypatch)
    assert done.exit_code == 1
    assert "is firing already" in done.output
    assert account.log == []
