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

Each contract has a topic rule, and a device may publish the topics of all contracts, each directly
to its own rule alone. Filters that one policy can't keep apart are refused
(:mod:`infrastructure.core.shared_topics`).

Where the filter has no level of the device, each device may publish to all topics of the filter:
these say what the publisher says, and only its client id says who it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from troposphere import Sub

from infrastructure.core.policies import allow, deny, document
from infrastructure.core.topic_rules import FIRST_RULE
from telemetry.contract.topics import TopicFilter
from telemetry.errors import ContractError

__all__ = [
    "BASIC_INGEST",
    "IOT_ARN",
    "basic_ingest",
    "check_length",
    "crossing_topics",
    "device_policy",
    "device_topic",
]

BASIC_INGEST = "$aws/rules/${TopicRule}"
"""Prefix (for ``Fn::Sub``) of a topic that avoids the charge for messaging, of the first rule."""
LONGEST_POLICY = 2048
"""Characters of a policy of AWS IoT, blanks not counted
(https://docs.aws.amazon.com/general/latest/gr/iot-core.html, read 2026-11)."""
IOT_ARN = "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}:"
THING_NAME = "${!iot:Connection.Thing.ThingName}"
ANY = "*"
SEVERAL = "*/*"
"""Pattern of two levels or more."""
_LONGEST = {"Partition": "aws-us-gov", "Region": "ap-southeast-1", "AccountId": "1" * 12}
"""The longest values of pseudo parameters."""


def device_policy(topic: TopicFilter, *further: tuple[str, TopicFilter]) -> dict[str, Any]:
    """Policy document of the devices: for the first contract's topics, and for those of ``further``
    ones, each with the logical id of its rule.

    A retained message needs ``iot:RetainPublish`` beside ``iot:Publish``; without it the broker
    ends the connection and drops the message. A last will needs no more than its topic
    (https://docs.aws.amazon.com/iot/latest/developerguide/retained-message-policy-examples.html
    and https://docs.aws.amazon.com/iot/latest/developerguide/connect-policy.html, read 2026-11).
    """
    rules = ((FIRST_RULE, topic), *further)
    connect = allow(
        ["iot:Connect"],
        Sub(f"{IOT_ARN}client/{THING_NAME}"),
        sid="AsItself",
        Bool={"iot:Connection.Thing.IsAttached": ["true"]},
    )
    publish = allow(
        ["iot:Publish", "iot:RetainPublish"],
        _on_all_paths(rules, lambda each: [device_topic(each)]),
        sid="ItsOwnReadings",
    )
    crossing = _on_all_paths(rules, crossing_topics)
    if not crossing:
        return document(connect, publish)
    return document(connect, publish, deny(["iot:Publish"], crossing, sid="OneLevelEach"))


def check_length(policy: dict[str, Any], stack: str) -> None:
    """Raises :class:`ContractError` where the policy of a stack is too long in some region."""
    text = json.dumps(policy, default=lambda sub: sub.to_dict()["Fn::Sub"], separators=(",", ":"))
    for name, value in _LONGEST.items():
        text = text.replace(f"${{AWS::{name}}}", value)
    # CloudFormation names a rule by the stack, its logical id, and twelve characters.
    text = re.sub(r"\$\{(\w+)\}", rf"{stack}_\1_{'x' * 12}", text.replace("${!", "${iot::"))
    length = len(text.replace("${iot::", "${").replace(" ", ""))
    if length > LONGEST_POLICY:
        raise ContractError(
            f"The topics of all contracts make a policy of the devices of {length:,} characters; "
            f"AWS IoT takes {LONGEST_POLICY:,}. Shorten topics, use fewer wildcards beside the "
            "device's, or deploy some of the contracts as a pipeline of their own."
        )


def basic_ingest(rule: str) -> str:
    """:data:`BASIC_INGEST` of the rule of that logical id."""
    return BASIC_INGEST.replace(FIRST_RULE, rule)


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


def _on_all_paths(
    rules: Sequence[tuple[str, TopicFilter]], patterns: Callable[[TopicFilter], list[str]]
) -> list[Sub]:
    """Patterns of each rule's topics on both of its paths, each pattern once."""
    found = [
        f"{IOT_ARN}topic/{way}{pattern}"
        for rule, topic in rules
        for way in ("", f"{basic_ingest(rule)}/")
        for pattern in patterns(topic)
    ]
    return [Sub(pattern) for pattern in dict.fromkeys(found)]
