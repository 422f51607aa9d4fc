"""What the IoT policy lets a device do follows from the contract's topic filter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.core.device_policy import BASIC_INGEST, device_policy, device_topic
from telemetry.contract.topics import (
    MAX_OTHER_WILDCARDS,
    MAX_SHARED_TOPIC_BYTES,
    TopicFilter,
    topic_faults,
)
from tests.permissions.policies import Named, Policies, Request

THING = "${!iot:Connection.Thing.ThingName}"
ACCOUNT, REGION, RULE = "123456789012", "us-gov-west-1", "r" * 64
"""The longest region, and a rule name that is longer than those of most stacks."""
MAX_POLICY_CHARACTERS = 2048
"""White space not counted (https://docs.aws.amazon.com/general/latest/gr/iot-core.html, 2026-11)."""
FILTERS = [
    "telemetry/fleet/+",
    "tele/+/SENSOR",
    "application/+/device/+/event/up",
    "v3/{app}/devices/{device}/up",
    "site/{device}/line/{line}",
    "a/{b}/{device}/{c}/{d}/up",
    "tele/{device}/#",
    "site/{site}/{device}/#",
    "{device}/up",
]


@pytest.mark.parametrize(
    ("topic_filter", "topic"),
    [
        ("telemetry/fleet/+", f"telemetry/fleet/{THING}"),
        ("telemetry/+/status", f"telemetry/{THING}/status"),
        ("site/+/device/+", f"site/*/device/{THING}"),
        ("site/{device}/line/{line}", f"site/{THING}/line/*"),
        ("telemetry/{device}/#", f"telemetry/{THING}/*"),
        ("telemetry/#", "telemetry/*"),
        ("telemetry/all", "telemetry/all"),
    ],
)
def test_the_devices_level_is_the_name_of_the_thing(topic_filter: str, topic: str) -> None:
    assert device_topic(TopicFilter.parse(topic_filter)) == topic


def test_a_device_may_connect_as_itself_and_publish_its_own_readings(
    resources: dict[str, Any],
) -> None:
    document = resources["DevicePolicy"]["Properties"]["PolicyDocument"]
    connect, publish = document["Statement"]
    assert connect["Action"] == ["iot:Connect"]
    assert connect["Resource"]["Fn::Sub"].endswith(f":client/{THING}")
    assert connect["Condition"] == {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}}
    assert publish["Action"] == ["iot:Publish", "iot:RetainPublish"]
    through_the_broker, to_the_rule = (one["Fn::Sub"] for one in publish["Resource"])
    assert through_the_broker.endswith(f":topic/telemetry/golden/{THING}")
    assert to_the_rule.endswith(f":topic/$aws/rules/${{TopicRule}}/telemetry/golden/{THING}")
    assert "Subscribe" not in json.dumps(document)


def document_of(topic_filter: str) -> dict[str, Any]:
    """The policy as AWS IoT holds it."""
    text = json.dumps(
        device_policy(TopicFilter.parse(topic_filter)), default=lambda sub: sub.to_dict()["Fn::Sub"]
    )
    for name, value in {
        "${AWS::Partition}": "aws-us-gov", "${AWS::Region}": REGION, "${AWS::AccountId}": ACCOUNT,
        "${TopicRule}": RULE, "${!": "${",
    }.items():  # fmt: skip
        text = text.replace(name, value)
    document: dict[str, Any] = json.loads(text)
    return document


def may_publish(topic_filter: str, topic: str) -> bool:
    """True if the device box-1 may publish to the topic."""
    statements = document_of(topic_filter)["Statement"]
    policies = Policies([Named("", one, "device") for one in statements], ACCOUNT)
    context = (("iot:Connection.Thing.ThingName", "box-1"),)
    resource = f"arn:aws-us-gov:iot:{REGION}:{ACCOUNT}:topic/{topic}"
    return policies.allow(Request("device", "iot:Publish", resource, context))


@pytest.mark.parametrize("topic_filter", FILTERS)
def test_a_device_may_publish_to_each_topic_of_its_own(topic_filter: str) -> None:
    for other in ("a", "box-2", "", "box-1"):
        topic = TopicFilter.parse(topic_filter).fill("box-1", lambda _, other=other: other)  # type: ignore[misc]
        direct = f"{BASIC_INGEST.replace('${TopicRule}', RULE)}/{topic}"
        assert may_publish(topic_filter, topic)
        assert may_publish(topic_filter, direct)


def test_before_an_open_end_a_device_may_not_repeat_its_name_before_other_levels() -> None:
    assert may_publish("site/{site}/{device}/#", "site/a/box-1/state/box-1")
    assert not may_publish("site/{site}/{device}/#", "site/a/box-1/box-1/state")
    assert not may_publish("site/{site}/{device}/#", "site/a/box-1/state/box-1/on")
    assert may_publish("tele/{device}/#", "tele/box-1/box-1/state")


LEVELS = st.sampled_from(
    ["box-1", "box-2", "", "a", "b", "up", "device", "event", "application", "site", "tele", "v3",
     "devices", "line", "SENSOR", "telemetry", "fleet", ".."]
)  # fmt: skip


@st.composite
def like(draw: st.DrawFn, topic_filter: str) -> str:
    """A topic that begins like one of the filter, with more levels here and there."""
    levels: list[str] = []
    for level in topic_filter.split("/"):
        wild = level in ("+", "#") or level.startswith("{")
        levels += draw(st.lists(LEVELS, min_size=1, max_size=3)) if wild else [level]
        levels += draw(st.lists(LEVELS, max_size=1))
    return "/".join(levels)


@given(st.data())
def test_no_topic_that_a_device_may_publish_to_has_another_in_the_devices_level(
    data: st.DataObject,
) -> None:
    topic_filter = data.draw(st.sampled_from(FILTERS))
    topic = data.draw(like(topic_filter))
    parsed = TopicFilter.parse(topic_filter)
    for path in (topic, f"$aws/rules/{RULE}/{topic}"):  # of which the second skips the filter
        if may_publish(topic_filter, path):
            assert parsed.device_of(topic) == "box-1"


@pytest.mark.parametrize("topic_filter", FILTERS)
def test_a_device_may_publish_to_no_topic_of_another(topic_filter: str) -> None:
    topic = TopicFilter.parse(topic_filter).fill("box-2", lambda _: "a")
    for stolen in (topic, f"$aws/rules/{RULE}/{topic}", f"$aws/things/box-1/shadow/{topic}"):
        assert not may_publish(topic_filter, stolen)


def test_without_the_denial_a_wildcard_would_hide_another_device() -> None:
    stolen = "application/1/device/box-2/device/box-1/event/up"
    topic_filter = "application/+/device/+/event/up"
    statements = document_of(topic_filter)["Statement"]
    resource = f"arn:aws-us-gov:iot:{REGION}:{ACCOUNT}:topic/$aws/rules/{RULE}/{stolen}"
    request = Request(
        "device", "iot:Publish", resource, (("iot:Connection.Thing.ThingName", "box-1"),)
    )
    allows = [one for one in statements if one["Effect"] == "Allow"]
    assert Policies([Named("", one, "device") for one in allows], ACCOUNT).allow(request)
    assert not Policies([Named("", one, "device") for one in statements], ACCOUNT).allow(request)


@pytest.mark.parametrize("others", range(MAX_OTHER_WILDCARDS + 1))
def test_the_longest_filters_fit_a_policy_of_aws(others: int) -> None:
    longest = MAX_SHARED_TOPIC_BYTES * MAX_OTHER_WILDCARDS // others if others else 256
    end = "/+" * others + "/{device}"
    topic_filter = "t" * (longest - len("/+") * (others + 1)) + end
    if others == 0:
        topic_filter = "t" * (256 - len(end)) + end
    assert list(topic_faults(topic_filter)) == []
    text = json.dumps(document_of(topic_filter), separators=(",", ":"))
    assert len(text) <= MAX_POLICY_CHARACTERS
