"""Fleet provisioning over MQTT: claim certificate, hook, own certificate, readings in the queue.

The emulator answers the provisioning topics, runs the hook's zip, and holds certificates to their
policies. It has no `create-from-csr`.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from etl.deployment.held_data import attached_certificates
from etl.deployment.listener import Listener
from etl.deployment.teardown import HoldsDataError, delete_core
from functions.provision.allow_list import ALLOW_LIST_KEY
from local.devices.identity import Identity
from local.devices.mqtt import Broker, ConnectionRefusedByBrokerError, DeviceConnection

STACK = "claims"
SECONDS = 120
"""Longest wait for an answer: a busy machine starts the hook's process in some seconds."""
ATTEMPTS = 10
CREATE = "$aws/certificates/create/json"
PROVISION = f"$aws/provisioning-templates/{STACK}/provision/json"


class Claimant:
    """A device with nothing but the claim certificate."""

    def __init__(self, account: Any, claim: Identity) -> None:
        self.answers: Queue[tuple[str, dict[str, Any]]] = Queue()
        self.ready: Queue[Any] = Queue()
        emulator = account.emulator
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=claim.thing, reconnect_on_failure=False
        )
        context = ssl.create_default_context(cafile=str(emulator.mqtt_ca))
        context.load_cert_chain(str(claim.certificate), str(claim.key))
        self.client.tls_set_context(context)
        self.client.connect_timeout = SECONDS
        self.client.on_message = lambda _c, _u, message: self.answers.put(
            (message.topic, json.loads(message.payload))
        )
        self.client.on_subscribe = lambda *_: self.ready.put(None)
        self.client.connect(emulator.mqtt_host, emulator.mqtt_port)
        self.client.loop_start()
        topics = [f"{topic}/{end}" for topic in (CREATE, PROVISION) for end in ENDS]
        self.client.subscribe([(topic, 1) for topic in topics])
        self.ready.get(timeout=SECONDS)

    def ask(self, topic: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        self.client.publish(topic, json.dumps(body), qos=1)
        where, answer = self.answers.get(timeout=SECONDS)
        assert where.startswith(topic), where
        return where.removeprefix(f"{topic}/"), answer

    def register(self, serial: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Ask for a certificate and for a thing; the end of the answer's topic, and both answers."""
        end, certificate = self.ask(CREATE, {})
        assert end == "accepted", certificate
        request = {
            "certificateOwnershipToken": certificate["certificateOwnershipToken"],
            "parameters": {"SerialNumber": serial},
        }
        for _ in range(ATTEMPTS):
            end, answer = self.ask(PROVISION, request)
            # A device tries again where the hook was too slow.
            if answer.get("errorCode") != "InvocationError":
                break
        return end, answer, certificate

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


ENDS = ("accepted", "rejected")


@pytest.fixture(scope="module")
def outputs(account: Any) -> dict[str, str]:
    found, _ = account.deploy(stack=STACK, fleet_provisioning=True, trigger_mode="schedule")
    account.client("s3").put_object(
        Bucket=found["DataBucketName"], Key=ALLOW_LIST_KEY, Body=b"box-07\nbox-08 # spare\n"
    )
    warm_up(account, found["ProvisionFunctionName"])
    return dict(found)


def warm_up(account: Any, function: str) -> None:
    """Give the hook more than its five seconds, which a busy machine takes to start its process."""
    account.client("lambda").update_function_configuration(FunctionName=function, Timeout=SECONDS)
    event = json.dumps({"parameters": {"SerialNumber": "box-00"}}).encode()
    answers = []
    for _ in range(ATTEMPTS):
        answer = account.client("lambda").invoke(FunctionName=function, Payload=event)
        answers.append(answer["Payload"].read())
        if json.loads(answers[-1]) == {"allowProvisioning": False}:
            return
    raise AssertionError(answers)


@pytest.fixture(scope="module")
def claim(account: Any, outputs: dict[str, str], tmp_path_factory: Any) -> Identity:
    iot, folder = account.client("iot"), tmp_path_factory.mktemp("claim")
    made = iot.create_keys_and_certificate(setAsActive=True)
    iot.attach_policy(policyName=outputs["ClaimPolicyName"], target=made["certificateArn"])
    return stored(folder, "claim-1", made["certificatePem"], made["keyPair"]["PrivateKey"])


@pytest.fixture
def claimant(account: Any, claim: Identity) -> Iterator[Claimant]:
    one = Claimant(account, claim)
    yield one
    one.close()


def stored(folder: Path, name: str, certificate: str, key: str) -> Identity:
    identity = Identity(name, folder / f"{name}.crt", folder / f"{name}.key")
    identity.certificate.write_text(certificate)
    identity.key.write_text(key)
    return identity


def broker(account: Any) -> Broker:
    emulator = account.emulator
    return Broker(emulator.mqtt_host, emulator.mqtt_port, emulator.mqtt_ca)


def test_a_device_of_the_list_registers_and_its_readings_arrive(
    account: Any, outputs: dict[str, str], claimant: Claimant, tmp_path: Path
) -> None:
    end, answer, certificate = claimant.register("box-07")
    assert (end, answer.get("thingName")) == ("accepted", "box-07"), answer
    own = stored(tmp_path, "box-07", certificate["certificatePem"], certificate["privateKey"])
    body = b'{"device_id": "box-07"}'
    with DeviceConnection(broker(account), own) as connection:
        connection.publish(outputs["TopicFilter"].replace("+", "box-07"), body)
        connection.drain()
    found = account.client("sqs").receive_message(QueueUrl=outputs["QueueUrl"], WaitTimeSeconds=20)
    (message,) = [json.loads(one["Body"]) for one in found["Messages"]]
    assert base64.b64decode(message["payload"]) == body
    assert message["client_id"] == "box-07"

    # The same serial number again would be a second device under the same name.
    end, _, _ = claimant.register("box-07")
    assert end == "rejected"


def test_a_device_that_is_not_in_the_list_gets_nothing(
    account: Any, outputs: dict[str, str], claimant: Claimant, tmp_path: Path
) -> None:
    before = attached_certificates(account.client("iot"), outputs["DevicePolicyName"])
    end, answer, certificate = claimant.register("box-99")
    assert end == "rejected", answer
    iot = account.client("iot")
    assert attached_certificates(iot, outputs["DevicePolicyName"]) == before
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_thing(thingName="box-99")
    own = stored(tmp_path, "box-99", certificate["certificatePem"], certificate["privateKey"])
    with pytest.raises(ConnectionRefusedByBrokerError), DeviceConnection(broker(account), own):
        pass


def test_a_claim_certificate_speaks_for_no_device(account: Any, claim: Identity) -> None:
    as_device = Identity("box-07", claim.certificate, claim.key)
    with (
        pytest.raises(ConnectionRefusedByBrokerError),
        DeviceConnection(broker(account), as_device),
    ):
        pass


def test_a_claim_certificate_publishes_no_readings(
    account: Any, outputs: dict[str, str], claimant: Claimant
) -> None:
    claimant.client.publish(outputs["TopicFilter"].replace("+", "claim-1"), b"{}", qos=1)
    with pytest.raises(Empty):
        claimant.answers.get(timeout=1)
    found = account.client("sqs").receive_message(QueueUrl=outputs["QueueUrl"])
    bodies = [json.loads(one["Body"])["client_id"] for one in found.get("Messages", [])]
    assert "claim-1" not in bodies


def test_claim_certificates_stop_a_teardown_and_go_with_the_data(
    account: Any, outputs: dict[str, str], claim: Identity
) -> None:
    assert outputs["ClaimPolicyName"]
    assert claim.certificate.exists()
    with pytest.raises(HoldsDataError, match="1 claim certificate"):
        delete_core(account.target(STACK), Listener(), with_data=False)
    assert delete_core(account.target(STACK), Listener(), with_data=True)
