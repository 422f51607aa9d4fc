"""Devices that try to be another, and clients that are nobody: nothing of theirs reaches the queue.

Under the policy and the topic rule of the template itself.
"""

from __future__ import annotations

import base64
import datetime
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infrastructure.core.device_policy import device_policy
from infrastructure.core.ingest import RULE_SELECT
from telemetry.contract.topics import TopicFilter
from tests.fixtures.local import EmulatorStack
from tests.integration.local.emulator.test_devices import PATIENCE_SECONDS, Device


@dataclass
class Site:
    """A fleet of its own: topics, policy, rule and queue as a deployment makes them."""

    emulator: EmulatorStack
    folder: Path
    base: str
    filter: TopicFilter
    policy: str
    queue: str
    rule: str

    def device(self) -> Device:
        return Device(self.emulator, self.folder, self.policy)

    def topic(self, device: Device) -> str:
        return self.filter.fill(device.name, lambda _: "a")

    def arrived(self, least: int = 0) -> list[dict[str, Any]]:
        """What lies in the queue, once so many messages have come and no more do."""
        sqs, found = self.emulator.client("sqs"), []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            messages = sqs.receive_message(
                QueueUrl=self.queue, WaitTimeSeconds=1, MaxNumberOfMessages=10
            ).get("Messages", [])
            found += [json.loads(message["Body"]) for message in messages]
            if not messages and len(found) >= least:
                break
        return found


def deployed(emulator: EmulatorStack, folder: Path, below: str) -> Site:
    """A site whose devices publish below a level of its own."""
    unique = uuid.uuid4().hex[:8]
    base, rule = f"telemetry/{unique}", f"r_{unique}"
    topic = TopicFilter.parse(f"{base}/{below}")
    document = json.dumps(device_policy(topic), default=lambda sub: sub.to_dict()["Fn::Sub"])
    for name, value in {
        "${AWS::Partition}": "aws", "${AWS::Region}": "us-east-1", "${TopicRule}": rule,
        "${AWS::AccountId}": "000000000000", "${!iot:": "${iot:",
    }.items():  # fmt: skip
        document = document.replace(name, value)
    iot, sqs = emulator.client("iot"), emulator.client("sqs")
    iot.create_policy(policyName=f"p-{unique}", policyDocument=document)
    hidden = {"VisibilityTimeout": "600"}  # what was received does not come again
    queue = sqs.create_queue(QueueName=f"q-{unique}", Attributes=hidden)["QueueUrl"]
    role = "arn:aws:iam::000000000000:role/any"
    action = {"sqs": {"roleArn": role, "queueUrl": queue, "useBase64": False}}
    iot.create_topic_rule(
        ruleName=rule,
        topicRulePayload={
            "sql": f"{RULE_SELECT} FROM '{topic.mqtt}'",
            "awsIotSqlVersion": "2016-03-23",
            "actions": [action],
        },
    )
    return Site(emulator, folder, base, topic, f"p-{unique}", queue, rule)


@pytest.fixture
def site(emulator: EmulatorStack, tmp_path: Path) -> Site:
    return deployed(emulator, tmp_path, "+")


@pytest.fixture
def uplinks(emulator: EmulatorStack, tmp_path: Path) -> Site:
    """The device's level is in the middle, behind another wildcard."""
    return deployed(emulator, tmp_path, "{app}/device/{device}/up")


@pytest.fixture
def victim(site: Site) -> Iterator[Device]:
    one = site.device()
    assert one.connect()
    yield one
    one.close()


@pytest.fixture
def thief(site: Site) -> Iterator[Device]:
    one = site.device()
    yield one
    one.close()


def others_topics(site: Site, thief: Device, victim: Device) -> list[str]:
    own, other = site.topic(thief), site.topic(victim)
    return [
        other,
        other.upper(),
        f"{own}/../{victim.name}",
        f"{site.base}//{victim.name}",
        f"/{other}",
        f"{other}/",
        f"{own}/x",
        f"{site.base}/",
        "$aws/things/" + victim.name + "/shadow/update",
        f"$aws/rules/{site.rule}",
        f"$aws/rules/{site.rule}/{other}",
        f"$aws/rules/{site.rule}/{own}/../{victim.name}",
        f"$aws/rules/another/{own}",
    ]


@pytest.mark.parametrize("qos", [0, 1])
def test_a_device_that_publishes_as_another_is_cut_off_and_nothing_arrives(
    site: Site, victim: Device, qos: int
) -> None:
    for number in range(len(others_topics(site, victim, victim))):
        thief = site.device()
        assert thief.connect()
        thief.client.publish(others_topics(site, thief, victim)[number], b"stolen", qos=qos)
        assert thief.ended.wait(PATIENCE_SECONDS)
        assert not (qos and thief.acknowledged.is_set())
        thief.close()
    victim.client.publish(site.topic(victim), b"own", qos=1)
    assert victim.acknowledged.wait(PATIENCE_SECONDS)
    (only,) = site.arrived(least=1)
    assert (only["topic"], only["client_id"]) == (site.topic(victim), victim.name)
    assert base64.b64decode(only["payload"]) == b"own"


def others_uplinks(site: Site, thief: Device, victim: Device) -> list[str]:
    base, own, other = site.base, thief.name, victim.name
    through_the_broker = [
        f"{base}/a/device/{other}/up",
        f"{base}/a/device/{other}/device/{own}/up",
        f"{base}/device/{other}/up/device/{own}/up",
        f"{base}/a/b/device/{own}/up",
        f"{base}/a/device/{own}/up/more",
        f"a/device/{own}/up",
    ]
    return [
        *through_the_broker,
        *(f"$aws/rules/{site.rule}/{topic}" for topic in through_the_broker),
    ]


def test_no_wildcard_lets_a_device_publish_as_another(uplinks: Site) -> None:
    victim = uplinks.device()
    assert victim.connect()
    for number in range(len(others_uplinks(uplinks, victim, victim))):
        thief = uplinks.device()
        assert thief.connect()
        thief.client.publish(others_uplinks(uplinks, thief, victim)[number], b"stolen", qos=1)
        assert thief.ended.wait(PATIENCE_SECONDS)
        assert not thief.acknowledged.is_set()
        thief.close()
    for app in ("a", "b"):
        topic = f"{uplinks.base}/{app}/device/{victim.name}/up"
        victim.client.publish(topic, b"own", qos=1)
    found = uplinks.arrived(least=2)
    assert {each["topic"].split("/")[2] for each in found} == {"a", "b"}
    assert {each["client_id"] for each in found} == {victim.name}
    victim.close()


def test_where_no_level_is_the_devices_the_client_id_alone_says_who_it_was(
    emulator: EmulatorStack, tmp_path: Path
) -> None:
    shared = deployed(emulator, tmp_path, "device/{about}/up")
    bridge, other = shared.device(), shared.device()
    assert bridge.connect()
    bridge.client.publish(f"{shared.base}/device/{other.name}/up", b"1", qos=1)
    (only,) = shared.arrived(least=1)
    assert only["topic"].split("/")[3] == other.name
    assert only["client_id"] == bridge.name
    bridge.client.publish(f"{shared.base}/device/x/{other.name}/up", b"2", qos=1)
    assert bridge.ended.wait(PATIENCE_SECONDS)
    bridge.close()
    assert shared.arrived() == []


def test_a_retained_message_arrives_once_and_only_under_its_own_topic(site: Site) -> None:
    own, other = site.device(), site.device()
    assert own.connect()
    own.client.publish(site.topic(own), b"kept", qos=1, retain=True)
    assert own.acknowledged.wait(PATIENCE_SECONDS)
    own.acknowledged.clear()
    own.client.publish(site.topic(other), b"stolen", qos=1, retain=True)
    assert own.ended.wait(PATIENCE_SECONDS)
    (only,) = site.arrived(least=1)
    assert (only["topic"], base64.b64decode(only["payload"])) == (site.topic(own), b"kept")
    own.close()


@pytest.mark.parametrize("retain", [False, True])
def test_a_last_will_arrives_as_a_message_of_its_device(site: Site, retain: bool) -> None:
    own = site.device()
    assert own.connect(will=site.topic(own), retain=retain)
    own.lose_the_connection()
    (only,) = site.arrived(least=1)
    assert (only["topic"], only["client_id"]) == (site.topic(own), own.name)
    assert base64.b64decode(only["payload"]) == b"gone"


def test_a_device_with_a_last_will_as_another_is_not_connected(site: Site, victim: Device) -> None:
    thief = site.device()
    assert not thief.connect(will=site.topic(victim))
    thief.close()
    assert site.arrived() == []


def test_a_device_may_listen_to_no_one(site: Site, victim: Device, thief: Device) -> None:
    heard: list[bytes] = []
    assert thief.connect()
    thief.client.on_message = lambda _c, _u, message: heard.append(message.payload)
    granted: list[Any] = []
    thief.client.on_subscribe = lambda _c, _u, _m, codes, _p: granted.extend(codes)
    thief.client.subscribe("#", qos=1)
    victim.client.publish(site.topic(victim), b"secret", qos=1)
    assert victim.acknowledged.wait(PATIENCE_SECONDS)
    assert len(site.arrived(least=1)) == 1
    assert heard == []
    assert all(code.is_failure for code in granted)


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_a_certificate_that_was_withdrawn_is_refused(
    site: Site, thief: Device, status: str
) -> None:
    assert thief.connect()
    thief.close()
    thief.iot.update_certificate(certificateId=thief.certificate_id, newStatus=status)
    for event in (thief.connected, thief.ended):
        event.clear()
    assert not thief.connect()


def test_a_certificate_that_was_deleted_is_refused(site: Site, thief: Device) -> None:
    certificate = thief.iot.describe_certificate(certificateId=thief.certificate_id)
    arn = certificate["certificateDescription"]["certificateArn"]
    thief.iot.detach_thing_principal(thingName=thief.name, principal=arn)
    thief.iot.detach_policy(policyName=site.policy, target=arn)
    thief.iot.update_certificate(certificateId=thief.certificate_id, newStatus="INACTIVE")
    thief.iot.delete_certificate(certificateId=thief.certificate_id)
    assert not thief.connect()


def test_a_certificate_of_another_authority_is_refused(site: Site, thief: Device) -> None:
    _sign_oneself(thief)
    assert is_refused(thief)
    assert site.arrived() == []


def test_the_key_of_another_does_not_fit_a_certificate(site: Site, thief: Device) -> None:
    other = site.device()
    thief.key = other.key
    with pytest.raises(OSError, match=r"KEY_VALUES_MISMATCH|key values mismatch"):
        thief.connect()


def test_a_certificate_without_a_policy_may_nothing(site: Site, thief: Device) -> None:
    certificate = thief.iot.describe_certificate(certificateId=thief.certificate_id)
    arn = certificate["certificateDescription"]["certificateArn"]
    thief.iot.detach_policy(policyName=site.policy, target=arn)
    assert not thief.connect()


def is_refused(device: Device) -> bool:
    """Whether the broker says no, or breaks the connection off before it could."""
    try:
        return not device.connect()
    except OSError:
        return True


def _sign_oneself(device: Device) -> None:
    """A certificate with the right name, signed by nobody the broker knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device.name)])
    now = datetime.datetime.fromtimestamp(time.time(), datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    device.certificate.write_bytes(certificate.public_bytes(pem))
    secret = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    device.key.write_bytes(key.private_bytes(pem, *secret))
