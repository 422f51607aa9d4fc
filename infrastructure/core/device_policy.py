"""The policy of all devices: each connects as itself, and publishes under its own name alone.

Two paths lead to the topic rule: through the message broker, and directly by Basic Ingest
(``$aws/rules/<rule>/<topic>``), which carries no messaging charge; ``topic()`` in the rule is
without the prefix (https://docs.aws.amazon.com/iot/latest/developerguide/iot-basic-ingest.html,
read 2026-11). The rule's ``FROM`` isn't checked on the second, so only this policy limits a device
to its own topic.

The device's level is the name of the thing. Any other wildcard is ``*`` in the policy, which also
stands for several levels: ``site/*/device/box-1`` allows ``site/a/device/box-2/device/box-1``,
whose fourth level is another device. So topics in which such a wildcard has a slash are denied.
They have more levels than the filter, so that none of the device's own is denied; where the filter
ends in ``#``, those are in which the device's name comes again, before another level.

Where the filter has no level of the device, each device may publish to all topics of the filter:
these say what the publisher says, and only its client id says who it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from troposphere import Sub

from infrastructure.core.policies import allow, deny, document
from telemetry.contract.topics import TopicFilter

__all__ = ["BASIC_INGEST", "IOT_ARN", "crossing_topics", "device_policy", "device_topic"]

BASIC_INGEST = "$aws/rules/${TopicRule}"
"""Prefix (for ``Fn::Sub``) of a topic that avoids the charge for messaging."""
IOT_ARN = "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}:"
THING_NAME = "${!iot:Connection.Thing.ThingName}"
ANY = "*"
SEVERAL = "*/*"
"""Pattern of two levels or more."""


def device_policy(topic: TopicFilter) -> dict[str, Any]:
    """Policy document of the devices of a contract.

    A retained message needs ``iot:RetainPublish`` beside ``iot:Publish``; without it the broker
    ends the connection and drops the message. A last will needs no more than its topic
    (https://docs.aws.amazon.com/iot/latest/developerguide/retained-message-policy-examples.html
    and https://docs.aws.amazon.com/iot/latest/developerguide/connect-policy.html, read 2026-11).
    """
    connect = allow(
        ["iot:Connect"],
        Sub(f"{IOT_ARN}client/{THING_NAME}"),
        sid="AsItself",
        Bool={"iot:Connection.Thing.IsAttached": ["true"]},
    )
    publish = allow(
        ["iot:Publish", "iot:RetainPublish"],
        _on_both_paths([device_topic(topic)]),
        sid="ItsOwnReadings",
    )
    crossing = crossing_topics(topic)
    if not crossing:
        return document(connect, publish)
    return document(
        connect, publish, deny(["iot:Publish"], _on_both_paths(crossing), sid="OneLevelEach")
    )


def device_topic(topic: TopicFilter) -> str:
    """Pattern of the topics to which a device may publish, as text for ``Fn::Sub``."""
    return topic.fill(THING_NAME, lambda _: ANY)


def crossing_topics(topic: TopicFilter) -> list[str]:
    """Patterns of the topics in which a wildcard of one level stands for several.

    For each wildcard but the device's one pattern, as text for ``Fn::Sub``.
    """

    def crossing(place: int) -> str:
        return topic.fill(THING_NAME, lambda other: SEVERAL if other == place else ANY)

    return [crossing(place) for place in topic.other_places]


def _on_both_paths(topics: Sequence[str]) -> list[Sub]:
    return [
        Sub(f"{IOT_ARN}topic/{way}{topic}") for way in ("", f"{BASIC_INGEST}/") for topic in topics
    ]
