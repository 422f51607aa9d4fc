"""Any alarm becomes a message that each channel takes: within its limits, and with nothing alive."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.notify.channel_secret import CHANNELS, Address, Channel
from functions.notify.delivery import requests_for
from functions.notify.notification import (
    Figure,
    Notification,
    Place,
    parse_record,
    test_notification,
)
from functions.notify.pagerduty import dedup_key
from functions.notify.rendering import PostRequest, limited
from functions.notify.webhook import content_of
from tests.fixtures.channel_server import Received, problem_of

KEY = "signing"
AWS = Place(pipeline="plant", region="eu-central-1", runbook_url="https://docs.example.com/etl/")
LAPTOP = Place(pipeline="plant", region="us-east-1", local=True)
ARN = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:plant-quarantined-batches"
HOSTILE = "<!channel> <@U123> @everyone @here [x](https://evil.example) <at>all</at> `a` *b* \x1b[2J\x00\u202e &amp;"


def address(channel: Channel) -> Address:
    return Address(channel=channel, url=f"https://{channel}.example.com/hook", routing_key="a" * 32)


def record(message: Any, subject: str = "", sent: str = "2026-11-23T06:30:05.000Z") -> Any:
    text = message if isinstance(message, str) else json.dumps(message)
    return {"Sns": {"MessageId": "6a1b", "Subject": subject, "Message": text, "Timestamp": sent}}


def alarm(**changes: Any) -> dict[str, Any]:
    return {
        "AlarmName": "plant-quarantined-batches",
        "AlarmDescription": "The contract's checks quarantined batches. See why: etl quarantine "
        "list; then release or discard them. Runbook: docs/runbook.md#quarantined-batches",
        "NewStateValue": "ALARM",
        "OldStateValue": "OK",
        "NewStateReason": "Threshold Crossed: 1 datapoint [2.0] was greater than 1.0.",
        "StateChangeTime": "2026-11-23T06:30:00.123+0000",
        "AlarmArn": ARN,
        **changes,
    }


def problems(notification: Notification) -> list[str]:
    """What the channels would refuse, and how many requests they get."""
    found = []
    for channel in CHANNELS:
        for request in requests_for(notification, address(channel), KEY):
            received = Received("/", request.headers, request.body)
            if problem := problem_of(channel, received, KEY):
                found.append(f"{channel}: {problem}")
    return found


def contents(channel: Channel, notification: Notification) -> list[dict[str, Any]]:
    def content(request: PostRequest) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(request.body)
        return found

    return [content(one) for one in requests_for(notification, address(channel), KEY)]


def test_an_alarm_says_what_since_when_how_much_and_what_to_do() -> None:
    found = parse_record(record(alarm()), AWS).with_figures(
        (Figure(name="messages_waiting", label="Messages waiting in the queue", value=1_234),)
    )
    assert content_of(found) == {
        "version": 1,
        "id": "6a1b",
        "kind": "firing",
        "severity": "error",
        "pipeline": "plant",
        "alarm": "quarantined-batches",
        "incident": ARN,
        "subject": "plant: quarantined-batches is firing",
        "headline": "The contract's checks quarantined batches (alarm quarantined-batches).",
        "since": "2026-11-23T06:30:00+00:00",
        "reason": "Threshold Crossed: 1 datapoint [2.0] was greater than 1.0.",
        "first_step": "See why: etl quarantine list; then release or discard them.",
        "commands": ["etl --region eu-central-1 --stack plant quarantine list"],
        "runbook": "docs/runbook.md#quarantined-batches",
        "runbook_url": "https://docs.example.com/etl/docs/runbook.html#quarantined-batches",
        "console_url": "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region="
        "eu-central-1#alarmsV2:alarm/plant-quarantined-batches",
        "figures": {"messages_waiting": 1_234},
    }
    (slack,) = contents("slack", found)
    shown = json.dumps(slack)
    for words in (
        "FIRING: plant: quarantined-batches is firing", "Since: 2026-11-23 06:30:00 UTC",
        "Messages waiting in the queue: 1,234", "stack plant quarantine list",
        "<https://docs.example.com/etl/docs/runbook.html#quarantined-batches|Runbook>",
    ):  # fmt: skip
        assert words in shown
    assert problems(found) == []


def test_on_the_laptop_commands_name_no_region_and_no_console() -> None:
    found = parse_record(record(alarm()), LAPTOP)
    assert found.commands == ("etl --stack plant quarantine list",)
    assert (found.console_url, found.runbook_url) == ("", "")
    assert "Runbook: docs/runbook.md#quarantined-batches" in json.dumps(contents("slack", found))


@pytest.mark.parametrize(
    ("before", "after", "kind", "actions", "messages"),
    [
        ("OK", "ALARM", "firing", ["trigger"], 1),
        ("INSUFFICIENT_DATA", "ALARM", "firing", ["trigger"], 1),
        ("ALARM", "OK", "resolved", ["resolve"], 1),
        # As the alarms of a new pipeline do, all at once.
        ("INSUFFICIENT_DATA", "OK", "recovered", ["resolve"], 0),
    ],
)
def test_a_change_of_state_is_told_where_it_matters(
    before: str, after: str, kind: str, actions: list[str], messages: int
) -> None:
    found = parse_record(record(alarm(OldStateValue=before, NewStateValue=after)), AWS)
    assert found.kind == kind
    events = contents("pagerduty", found)
    assert [one["event_action"] for one in events] == actions
    assert {one["dedup_key"] for one in events} == {ARN}
    for channel in ("slack", "teams", "webhook"):
        assert len(contents(channel, found)) == messages, channel
    assert problems(found) == []


def test_a_loss_is_critical() -> None:
    from infrastructure.core.alarms import ALARMS
    from infrastructure.core.channels import CHANNEL_ALARMS
    from infrastructure.core.maintenance import MAINTENANCE_ALARM

    severities = {
        spec.name: parse_record(
            record(alarm(AlarmName=f"plant-{spec.name}", AlarmDescription=spec.description)), AWS
        ).severity
        for spec in (*ALARMS, *CHANNEL_ALARMS, MAINTENANCE_ALARM)
    }
    critical = {name for name, severity in severities.items() if severity == "critical"}
    assert critical == {"rule-error-action", "rule-throttled", "publishes-throttled"}


def test_a_message_of_the_workflow_goes_to_people_alone() -> None:
    found = parse_record(record("2 of 3 batches failed:\n a.gz\x1b[2J", "Batches failed"), AWS)
    assert (found.kind, found.subject) == ("message", "plant: Batches failed")
    assert found.headline == "2 of 3 batches failed: a.gz\\x1b[2J"
    assert contents("pagerduty", found) == []
    assert problems(found) == []


def test_a_test_leaves_no_incident_open() -> None:
    found = test_notification(AWS, "6a1b", datetime.now(UTC))
    trigger, resolve = contents("pagerduty", found)
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert trigger["payload"]["severity"] == "info"
    assert trigger["dedup_key"] == resolve["dedup_key"]
    assert problems(found) == []


def test_what_a_device_sent_is_neither_mention_nor_link_nor_markup() -> None:
    found = parse_record(
        record(alarm(NewStateReason=HOSTILE, AlarmDescription=HOSTILE, AlarmName=HOSTILE)), AWS
    )
    slack = json.dumps(contents("slack", found), ensure_ascii=False)
    assert re.findall(r"<[!@#]", slack) == []
    assert re.findall(r"@(?:everyone|here|U123)", slack) == []
    markdown = [
        block["text"]["text"]
        for (message,) in [contents("slack", found)]
        for block in message["blocks"]
        if block.get("text", {}).get("type") == "mrkdwn"
    ]
    assert not any("evil" in text for text in markdown if "CloudWatch" not in text)
    teams = json.dumps(contents("teams", found), ensure_ascii=False)
    assert "TextBlock" not in teams.replace("RichTextBlock", "")
    assert "mention" not in teams
    for channel in CHANNELS:
        for content in contents(channel, found):
            every = json.dumps(content, ensure_ascii=False)
            assert not re.search("[\x00\x1b\u202e]|\\\\u00(00|1b)", every)


TEXT = st.text(max_size=5_000) | st.sampled_from([HOSTILE, "&" * 4_000, "\U0001f4a3" * 4_000, "<>"])


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "AlarmName": TEXT, "AlarmDescription": TEXT, "NewStateReason": TEXT, "AlarmArn": TEXT,
            "StateChangeTime": TEXT, "OldStateValue": st.sampled_from(["OK", "ALARM", None]),
            "NewStateValue": st.sampled_from(["OK", "ALARM", 7]),
        },
    ),
    TEXT,
    st.sampled_from([AWS, LAPTOP]),
)  # fmt: skip
def test_any_alarm_is_within_the_limits_of_each_channel(
    changes: dict[str, Any], sent: str, place: Place
) -> None:
    figures = tuple(Figure(name=f"f{n}", label=f"Figure {n}", value=10**n) for n in range(6))
    found = parse_record(record(alarm(**changes), sent=sent), place).with_figures(figures)
    assert problems(found) == []


@given(TEXT, TEXT)
def test_any_text_is_within_the_limits_of_each_channel(text: str, subject: str) -> None:
    assert problems(parse_record(record(text, subject), AWS)) == []


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_a_text_is_cut_between_characters_once_it_is_escaped(text: str, most: int) -> None:
    def escape(plain: str) -> str:
        return plain.replace("&", "&amp;")

    cut = limited(text, most, escape)
    assert len(cut) <= most
    assert escape(text) == cut or (
        cut.endswith("…")
        and escape(text).startswith(cut[:-1])
        and "&" not in cut[:-1].replace("&amp;", "")
    )


@given(TEXT)
def test_an_incident_has_a_key_that_pagerduty_takes(name: str) -> None:
    assert len(dedup_key(name)) <= 255
    assert dedup_key(name) == dedup_key(name)


def test_the_page_shows_the_fields_that_there_are() -> None:
    with open("docs/how-to-notify.md", encoding="utf-8") as page:
        shown = json.loads(page.read().split("```json\n")[1].split("```")[0])
    assert list(shown) == list(content_of(test_notification(AWS, "6a1b", datetime.now(UTC))))
