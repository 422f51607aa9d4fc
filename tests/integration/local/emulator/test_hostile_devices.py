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

from infrastructure.core.ingest import RULE_SELECT, device_topic
from tests.fixtures.local import EmulatorStack
from tests.integration.local.emulator.test_devices import PATIENCE_SECONDS, Device

ACCOUNT = "arn:aws:iot:us-east-1:000000000000:"


@dataclass
class Site:
    """A fleet of its own: topics, policy, rule and queue as a deployment makes them."""

    emulator: EmulatorStack
    folder: Path
    base: str
    policy: str
    queue: str
    rule: str

    def device(self) -> Device:
        return Device(self.emulator, self.folder, self.policy)

    def topic(self, device: Device) -> str:
        return f"{self.base}/{device.name}"

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


@pytest.fixture
def site(emulator: EmulatorStack, tmp_path: Path) -> Site:
    unique = uuid.uuid4().hex[:8]
    base = f"telemetry/{unique}"
    own = device_topic(f"{base}/+").replace("${!iot:", "${iot:")
    thing = "${iot:Connection.Thing.ThingName}"
    statements = [
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": f"{ACCOUNT}client/{thing}"},
        {
            "Effect": "Allow",
            "Action": "iot:Publish",
            "Resource": [f"{ACCOUNT}topic/{way}{own}" for way in ("", f"$aws/rules/r_{unique}/")],
        },
    ]
    statements[0]["Condition"] = {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}}  # type: ignore[assignment]
    document = {"Version": "2012-10-17", "Statement": statements}
    iot, sqs = emulator.client("iot"), emulator.client("sqs")
    iot.create_policy(policyName=f"p-{unique}", policyDocument=json.dumps(document))
    hidden = {"VisibilityTimeout": "600"}  # what was received does not come again
    queue = sqs.create_queue(QueueName=f"q-{unique}", Attributes=hidden)["QueueUrl"]
    role = "arn:aws:iam::000000000000:role/any"
    action = {"sqs": {"roleArn": role, "queueUrl": queue, "useBase64": False}}
    iot.create_topic_rule(
        ruleName=f"r_{unique}",
        topicRulePayload={
            "sql": f"{RULE_SELECT} FROM '{base}/+'",
            "awsIotSqlVersion": "2016-03-23",
            "actions": [action],
        },
    )
    return Site(emulator, tmp_path, base, f"p-{unique}", queue, f"r_{unique}")


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
