"""What the IoT policy lets a device do follows from the contract's topic filter."""

from __future__ import annotations

import json

import pytest

from infrastructure.core.ingest import device_topic

THING = "${!iot:Connection.Thing.ThingName}"


@pytest.mark.parametrize(
    ("topic_filter", "topic"),
    [
        ("telemetry/fleet/+", f"telemetry/fleet/{THING}"),
        ("telemetry/+/status", f"telemetry/{THING}/status"),
        ("site/+/device/+", f"site/*/device/{THING}"),
        ("telemetry/fleet/#", f"telemetry/fleet/{THING}/*"),
        ("telemetry/all", "telemetry/all"),
    ],
)
def test_the_last_wildcard_is_the_name_of_the_thing(topic_filter, topic):
    assert device_topic(topic_filter) == topic


def test_a_device_may_connect_as_itself_and_publish_its_own_readings(resources):
    document = resources["DevicePolicy"]["Properties"]["PolicyDocument"]
    connect, publish = document["Statement"]
    assert connect["Action"] == ["iot:Connect"]
    assert connect["Resource"]["Fn::Sub"].endswith(f":client/{THING}")
    assert connect["Condition"] == {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}}
    assert publish["Action"] == ["iot:Publish"]
    through_the_broker, to_the_rule = (one["Fn::Sub"] for one in publish["Resource"])
    assert through_the_broker.endswith(f":topic/telemetry/golden/{THING}")
    assert to_the_rule.endswith(f":topic/$aws/rules/${{TopicRule}}/telemetry/golden/{THING}")
    assert "Subscribe" not in json.dumps(document)
