"""IoT Core: devices need a certificate, stay within its policy, and reach the queue by a rule."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
import time
import uuid

import psutil
import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "iot:Connect",
            "Resource": "arn:aws:iot:us-east-1:000000000000:client/${iot:Connection.Thing.ThingName}",
            "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}},
        },
        {
            "Effect": "Allow",
            "Action": "iot:Publish",
            "Resource": [
                f"arn:aws:iot:us-east-1:000000000000:topic/{way}telemetry/fleet/${{iot:Connection.Thing.ThingName}}"
                for way in ("", "$aws/rules/*/")
            ],
        },
    ],
}


PATIENCE_SECONDS = 120.0
"""Longest wait for the broker; each step ends as soon as it has answered."""


class Device:
    """A registered thing with a certificate; ``connect`` tells how the broker answered."""

    def __init__(self, emulator, folder, policy):
        self.emulator = emulator
        self.iot = emulator.client("iot")
        self.name = f"device-{uuid.uuid4().hex[:8]}"
        made = self.iot.create_keys_and_certificate(setAsActive=True)
        self.certificate_id = made["certificateId"]
        self.iot.create_thing(thingName=self.name)
        self.iot.attach_thing_principal(thingName=self.name, principal=made["certificateArn"])
        self.iot.attach_policy(policyName=policy, target=made["certificateArn"])
        self.certificate, self.key = folder / f"{self.name}.pem", folder / f"{self.name}.key"
        self.certificate.write_text(made["certificatePem"])
        self.key.write_text(made["keyPair"]["PrivateKey"])
        self.connected, self.ended, self.acknowledged = (threading.Event() for _ in range(3))
        self.refused = False
        self.client = None

    def connect(self, client_id=None, will=None, retain=False):
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id or self.name,
            reconnect_on_failure=False,
        )
        client.connect_timeout = PATIENCE_SECONDS
        if will is not None:
            client.will_set(will, b"gone", qos=1, retain=retain)
        context = ssl.create_default_context(cafile=str(self.emulator.mqtt_ca))
        context.load_cert_chain(str(self.certificate), str(self.key))
        client.tls_set_context(context)
        client.on_connect = self._answered
        client.on_disconnect = lambda *_: self.ended.set()
        client.on_publish = lambda *_: self.acknowledged.set()
        self.client = client
        client.connect(self.emulator.mqtt_host, self.emulator.mqtt_port)
        client.loop_start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (self.connected.is_set() or self.ended.is_set()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.connected.is_set() and not self.refused

    def _answered(self, _client, _data, _flags, reason, _properties):
        self.refused = reason.is_failure
        self.connected.set()

    def lose_the_connection(self):
        """End it as a device that loses power does: without DISCONNECT."""
        self.client.socket().shutdown(socket.SHUT_RDWR)
        self.client.loop_stop()

    def close(self):
        if self.client is not None:
            self.client.disconnect()
            self.client.loop_stop()


@pytest.fixture(scope="module")
def policy(emulator):
    name = f"p-{uuid.uuid4().hex[:8]}"
    emulator.client("iot").create_policy(policyName=name, policyDocument=json.dumps(POLICY))
    return name


@pytest.fixture
def device(emulator, tmp_path, policy):
    one = Device(emulator, tmp_path, policy)
    yield one
    one.close()


def test_every_port_of_the_emulator_is_on_the_loopback(emulator):
    listening = [
        one.laddr
        for one in psutil.Process(emulator.pid).net_connections()
        if one.status == psutil.CONN_LISTEN
    ]
    assert {one.ip for one in listening} == {"127.0.0.1"}
    assert emulator.mqtt_port in {one.port for one in listening}


def test_the_data_endpoint_is_the_listener(emulator):
    answer = emulator.client("iot").describe_endpoint(endpointType="iot:Data-ATS")
    assert answer["endpointAddress"] == f"127.0.0.1:{emulator.mqtt_port}"


def test_a_client_without_a_certificate_is_refused(emulator):
    context = ssl.create_default_context(cafile=str(emulator.mqtt_ca))
    raw = socket.create_connection(
        (emulator.mqtt_host, emulator.mqtt_port), timeout=PATIENCE_SECONDS
    )

    def greet():
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as connection:
            connection.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04nope")
            if connection.recv(4) == b"":
                raise ConnectionError("closed without an answer")

    with raw, pytest.raises((ssl.SSLError, ConnectionError)):
        greet()


def test_the_listeners_certificate_is_not_trusted_without_its_authority(emulator):
    raw = socket.create_connection(
        (emulator.mqtt_host, emulator.mqtt_port), timeout=PATIENCE_SECONDS
    )
    with raw, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(raw, server_hostname="127.0.0.1")


def test_a_device_connects_as_its_own_thing(device):
    assert device.connect()


def test_a_device_may_not_connect_as_another(device):
    assert not device.connect(client_id="somebody-else")


def test_a_deactivated_certificate_is_refused(device):
    device.iot.update_certificate(certificateId=device.certificate_id, newStatus="INACTIVE")
    assert not device.connect()


def test_a_device_publishes_to_its_own_topic(device):
    assert device.connect()
    device.client.publish(f"telemetry/fleet/{device.name}", b"{}", qos=1)
    assert device.acknowledged.wait(PATIENCE_SECONDS)


def test_a_device_that_publishes_to_anothers_topic_is_disconnected(device):
    assert device.connect()
    device.client.publish("telemetry/fleet/another", b"{}", qos=1)
    assert device.ended.wait(PATIENCE_SECONDS)
    assert not device.acknowledged.is_set()


@pytest.fixture
def ruled(emulator, device):
    """A rule over the device's topic: its name, and the queue it writes to."""
    sqs, iot = emulator.client("sqs"), emulator.client("iot")
    unique = uuid.uuid4().hex[:8]
    queue = sqs.create_queue(QueueName=f"rule-{unique}")["QueueUrl"]
    sql = (
        "SELECT encode(*, 'base64') AS payload, topic() AS topic, clientid() AS client_id, "
        f"timestamp() AS received_at FROM 'telemetry/fleet/{device.name}'"
    )
    action = {
        "sqs": {
            "roleArn": "arn:aws:iam::000000000000:role/any",
            "queueUrl": queue,
            "useBase64": False,
        }
    }
    iot.create_topic_rule(
        ruleName=f"r_{unique}",
        topicRulePayload={"sql": sql, "awsIotSqlVersion": "2016-03-23", "actions": [action]},
    )
    return f"r_{unique}", queue


def _body_of_the_one_message(emulator, queue):
    sqs = emulator.client("sqs")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5).get("Messages")
        if messages:
            (message,) = messages
            return json.loads(message["Body"])
    raise AssertionError("no message has come")


@pytest.mark.parametrize(
    "payload",
    [b'{"a": 1}', b"{broken", b"\x00\xff\xfe", b"", b"[" * 50_000, b"1" * 5_000, bytes(128 * 1024)],
    ids=["json", "broken", "binary", "empty", "deep", "long number", "largest"],
)
def test_a_rule_carries_any_payload_to_the_queue_byte_for_byte(emulator, device, ruled, payload):
    assert device.connect()
    before = int(time.time() * 1000)
    device.client.publish(f"telemetry/fleet/{device.name}", payload, qos=1)
    body = _body_of_the_one_message(emulator, ruled[1])
    assert base64.b64decode(body["payload"]) == payload
    assert (body["topic"], body["client_id"]) == (f"telemetry/fleet/{device.name}", device.name)
    assert before - 1000 <= body["received_at"] <= int(time.time() * 1000) + 1000


def test_basic_ingest_reaches_the_rule_and_its_topic_has_no_prefix(emulator, device, ruled):
    rule, queue = ruled
    assert device.connect()
    topic = f"telemetry/fleet/{device.name}"
    device.client.publish(f"$aws/rules/{rule}/{topic}", b"{}", qos=1)
    body = _body_of_the_one_message(emulator, queue)
    assert (body["topic"], body["client_id"]) == (topic, device.name)


def test_basic_ingest_of_anothers_topic_ends_the_connection(device, ruled):
    assert device.connect()
    device.client.publish(f"$aws/rules/{ruled[0]}/telemetry/fleet/another", b"{}", qos=1)
    assert device.ended.wait(PATIENCE_SECONDS)
    assert not device.acknowledged.is_set()
