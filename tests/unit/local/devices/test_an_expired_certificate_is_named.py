"""A broker closes the connection of an expired certificate without a reason; the device has it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from local.devices.identity import expired_at

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.mark.parametrize("days", [-1, 1])
def test_the_end_is_known_once_it_has_passed(days: int, tmp_path: Path) -> None:
    end = NOW + timedelta(days=days)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=30))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "box-1.crt"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    assert expired_at(file) == (end if days < 0 else None)
