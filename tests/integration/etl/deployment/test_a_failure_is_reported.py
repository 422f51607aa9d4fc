"""A failure that really happens reaches who listens: from the workflow, and from an alarm.

The stack is deployed as it is; its functions run, its alarms are judged, its topic delivers to a
queue and to an HTTP endpoint.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli.main import app
from etl.operations.alarms import alarm, alarms, changes
from etl.operations.executions import Execution, follow, start
from etl.operations.metrics import all_signals
from tests.integration.etl.deployment.conftest import Account

STACK = "alarming"
Found = list[dict[str, Any]]


@pytest.fixture(scope="module")
def target(account: Account) -> Target:
    account.deploy(stack=STACK, trigger_mode="schedule")
    emulator = account.emulator
    local = SimpleNamespace(**vars(emulator))
    return Target(STACK, emulator.region, None, emulator.folder, local)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[tuple[str, Found]]:
    """A subscriber over HTTP on the loopback, and what it was sent."""
    received: Found = []

    class Subscriber(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Subscriber)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/alerts", received
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def heard(target: Target, endpoint: tuple[str, Found]) -> Callable[[], Found]:
    """Every notification of the stack's topic so far, by way of a queue."""
    sqs, sns = target.client("sqs"), target.client("sns")
    topic = target.outputs["TopicArn"]
    url = sqs.create_queue(QueueName="pager")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    asked = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint[0])
    assert asked["SubscriptionArn"]
    _confirm(sns, topic, endpoint[1])
    notifications: Found = []

    def receive() -> Found:
        told = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in told.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            notifications.append(json.loads(message["Body"]))
        return notifications

    return receive


def _confirm(sns: Any, topic: str, received: Found) -> None:
    """As AWS asks of an HTTP endpoint: with the token that it was sent."""
    asked = _until(lambda: [m for m in received if m["Type"] == "SubscriptionConfirmation"])
    sns.confirm_subscription(TopicArn=topic, Token=asked[0]["Token"])


def _until(look: Callable[[], Found], seconds: float = 120.0) -> Found:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def failed(target: Target, heard: Callable[[], Found]) -> Execution:
    """An execution over a batch that is no gzip, which no retry can help."""
    _until(lambda: [{}] if alarm(target, "executions-failed").state == "OK" else [])
    prefix = f"raw/{datetime.now(UTC):%Y/%m/%d}/broken/"
    key = f"{prefix}broken-1.n1.ndjson.gz"
    target.client("s3").put_object(Bucket=target.bucket, Key=key, Body=b"no gzip")
    *_, (execution, _) = follow(target, start(target, {"prefix": prefix}))
    assert execution.status == "FAILED"
    return execution


def test_the_workflow_says_what_failed_and_what_repairs_it(
    failed: Execution, heard: Callable[[], Found]
) -> None:
    (told,) = _until(lambda: [m for m in heard() if failed.name in m["Message"]])
    assert "BatchCorruptError" in told["Message"]
    assert f"etl replay --execution {failed.name}" in told["Message"]


def test_the_alarm_says_that_executions_fail_and_where_to_read_on(
    failed: Execution, heard: Callable[[], Found], endpoint: tuple[str, Found]
) -> None:
    wanted = f'ALARM: "{STACK}-executions-failed"'
    (told,) = _until(lambda: [m for m in heard() if m.get("Subject", "").startswith(wanted)])
    message = json.loads(told["Message"])
    assert message["NewStateValue"] == "ALARM"
    assert message["AlarmDescription"].endswith("Runbook: docs/runbook.md#executions-failed")
    assert message["Trigger"]["MetricName"] == "ExecutionsFailed"
    assert message["Trigger"]["Dimensions"][0]["value"].endswith(f":stateMachine:{STACK}")
    # The subscriber over HTTP has heard the same.
    _until(lambda: [m for m in endpoint[1] if m.get("Message") == told["Message"]])


def test_the_commands_show_the_alarm_its_reason_and_its_history(
    target: Target, failed: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    _until(lambda: [{}] if alarm(target, "executions-failed").state == "ALARM" else [])
    monkeypatch.setattr("etl.cli.alarms.target_of", lambda _: target)
    monkeypatch.setattr("etl.cli.metrics.target_of", lambda _: target)
    shown = CliRunner().invoke(app, ["alarms"])
    assert shown.exit_code == 0
    told = " ".join(shown.output.split())
    assert "executions-failed firing" in told.replace("│ ", "")
    assert "Runbook: docs/runbook.md#executions-failed" in told
    assert CliRunner().invoke(app, ["alarms", "--check"]).exit_code == 1
    listed = json.loads(CliRunner().invoke(app, ["alarms", "--json"]).stdout)
    assert listed[0]["short"] == "executions-failed"
    assert listed[0]["runbook"] == "docs/runbook.md#executions-failed"
    changed = json.loads(
        CliRunner().invoke(app, ["alarms", "history", "executions-failed", "--json"]).output
    )
    assert (changed[0]["before"], changed[0]["after"]) == ("OK", "ALARM")
    measured = CliRunner().invoke(app, ["metrics", "ExecutionsFailed", "--json"])
    (series,) = json.loads(measured.stdout)
    assert sum(point["value"] for point in series["points"]) == 1


def test_every_alarm_of_the_template_is_there_and_notifies_the_topic(target: Target) -> None:
    from infrastructure.core.alarms import ALARMS

    found = {one.short: one for one in alarms(target)}
    # The alarm on silence is off unless a setting says after how many minutes it fires.
    assert set(found) == {spec.name for spec in ALARMS} - {"no-data"}
    assert {one.actions for one in found.values()} == {(target.outputs["TopicArn"],)}
    assert {change.short for change in changes(target)} >= {"executions-failed", "dead-letters"}


def test_an_alarm_can_be_tried_out(
    target: Target, heard: Callable[[], Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.cli.alarms.target_of", lambda _: target)
    done = CliRunner().invoke(app, ["alarms", "test", "dead-letters", "--yes"])
    assert done.exit_code == 0
    assert re.search(r"sqs\s+arn:aws:sqs:.*:pager", done.output)
    assert re.search(r"its notification came through arn:aws:sns:\S+ after \d+\.\d s", done.output)
    assert "alarm-test" not in done.output  # the queue that listened is gone
    wanted = f'ALARM: "{STACK}-dead-letters"'
    (told,) = _until(lambda: [m for m in heard() if m.get("Subject", "").startswith(wanted)])
    assert "Test by `etl alarms test`" in json.loads(told["Message"])["NewStateReason"]
    unknown = CliRunner().invoke(app, ["alarms", "test", "dead-leters", "--yes"])
    assert unknown.exit_code == 1
    assert (
        "There is no alarm 'dead-leters'. Alarms of this stack: batches-need-attention"
        in unknown.output
    )


def test_every_line_of_a_failed_run_says_whose_it_is(target: Target, failed: Execution) -> None:
    logs = target.client("logs")
    seen: dict[str, set[str]] = {}
    for name in ("Extract", "Transform", "Summarize"):
        group = target.outputs[f"{name}LogGroupName"]
        for event in logs.filter_log_events(logGroupName=group)["events"]:
            if not event["message"].startswith("{"):
                continue  # Lambda's own START, END and REPORT, and the runtime's stack trace
            line = json.loads(event["message"])
            assert line["execution"] == failed.name, line
            assert re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{24}", line["xray_trace_id"]), line
            assert line["request_id"], line
            seen.setdefault(name, set()).add(line["xray_trace_id"])
            if name == "Transform":
                assert line["batch_id"] == "broken-1", line
    assert set(seen) == {"Extract", "Transform", "Summarize"}
    assert len(set().union(*seen.values())) == 1  # one trace, whatever function


def test_every_alarm_fires_when_what_it_listens_to_reaches_its_threshold(target: Target) -> None:
    cloudwatch = target.client("cloudwatch")
    measured = {(s.namespace, s.metric, frozenset(s.dimensions)) for s in all_signals(target)}
    names = [one.name for one in alarms(target)]
    listed = cloudwatch.describe_alarms(AlarmNames=names, MaxRecords=100)["MetricAlarms"]
    for told in listed:
        own = frozenset((one["Name"], one["Value"]) for one in told["Dimensions"])
        # An alarm on something that nobody measures would be silent for ever. One is a query, over
        # a metric with a dimension more than its own.
        if told["MetricName"] != "ErrorActionFailure":
            assert (told["Namespace"], told["MetricName"], own) in measured, told["AlarmName"]

    def all_fire() -> Found:
        """Reach every threshold: again each time, as no value lasts longer than its period."""
        for told in listed:
            _reach_threshold(cloudwatch, told)
        return [{}] if all(one.state == "ALARM" for one in alarms(target)) else []

    _until(all_fire)


def _reach_threshold(cloudwatch: Any, told: Any) -> None:
    """Put the value at which an alarm fires, in each of its periods that end now."""
    now = datetime.now(UTC)
    points = [
        {
            "MetricName": told["MetricName"],
            "Dimensions": told["Dimensions"],
            "Timestamp": now - timedelta(seconds=told["Period"] * period + 1),
            "Value": told["Threshold"],
        }
        for period in range(told["EvaluationPeriods"])
    ]
    cloudwatch.put_metric_data(Namespace=told["Namespace"], MetricData=points)
