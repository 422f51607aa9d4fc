"""What the one policy of the devices allows where a pipeline has several contracts.

The policy is evaluated as AWS does it, with ``*`` for any text: what the check of overlapping topics
accepts must hold there.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from infrastructure.core.device_policy import device_policy
from infrastructure.core.shared_topics import check_topics
from telemetry.contract import Contract, ContractSet
from telemetry.contract.topics import TopicFilter, topic_faults
from telemetry.errors import ContractError
from tests.fixtures.telemetry_database import CONTRACT
from tests.permissions.policies import Named, Policies, Request

ACCOUNT = "123456789012"
HERE = f"arn:aws:iot:eu-west-1:{ACCOUNT}:topic/"
RULES = ("TopicRule", "TopicRuleSecond")


def pair(one: str, other: str) -> ContractSet:
    second: Contract = replace(CONTRACT, name="second", table="second", topic=other)
    return ContractSet((replace(CONTRACT, topic=one), second))


def is_accepted(one: str, other: str) -> bool:
    try:
        check_topics(pair(one, other))
    except ContractError:
        return False
    return True


def policies_of(one: str, other: str) -> Policies:
    text = json.dumps(
        device_policy(TopicFilter.parse(one), (RULES[1], TopicFilter.parse(other))),
        default=lambda sub: sub.to_dict()["Fn::Sub"],
    )
    for name, value in {
        "${AWS::Partition}": "aws", "${AWS::Region}": "eu-west-1", "${AWS::AccountId}": ACCOUNT,
        "${TopicRule}": RULES[0], "${TopicRuleSecond}": RULES[1], "${!": "${",
    }.items():  # fmt: skip
        text = text.replace(name, value)
    statements = json.loads(text)["Statement"]
    return Policies([Named("", one, "device") for one in statements], ACCOUNT)


def may_publish(policies: Policies, topic: str) -> bool:
    """True if the device box-1 may publish to the topic."""
    context = (("iot:Connection.Thing.ThingName", "box-1"),)
    return policies.allow(Request("device", "iot:Publish", HERE + topic, context))


def is_its_own(topic_filter: str, topic: str) -> bool:
    """True if the rule of the filter reads no other device in the topic than box-1."""
    parsed = TopicFilter.parse(topic_filter)
    return parsed.device_of(topic) in (None, "box-1")


LEVEL = st.sampled_from(["a", "b", "{x}", "{y}"])


@st.composite
def filters(draw: st.DrawFn) -> str:
    """A valid filter that begins with a fixed level, with or without a device's."""
    levels = draw(st.lists(LEVEL, max_size=3))
    device = draw(st.sampled_from([["{device}"], ["{device}"], []]))
    place = draw(st.integers(0, 3))
    end = draw(st.sampled_from([[], [], ["#"], ["up"]]))
    found = "/".join(("t", *levels[:place], *device, *levels[place:], *end))
    assume(not list(topic_faults(found)))
    return found


TOPICS = st.lists(
    st.sampled_from(["a", "b", "up", "box-1", "box-2", "c", ""]), min_size=1, max_size=6
).map(lambda levels: "/".join(("t", *levels)))


@given(one=filters(), other=filters(), topics=st.lists(TOPICS, min_size=20, max_size=60))
def test_no_topic_that_a_device_may_publish_to_is_another_device_s_for_any_contract(
    one: str, other: str, topics: list[str]
) -> None:
    assume(is_accepted(one, other))
    policies = policies_of(one, other)
    for topic in topics:
        if may_publish(policies, topic):
            assert is_its_own(one, topic)
            assert is_its_own(other, topic)


@given(one=filters(), other=filters(), level=st.sampled_from(["a", "b", "up", "c", "box-1"]))
def test_a_device_may_publish_each_topic_of_its_own_for_each_contract(
    one: str, other: str, level: str
) -> None:
    assume(is_accepted(one, other))
    policies = policies_of(one, other)
    for rule, topic_filter in zip(RULES, (one, other), strict=True):
        topic = TopicFilter.parse(topic_filter).fill("box-1", lambda _: level)
        assert may_publish(policies, topic)
        assert may_publish(policies, f"$aws/rules/{rule}/{topic}")


@given(one=filters(), other=filters(), topics=st.lists(TOPICS, min_size=5, max_size=20))
def test_directly_to_a_rule_a_device_publishes_only_the_topics_of_its_contract(
    one: str, other: str, topics: list[str]
) -> None:
    """The rule's filter is not checked on that way."""
    assume(is_accepted(one, other))
    policies = policies_of(one, other)
    for topic in topics:
        for rule, topic_filter in zip(RULES, (one, other), strict=True):
            if may_publish(policies, f"$aws/rules/{rule}/{topic}"):
                parsed = TopicFilter.parse(topic_filter)
                assert parsed.device_place is None or parsed.device_of(topic) == "box-1"


@pytest.mark.parametrize(
    ("one", "other", "stolen"),
    [
        ("t/{x}/{device}", "t/{device}/{x}", "t/box-2/box-1"),
        ("t/{device}/#", "t/{x}/{device}", "t/box-2/box-1"),
        ("t/{device}", "t/{x}", "t/box-2"),
    ],
)
def test_filters_are_refused_by_which_a_device_could_write_another_s_rows(
    one: str, other: str, stolen: str
) -> None:
    assert may_publish(policies_of(one, other), stolen)
    assert not (is_its_own(one, stolen) and is_its_own(other, stolen))
    assert not is_accepted(one, other)


def test_filters_are_refused_of_which_one_denies_the_other_s_topics() -> None:
    one, other = "site/{x}/{device}", "site/{x}/{y}/{device}"
    assert not may_publish(policies_of(one, other), "site/a/b/box-1")
    assert not is_accepted(one, other)
