"""Alarms and failures reach Slack, Teams, PagerDuty and a webhook: deployed, and for real."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli.main import app
from tests.fixtures.channel_server import ChannelServer, channel_server
from tests.integration.etl.deployment.conftest import Account

STACK = "notifying"
ROUTING_KEY = "0123456789abcdef0123456789abcdef"
SECRET = "T000-B000-secretpart"
PATIENCE_SECONDS = 120.0


@pytest.fixture(scope="module")
def server() -> Iterator[ChannelServer]:
    with channel_server() as found:
        yield found


@pytest.fixture(scope="module")
def target(account: Account) -> Target:
    account.deploy(stack=STACK, channels=True)
    return account.target(STACK)


@pytest.fixture
def etl(target: Target, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Runs a command: its exit status and all that it prints."""
    monkeypatch.setattr("etl.cli.channels.target_of", lambda _: target)
    monkeypatch.setattr("etl.cli.alarms.target_of", lambda _: target)

    def run(*words: str, typed: str = "") -> tuple[int, str]:
        done = CliRunner().invoke(app, [*words], input=typed)
        return done.exit_code, done.output

    return run


def test_channels_are_set_tested_and_notified(
    target: Target, server: ChannelServer, etl: Callable[..., tuple[int, str]]
) -> None:
    assert "no channel has an address" in etl("channels", "list")[1]
    code, text = etl("channels", "test")
    assert code == 1
    assert "No channel has an address: etl channels set NAME." in text

    urls = {name: f"{server.url}/{name}/{SECRET}" for name in ("slack", "teams", "webhook")}
    for name, url in urls.items():
        code, text = etl("channels", "set", name, typed=f"{url}\n")
        assert (code, SECRET in text) == (0, False), text
    events = f"{server.url}/pagerduty/v2/enqueue"
    code, text = etl("channels", "set", "pagerduty", "--endpoint", events, typed=ROUTING_KEY)
    assert (code, ROUTING_KEY in text) == (0, False), text
    server.signing_key = etl("channels", "signing-key")[1].splitlines()[-1]
    assert len(server.signing_key) == 40

    listed = json.loads(etl("channels", "list", "--json")[1])
    assert {one["channel"]: one["host"] for one in listed} == dict.fromkeys(
        ("slack", "teams", "pagerduty", "webhook"), "127.0.0.1"
    )
    code, text = etl("channels", "test")
    assert code == 0, text
    assert text.count("delivered") == 4
    assert "slack delivered: 127.0.0.1 answered HTTP 200: ok" in text
    assert [one["event_action"] for one in server.got("/pagerduty/v2/enqueue")] == [
        "trigger",
        "resolve",
    ]

    code, text = etl("alarms", "test", "quarantined-batches", "--yes")
    assert code == 0, text
    incidents = _until(lambda: _about(server.got("/pagerduty/v2/enqueue"), "quarantined"), 2)
    fired, resolved = incidents
    assert (fired["event_action"], resolved["event_action"]) == ("trigger", "resolve")
    assert fired["dedup_key"] == resolved["dedup_key"]
    assert "The contract's checks quarantined batches" in fired["payload"]["summary"]
    for name in ("slack", "teams", "webhook"):
        messages = _until(lambda name=name: _about(server.got(f"/{name}/{SECRET}"), "quarant"), 2)
        assert f"etl --stack {STACK} quarantine list" in json.dumps(messages[0])
        assert "docs/runbook.md#quarantined-batches" in json.dumps(messages[0])
    webhook = _about(server.got(f"/webhook/{SECRET}"), "quarant")
    assert [one["kind"] for one in webhook] == ["firing", "resolved"]
    assert "Test by `etl alarms test`" in webhook[0]["reason"]
    # What is not an alarm goes to people, and opens no incident.
    before = len(server.got("/pagerduty/v2/enqueue"))
    target.client("sns").publish(
        TopicArn=target.outputs["TopicArn"],
        Subject="Telemetry ETL: batches failed",
        Message="2 of 3 batches failed: <!channel> [x](https://evil.example)",
    )
    _until(lambda: _about(server.got(f"/webhook/{SECRET}"), "2 of 3 batches failed"), 1)
    (slack,) = _until(lambda: _about(server.got(f"/slack/{SECRET}"), "2 of 3 batches"), 1)
    assert "<!channel>" not in json.dumps(slack)
    assert len(server.got("/pagerduty/v2/enqueue")) == before
    assert SECRET not in _logs(target)
    assert ROUTING_KEY not in _logs(target)


def test_an_alarm_comes_with_the_figures_of_the_queue(
    server: ChannelServer, etl: Callable[..., tuple[int, str]]
) -> None:
    def fired() -> list[dict[str, Any]]:
        found = _about(server.got(f"/webhook/{SECRET}"), "quarant")
        return [one for one in found if one["kind"] == "firing"]

    # One that can't have them in time goes without: on a busy machine, the next one has them.
    tries = 5
    for _ in range(tries):
        before = len(fired())
        assert etl("alarms", "test", "quarantined-batches", "--yes")[0] == 0
        latest = _until(lambda before=before: fired()[before:], 1)[-1]
        if latest["figures"]:
            break
    assert latest["figures"]["messages_waiting"] == 0


def test_a_channel_that_refuses_is_said_and_stops_no_other(
    target: Target, server: ChannelServer, etl: Callable[..., tuple[int, str]]
) -> None:
    path = f"/slack/{SECRET}"
    server.answers[path] = [(404, {}, f"no_service at {path}".encode())] * 2
    code, text = etl("channels", "test")
    assert code == 1
    assert "slack failed: 127.0.0.1 answered HTTP 404: no_service at /slack/***" in text
    assert text.count("delivered") == 3
    reached = len(server.got(f"/teams/{SECRET}"))
    assert etl("alarms", "test", "dead-letters", "--yes")[0] == 0
    _until(lambda: server.got(f"/teams/{SECRET}")[reached:], 2)
    # The failure is counted, and its alarm tells the channels that work.
    _until(lambda: _about(server.got(f"/teams/{SECRET}"), "notifications-failed is firing"), 1)
    assert "HTTP 404: no_service at /slack/***" in _logs(target)
    code, text = etl("channels", "remove", "slack")
    assert code == 0, text
    assert "slack" not in etl("channels", "list")[1]
    code, text = etl("channels", "remove", "slack")
    assert code == 1
    assert "Those that have one: teams, pagerduty, webhook." in text
    for wrong in (
        "http://example.com/x",
        "ftp://127.0.0.1/x",
        "https://u:p@example.com",
        "",
        "x y",
    ):
        code, text = etl("channels", "set", "webhook", typed=f"{wrong}\n")
        assert (code, "can't be used" in text) == (1, True), (wrong, text)


def test_a_pipeline_without_channels_says_how_to_have_them(
    account: Account, deployed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "ChannelsSecretArn" not in deployed
    monkeypatch.setattr("etl.cli.channels.target_of", lambda _: account.target("standing"))
    done = CliRunner().invoke(app, ["channels", "list"])
    assert done.exit_code == 1
    assert "has no channels. To have them: etl up --channels." in " ".join(done.output.split())


def _about(messages: list[dict[str, Any]], words: str) -> list[dict[str, Any]]:
    return [one for one in messages if words in json.dumps(one)]


def _until(ask: Callable[[], list[dict[str, Any]]], count: int) -> list[dict[str, Any]]:
    """What it finds once there are so many, within a long time."""
    end = time.monotonic() + PATIENCE_SECONDS
    while len(found := ask()) < count and time.monotonic() < end:
        time.sleep(0.2)
    assert len(found) >= count, found
    return found


def _logs(target: Target) -> str:
    group = target.outputs["NotifyLogGroupName"]
    events = target.client("logs").filter_log_events(logGroupName=group)["events"]
    return "\n".join(event["message"] for event in events)
