"""The notify function against servers of this machine: failures, retries, TLS, and its own alarms."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from functions.notify import backlog, delivery, handler
from functions.notify.channel_secret import Address, Addresses
from functions.notify.delivery import deliver
from functions.notify.handler import ChannelUnavailableError, handle
from functions.notify.notification import Place, test_notification
from local.certificates import write_certificates
from telemetry import clients
from telemetry.errors import ConfigurationError
from tests.fixtures.aws_fakes import FakeAws
from tests.fixtures.channel_server import ChannelServer, channel_server
from tests.unit.functions.notify.test_a_notification_fits_each_channel import alarm, record

SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:ChannelsSecret-AbCdEf"
SECRET = "secretpart"
PATIENCE = 120.0
TEST = test_notification(Place(pipeline="plant", region="x"), "6a1b", datetime.now(UTC))


class Metrics:
    """CloudWatch, as far as the function asks it."""

    def __init__(self) -> None:
        self.queries: list[dict[str, Any]] = []
        self.broken = False

    def get_metric_data(self, **asked: Any) -> dict[str, Any]:
        if self.broken:
            raise OSError("no route")
        self.queries += asked["MetricDataQueries"]
        results = [
            {"Id": one["Id"], "Values": [3.0, 4.0] if "quarantined" in one["Id"] else []}
            for one in asked["MetricDataQueries"]
        ]
        return {"MetricDataResults": results}


@pytest.fixture
def server() -> Iterator[ChannelServer]:
    with channel_server() as found:
        found.signing_key = "key"
        yield found


@pytest.fixture
def metrics(
    aws: FakeAws, server: ChannelServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Metrics]:
    """The function's surroundings, with Slack and a webhook that have an address."""
    found = Metrics()
    monkeypatch.setitem(clients._clients, "cloudwatch", found)
    entries = {
        "signing_key": "key",
        "slack": {"url": f"{server.url}/slack/{SECRET}"},
        "webhook": {"url": f"{server.url}/webhook/{SECRET}"},
    }
    aws.secrets.values[SECRET_ARN] = json.dumps(entries)
    for name, value in {
        "CHANNELS_SECRET_ARN": SECRET_ARN, "PIPELINE": "plant", "QUEUE_NAME": "plant-queue",
        "DEAD_LETTER_QUEUE_NAME": "plant-dead", "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_REGION": "eu-central-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(delivery, "PAUSES", (0.0, 0.0))
    # However slow the machine: what is late is tested with limits of its own.
    monkeypatch.setattr(backlog, "MOST_SECONDS", PATIENCE)
    monkeypatch.setattr(delivery, "POST_SECONDS", PATIENCE)
    monkeypatch.setattr(handler, "deliver", partial(deliver, deadline=PATIENCE))
    handler._delivered.clear()
    handler._latest.clear()
    yield found
    handler._delivered.clear()
    handler._latest.clear()


def event(**changes: Any) -> dict[str, Any]:
    return {"Records": [record(alarm(**changes))]}


def failures(output: str) -> list[float]:
    """Values of the metric in what was written to standard output."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    found = (line["NotificationsFailed"] for line in lines if "NotificationsFailed" in line)
    return [value for values in found for value in values]


def test_each_channel_gets_the_message_with_the_figures(
    metrics: Metrics, server: ChannelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert handle(event()) == {"records": 1}
    (webhook,) = server.got(f"/webhook/{SECRET}")
    assert webhook["figures"] == {"batches_quarantined_24h": 7}
    assert len(server.got(f"/slack/{SECRET}")) == 1
    output = capsys.readouterr().out
    assert failures(output) == []
    assert SECRET not in output


def test_without_figures_the_message_still_comes(metrics: Metrics, server: ChannelServer) -> None:
    metrics.broken = True
    handle(event())
    (webhook,) = server.got(f"/webhook/{SECRET}")
    assert webhook["figures"] == {}


def test_a_refusal_is_counted_and_not_repeated(
    metrics: Metrics, server: ChannelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"/slack/{SECRET}"
    server.answers[path] = [(403, {}, b"invalid_token " + path.encode())]
    handle(event())
    output = capsys.readouterr().out
    assert failures(output) == [1]
    assert "answered HTTP 403: invalid_token /slack/***" in output
    assert SECRET not in output
    assert len(server.got(path)) == len(server.got(f"/webhook/{SECRET}")) == 1


def test_an_address_that_can_not_be_used_is_counted_and_stops_no_other(
    metrics: Metrics, server: ChannelServer, aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = json.loads(aws.secrets.values[SECRET_ARN])
    entries["slack"] = {"url": f"http://example.com/{SECRET}"}
    aws.secrets.values[SECRET_ARN] = json.dumps(entries)
    assert handle(event()) == {"records": 1}
    assert len(server.got(f"/webhook/{SECRET}")) == 1
    output = capsys.readouterr().out
    assert failures(output) == [1]
    assert SECRET not in output
    found = {one["channel"]: one for one in handle({"action": "test"})["channels"]}
    assert "has to begin with https://" in found["slack"]["answer"]
    assert found["webhook"]["delivered"] is True
    webhook, slack = handle({"action": "list"})["channels"]
    assert webhook == {"channel": "webhook", "host": "127.0.0.1", "problem": ""}
    assert slack["problem"] == found["slack"]["answer"]


def test_a_channel_that_is_away_is_tried_again_and_the_others_get_it_once(
    metrics: Metrics, server: ChannelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"/slack/{SECRET}"
    server.answers[path] = [(503, {}, b""), (429, {"Retry-After": "0"}, b""), (500, {}, b"")]
    with pytest.raises(ChannelUnavailableError, match="Not delivered yet to slack"):
        handle(event())
    assert len(server.got(path)) == 3
    assert failures(capsys.readouterr().out) == [1]
    # Lambda repeats the invocation with the same event.
    assert handle(event()) == {"records": 1}
    assert len(server.got(path)) == 4
    assert len(server.got(f"/webhook/{SECRET}")) == 1


def test_figures_that_are_late_are_not_waited_for(
    metrics: Metrics, server: ChannelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()
    monkeypatch.setattr(backlog, "MOST_SECONDS", 0.05)
    monkeypatch.setattr(metrics, "get_metric_data", lambda **_: answered.wait(60))
    try:
        handle(event())
    finally:
        answered.set()
    (webhook,) = server.got(f"/webhook/{SECRET}")
    assert webhook["figures"] == {}


def test_an_incident_is_not_triggered_after_it_was_resolved(
    metrics: Metrics, server: ChannelServer, aws: FakeAws
) -> None:
    entry = {"url": f"{server.url}/pagerduty", "routing_key": "a" * 32}
    aws.secrets.values[SECRET_ARN] = json.dumps({"signing_key": "key", "pagerduty": entry})
    server.answers["/pagerduty"] = [(503, {}, b"")] * 3
    fired = event()
    with pytest.raises(ChannelUnavailableError):
        handle(fired)
    over = event(
        NewStateValue="OK", OldStateValue="ALARM", StateChangeTime="2026-11-23T06:31:00.000+0000"
    )
    over["Records"][0]["Sns"]["MessageId"] = "7c2d"
    handle(over)
    handle(fired)  # repeated, a minute late
    tried = ["trigger"] * 3
    assert [one["event_action"] for one in server.got("/pagerduty")] == [*tried, "resolve"]


def test_a_redirect_is_not_followed(metrics: Metrics, server: ChannelServer) -> None:
    path, elsewhere = f"/slack/{SECRET}", f"{server.url}/elsewhere"
    server.answers[path] = [(307, {"Location": elsewhere}, b"")]
    found = {one["channel"]: one for one in handle({"action": "test"})["channels"]}
    assert found["slack"]["delivered"] is False
    assert "a redirect, which is not followed" in found["slack"]["answer"]
    assert found["webhook"]["delivered"] is True
    assert server.got("/elsewhere") == []


@pytest.mark.parametrize("name", sorted(handler.OWN_ALARMS))
def test_a_failure_to_tell_of_its_own_failure_is_not_counted(
    metrics: Metrics, server: ChannelServer, aws: FakeAws, capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:  # fmt: skip
    server.answers[f"/slack/{SECRET}"] = [(500, {}, b"")] * 3
    own = event(AlarmName=f"plant-{name}")
    assert handle(own) == {"records": 1}
    assert len(server.got(f"/webhook/{SECRET}")) == 1
    aws.secrets.values[SECRET_ARN] = "broken"
    assert handle(own) == {"records": 0}
    assert failures(capsys.readouterr().out) == []
    with pytest.raises(ConfigurationError):
        handle(event())


def test_the_alarms_of_the_function_are_known_to_it() -> None:
    from infrastructure.core.channels import CHANNEL_ALARMS

    assert {spec.name for spec in CHANNEL_ALARMS} == handler.OWN_ALARMS


def test_a_server_that_never_answers_delays_no_other(
    server: ChannelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait_for_one_first(running: Any, timeout: float) -> Any:
        wait(running, timeout=PATIENCE, return_when=FIRST_COMPLETED)
        return wait(running, timeout=timeout)

    monkeypatch.setattr(delivery, "POST_SECONDS", PATIENCE)
    monkeypatch.setattr(delivery, "wait", wait_for_one_first)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        addresses = Addresses(
            channels=(
                Address(channel="slack", url=f"http://127.0.0.1:{port}/"),
                Address(channel="teams", url=f"{server.url}/teams"),
            ),
            signing_key="key",
        )
        slack, teams = deliver(TEST, addresses, deadline=0.5)
    assert (slack.delivered, slack.retryable, teams.delivered) == (False, True, True)
    assert "no answer within 0.5 s" in slack.detail


def test_nobody_listens_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "POST_SECONDS", PATIENCE)
    monkeypatch.setattr(delivery, "PAUSES", (0.0, 0.0))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/{SECRET}"
    one = Address(channel="slack", url=url)
    (found,) = deliver(TEST, Addresses(channels=(one,), signing_key=""), deadline=PATIENCE)
    assert (found.delivered, found.retryable) == (False, True)
    assert found.detail == "127.0.0.1 can't be reached (ConnectionRefusedError)"


def test_only_a_certificate_of_a_known_authority_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_certificates(tmp_path, "127.0.0.1")
    monkeypatch.setattr(delivery, "POST_SECONDS", PATIENCE)
    with channel_server((tmp_path / "server.crt", tmp_path / "server.key")) as server:
        one = Address(channel="slack", url=f"{server.url}/slack/{SECRET}")
        addresses = Addresses(channels=(one,), signing_key="")
        (refused,) = deliver(TEST, addresses, deadline=PATIENCE)
        assert "the certificate of localhost can't be verified" in refused.detail
        assert (refused.delivered, refused.retryable) == (False, False)
        assert server.received == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
        (taken,) = deliver(TEST, addresses, deadline=PATIENCE)
        assert taken.delivered, taken.detail


def test_a_server_whose_answer_breaks_off_after_its_status_has_the_message(
    server: ChannelServer,
) -> None:
    """Asked again, it would show the message twice."""
    server.answers["/webhook"] = [(200, {"Content-Length": "100000"}, b"taken")]
    address = Address(channel="webhook", url=f"{server.url}/webhook")
    addresses = Addresses(channels=(address,), signing_key="k")
    sent = test_notification(Place(pipeline="p", region="r"), "id", datetime.now(UTC))
    (outcome,) = deliver(sent, addresses)
    assert outcome.delivered
    assert outcome.detail.endswith("HTTP 200: taken")
    assert len(server.got("/webhook")) == 1
