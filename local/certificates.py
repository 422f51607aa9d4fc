"""A certificate for a server on the loopback, signed by an authority made for it alone.

The authority's key is never written, so no second certificate can be signed that a client with this
``ca.crt`` would accept.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["still_valid", "write_certificates"]

_YEAR = timedelta(days=365)
_HOUR = timedelta(hours=1)
_MONTH = timedelta(days=30)


def still_valid(folder: Path) -> bool:
    """True where the folder's certificates are whole and hold for another month.

    A server that comes back with them is the one that a deployed pipeline verifies.
    """
    try:
        both = [
            x509.load_pem_x509_certificate((folder / name).read_bytes())
            for name in ("ca.crt", "server.crt")
        ]
        key = serialization.load_pem_private_key((folder / "server.key").read_bytes(), None)
    except (OSError, ValueError):
        return False
    authority, leaf = both
    try:
        leaf.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    end = min(one.not_valid_after_utc for one in both)
    return leaf.public_key() == key.public_key() and end - datetime.now(UTC) > _MONTH


def write_certificates(folder: Path, address: str) -> None:
    """Write ``ca.crt``, ``server.crt`` and ``server.key`` (mode 0600) for this IP address."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    issuer = _name("telemetry laptop authority")
    root = (
        _certificate(issuer, issuer, authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority.public_key()), False)
        .sign(authority, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName(
        [x509.IPAddress(ip_address(address)), x509.DNSName("localhost")]
    )
    leaf = (
        _certificate(_name("postgres"), issuer, key)
        .add_extension(names, critical=False)
        # Distinguishes an older authority of the same name from this one.
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(authority, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem = serialization.Encoding.PEM
    _write(folder / "server.key", secret, 0o600)
    _write(folder / "server.crt", leaf.public_bytes(pem), 0o644)
    _write(folder / "ca.crt", root.public_bytes(pem), 0o644)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _HOUR)
        .not_valid_after(now + _YEAR)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _write(file: Path, content: bytes, mode: int) -> None:
    file.unlink(missing_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(handle, "wb") as out:
        out.write(content)
