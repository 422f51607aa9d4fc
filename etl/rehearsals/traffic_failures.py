"""Failures between the device and the workflow: certificate, trigger, concurrency."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from etl.aws.sqs import queue_depth
from etl.rehearsals.database_failures import publish_batch
from etl.rehearsals.model import Expected, Rehearsal, RehearsalError, Step
from etl.rehearsals.scene import Scene, measurements
from local.devices.identity import expired_at, write_new_key
from local.devices.mqtt import ConnectionRefusedByBrokerError

__all__ = ["ExpiredCertificate", "QueueBacklog", "Throttled"]


class QueueBacklog(Rehearsal):
    """The triggers were switched to a schedule that never comes."""

    name = "queue-backlog"
    sentence = "Nothing drains the queue, and thousands of messages wait in it."
    advice = (
        "`etl status` says that messages wait and no trigger drains the queue. `etl run` drains "
        "it whatever the triggers do; then switch the trigger on again."
    )
    messages, readings = 2000, 5

    def provoke(self, scene: Scene) -> Expected:
        """Deploy a schedule of 2099 without the queue's trigger, and publish."""
        never = ("--trigger", "schedule", "--schedule", "at(2099-01-01T00:00:00)")
        scene.run_etl("up", *never)
        messages = [measurements(self.readings) for _ in range(self.messages)]
        receipt = scene.send(self.name, "box-1", messages)
        return Expected(rows=receipt.readings)

    def await_symptom(self, scene: Scene) -> None:
        """Wait for the messages to be in the queue."""
        sqs, url = scene.target.client("sqs"), scene.target.outputs["QueueUrl"]
        scene.wait(
            f"{self.messages:,} messages wait in the queue",
            lambda: queue_depth(sqs, url).total >= self.messages,
        )

    def looks(self, scene: Scene) -> Sequence[Step]:
        """The depth of the queue, and the last executions."""
        return scene.etl("status"), scene.etl("executions")

    def repairs(self, scene: Scene) -> Sequence[Step]:
        """Drain the queue now, and switch the triggers on."""
        return (
            scene.etl("run"),
            scene.etl("up", "--trigger", "both", "--schedule", "rate(1 minute)", "--window", "2"),
        )

    def undo(self, scene: Scene) -> None:
        """Deploy the triggers of the game day again."""
        scene.redeploy()


class Throttled(Rehearsal):
    """Lambda runs none of the load function: its reserved concurrency is 0."""

    name = "throttled"
    sentence = "Lambda throttles the load function."
    advice = (
        "Executions fail with Lambda.TooManyRequestsException. Give the function its concurrency "
        "back, or ask for a higher quota. The sweep then loads what failed without a command; the "
        "replay only saves the wait."
    )

    def provoke(self, scene: Scene) -> Expected:
        """Reserve no concurrency for the function."""
        scene.target.client("lambda").put_function_concurrency(
            FunctionName=_load_function(scene), ReservedConcurrentExecutions=0
        )
        return publish_batch(scene, self.name)

    def await_symptom(self, scene: Scene) -> None:
        """Wait for a batch to fail."""
        scene.await_status("failed", "a batch has failed in all its retries")

    def looks(self, scene: Scene) -> Sequence[Step]:
        """The executions that failed, and the calls that were throttled."""
        return scene.etl("executions", "--failed", "--from", "10m"), scene.etl(
            "metrics", "Throttles/load"
        )

    def repairs(self, scene: Scene) -> Sequence[Step]:
        """Give the concurrency back, and load what failed."""
        function = _load_function(scene)
        command = f"aws lambda delete-function-concurrency --function-name {function}"
        return (
            Step(command, lambda: self.undo(scene)),
            scene.etl("replay", "--failed", "--yes"),
        )

    def undo(self, scene: Scene) -> None:
        """Give the concurrency back."""
        function = _load_function(scene)
        scene.target.client("lambda").delete_function_concurrency(FunctionName=function)


def _load_function(scene: Scene) -> str:
    return f"{scene.target.stack}-load"


class ExpiredCertificate(Rehearsal):
    """A device connects with a certificate that expired yesterday."""

    name = "expired-certificate"
    sentence = "The certificate of a device has expired."
    advice = (
        "The broker refuses the device, and nothing of it arrives. A device that publishes with "
        "QoS 1 keeps what is not acknowledged. Set the old certificate to inactive, register the "
        "device again, and let it send once more."
    )
    device = "expired-1"

    def provoke(self, scene: Scene) -> Expected:
        """Register an expired certificate, and try to publish with it."""
        register_expired(scene, self.device)
        messages = [measurements(10) for _ in range(20)]
        self.file = scene.write_messages(self.name, self.device, messages)
        self.refusal = ""
        try:
            scene.publish(self.file, self.device)
        except ConnectionRefusedByBrokerError as error:
            self.refusal = str(error)
        return Expected(rows=200)

    def await_symptom(self, scene: Scene) -> None:
        """The refusal came at once."""
        if not self.refusal:
            raise RehearsalError("The broker accepted an expired certificate.")
        scene.notify(self.refusal)

    def looks(self, scene: Scene) -> Sequence[Step]:
        """Publish once more: the same refusal."""
        return (scene.etl("publish", str(self.file), "--device", self.device),)

    def repairs(self, scene: Scene) -> Sequence[Step]:
        """Set the certificate to inactive; the next publication registers another."""
        certificate = _certificate_id(scene, self.device)
        command = f"aws iot update-certificate --certificate-id {certificate} --new-status INACTIVE"
        return (
            Step(command, lambda: self.undo(scene)),
            scene.etl("publish", str(self.file), "--device", self.device),
        )

    def undo(self, scene: Scene) -> None:
        """Set the certificate to inactive, where the device still has it."""
        certificate = scene.target.devices_folder / f"{self.device}.crt"
        if certificate.exists() and expired_at(certificate) is not None:
            scene.target.client("iot").update_certificate(
                certificateId=_certificate_id(scene, self.device), newStatus="INACTIVE"
            )


def _certificate_id(scene: Scene, device: str) -> str:
    arn = (scene.target.devices_folder / f"{device}.arn").read_text(encoding="utf-8")
    return arn.strip().rpartition("/")[2]


def register_expired(scene: Scene, device: str) -> None:
    """Register a thing with a certificate that expired yesterday, signed by itself.

    The certificates that AWS IoT signs are valid until 2049; those of a fleet's own authority, as
    this one stands for, expire when their owner says.
    """
    iot, folder = scene.target.client("iot"), scene.target.devices_folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = write_new_key(folder / f"{device}.key")
    pem = _expired_certificate(device, key)
    arn = iot.register_certificate_without_ca(certificatePem=pem, status="ACTIVE")["certificateArn"]
    iot.create_thing(thingName=device)
    iot.attach_policy(policyName=scene.target.outputs["DevicePolicyName"], target=arn)
    iot.attach_thing_principal(thingName=device, principal=arn)
    (folder / f"{device}.crt").write_text(pem)
    (folder / f"{device}.arn").write_text(arn)


def _expired_certificate(device: str, key: ec.EllipticCurvePrivateKey) -> str:
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=365))
        .not_valid_after(now - timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
