"""A topic filter has a level for the device anywhere, other wildcards with names, and ``#``."""

from __future__ import annotations

import pytest

from telemetry.contract.parse import parse_contract
from telemetry.contract.topics import TopicFilter, topic_faults
from telemetry.errors import ContractError

CONTRACT = """
name = "uplink"
topic = "v3/{app}/devices/{device}/up"
[table]
name = "uplinks"
key = ["device", "ts"]
[message.only]
"$topic.app" = "farm"
[columns.device]
type = "text"
from = "$topic.device"
max_length = 128
required = true
[columns.ts]
type = "timestamp"
required = true
[columns.app]
type = "text"
from = ["$message.app", "$topic.app"]
"""


@pytest.mark.parametrize(
    ("text", "mqtt", "device"),
    [
        ("telemetry/fleet/+", "telemetry/fleet/+", 2),
        ("tele/+/SENSOR", "tele/+/SENSOR", 1),
        ("application/+/device/+/event/up", "application/+/device/+/event/up", 3),
        ("v3/{app}/devices/{device}/up", "v3/+/devices/+/up", 3),
        ("site/{device}/+", "site/+/+", 1),
        ("{device}/up", "+/up", 0),
        ("tele/{device}/#", "tele/+/#", 1),
        ("site/+/#", "site/+/#", 1),
        ("plant/{line}/state", "plant/+/state", None),
        ("plant/#", "plant/#", None),
        ("plant/state", "plant/state", None),
    ],
)
def test_the_device_has_the_level_of_its_name_or_the_last_plus(
    text: str, mqtt: str, device: int | None
) -> None:
    topic = TopicFilter.parse(text)
    assert (topic.mqtt, topic.device_place) == (mqtt, device)
    assert list(topic_faults(text)) == []
    sent = topic.fill("box-1", lambda place: f"other{place}")
    assert topic.matches(sent)
    assert topic.device_of(sent) == (None if device is None else "box-1")


@pytest.mark.parametrize(
    ("text", "topic", "device"),
    [
        ("v3/{app}/devices/{device}/up", "v3/a/devices/b/up", "b"),
        ("v3/{app}/devices/{device}/up", "v3//devices/b/up", "b"),
        ("v3/{app}/devices/{device}/up", "v3/a/devices/b/up/more", None),
        ("v3/{app}/devices/{device}/up", "v3/a/devices/b", None),
        ("v3/{app}/devices/{device}/up", "v3/a/b/devices/c/up", None),
        ("tele/{device}/#", "tele/a/b/c", "a"),
        ("tele/{device}/#", "tele/a", None),  # AWS IoT delivers nothing from the level above #
    ],
)
def test_a_topic_of_another_form_is_no_devices(text: str, topic: str, device: str | None) -> None:
    assert TopicFilter.parse(text).device_of(topic) == device
    assert TopicFilter.parse(text).matches(topic) == (device is not None)


def test_a_named_level_is_a_source_and_a_condition() -> None:
    contract = parse_contract(CONTRACT.encode(), "uplink.toml")
    paths = [source.path for name in ("device", "app") for source in contract.column(name).sources]
    assert paths == [("topic", "3"), ("app",), ("topic", "1")]
    assert contract.only[0].source.path == ("topic", "1")


def test_a_name_that_the_topic_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(ContractError, match=r"names \{app\}, \{device\}; name it there"):
        parse_contract(CONTRACT.replace('"$topic.device"', '"$topic.site"').encode(), "u.toml")


@pytest.mark.parametrize("place", ["2", "5", "-1"])
def test_a_condition_may_be_on_a_level_of_the_open_end(place: str) -> None:
    text = CONTRACT.replace("v3/{app}/devices/{device}/up", "v3/{app}/{device}/#")
    text = text.replace('"$topic.app" = "farm"', f'"$topic[{place}]" = "up"')
    assert parse_contract(text.encode(), "u.toml").only[0].source.path == ("topic", place)


def test_a_condition_on_a_fixed_level_before_the_open_end_must_be_its_text() -> None:
    text = CONTRACT.replace("v3/{app}/devices/{device}/up", "v3/{app}/{device}/#")
    text = text.replace('"$topic.app" = "farm"', '"$topic[0]" = "v4"')
    with pytest.raises(ContractError, match="is always 'v3'"):
        parse_contract(text.encode(), "u.toml")
