"""A device's identity: a thing, a key made here, a certificate signed by AWS IoT, a policy.

The private key is made on this machine and never leaves it: AWS IoT sees only the signing
request. Registering the same thing again reuses what is on disk.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tenacity import retry, retry_if_exception_message, stop_after_attempt, wait_exponential

if TYPE_CHECKING:
    from types_boto3_iot import IoTClient

__all__ = ["Identity", "expired_at", "register", "revoke", "unregister", "write_new_key"]


@dataclass(frozen=True)
class Identity:
    """A device's name and the files of its credentials."""

    thing: str
    certificate: Path
    key: Path


def register(iot: IoTClient, thing: str, *, policy: str, folder: Path) -> Identity:
    """Create the thing and its certificate where they don't exist yet.

    ``iot`` is a boto3 client; ``policy`` the name of the IoT policy to attach; ``folder`` is
    private to one stack. Raises what botocore raises.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    identity = Identity(thing, folder / f"{thing}.crt", folder / f"{thing}.key")
    iot.create_thing(thingName=thing)  # the same call again is answered, not refused
    if identity.key.exists() and _still_registered(iot, folder / f"{thing}.arn"):
        return identity
    signing_request = _signing_request(thing, write_new_key(identity.key))
    certificate = iot.create_certificate_from_csr(
        certificateSigningRequest=signing_request, setAsActive=True
    )
    arn = certificate["certificateArn"]
    iot.attach_policy(policyName=policy, target=arn)
    iot.attach_thing_principal(thingName=thing, principal=arn)
    identity.certificate.write_text(certificate["certificatePem"])
    (folder / f"{thing}.arn").write_text(arn)
    return identity


def expired_at(certificate: Path) -> datetime | None:
    """Time (UTC) at which a certificate (PEM) has expired; ``None`` while it is valid."""
    end = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return end if end < datetime.now(UTC) else None


def _still_registered(iot: IoTClient, record: Path) -> bool:
    """True where this account still accepts the certificate on record."""
    if not record.exists():
        return False
    certificate_id = record.read_text().strip().rpartition("/")[2]
    try:
        found = iot.describe_certificate(certificateId=certificate_id)
    except iot.exceptions.ResourceNotFoundException:
        return False
    return bool(found["certificateDescription"]["status"] == "ACTIVE")


def unregister(iot: IoTClient, thing: str, *, policy: str, folder: Path) -> None:
    """Revoke and delete a device's certificate and thing, here and in AWS IoT."""
    revoke(iot, thing, policy=policy, folder=folder)
    iot.delete_thing(thingName=thing)


def revoke(iot: IoTClient, thing: str, *, policy: str, folder: Path) -> None:
    """Revoke and delete a device's certificate, here and in AWS IoT; the thing stays."""
    record = folder / f"{thing}.arn"
    if record.exists():
        arn = record.read_text().strip()
        certificate_id = arn.rpartition("/")[2]
        iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
        iot.detach_policy(policyName=policy, target=arn)
        iot.detach_thing_principal(thingName=thing, principal=arn)
        _delete_certificate(iot, certificate_id)
    for suffix in ("arn", "crt", "key"):
        (folder / f"{thing}.{suffix}").unlink(missing_ok=True)


@retry(
    retry=retry_if_exception_message(match=".*DeleteConflictException.*"),
    stop=stop_after_attempt(6),
    wait=wait_exponential(max=8),
    reraise=True,
)
def _delete_certificate(iot: IoTClient, certificate_id: str) -> None:
    """Delete a certificate once it is detached, which takes AWS IoT some seconds.

    https://docs.aws.amazon.com/iot/latest/apireference/API_DetachThingPrincipal.html, read 2026-11
    """
    iot.delete_certificate(certificateId=certificate_id)


def write_new_key(file: Path) -> ec.EllipticCurvePrivateKey:
    """Write a new P-256 key, readable by its owner only, and return it."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(pem)
    return key


def _signing_request(thing: str, key: ec.EllipticCurvePrivateKey) -> str:
    """The signing request of a key, as PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, thing)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()
