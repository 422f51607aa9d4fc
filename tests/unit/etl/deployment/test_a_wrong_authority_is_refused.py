"""The file of certificate authorities is judged before a deployment, not by the first load."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from etl.deployment.authorities import authority_problems
from etl.deployment.preconditions import check_preconditions
from etl.deployment.settings_file import SettingsError
from infrastructure.settings import DatabaseSettings, DeploySettings

KEY = ec.generate_private_key(ec.SECP256R1())


def authority(name: str, days: int = 30) -> bytes:
    """A self-signed certificate, in PEM form, that ends so many days from now."""
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    end = datetime.now(UTC) + timedelta(days=days)
    built = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=365))
        .not_valid_after(end)
    )
    return built.sign(KEY, SHA256()).public_bytes(Encoding.PEM)


RDS = authority("Amazon RDS eu-central-1 Root CA RSA2048 G1")
AMAZON = authority("Amazon Root CA 1")
EXPIRED = authority("Amazon RDS eu-central-1 2019 CA", days=-1)


def problems(folder: Path, content: bytes, *, proxy: bool = False, rds: bool = False) -> list[str]:
    file = folder / "bundle.pem"
    file.write_bytes(content)
    return list(authority_problems(file, proxy=proxy, rds=rds))


@pytest.mark.parametrize(
    ("content", "use", "sentence"),
    [
        (b"", {}, "holds no certificates in PEM form"),
        (b"\x00\x01", {}, "holds no certificates in PEM form"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", {}, "in PEM form"),
        (EXPIRED, {}, "is valid now; the last ended 20"),
        (EXPIRED + AMAZON, {"rds": True}, "lacks Amazon RDS's authorities"),
        (AMAZON, {"rds": True, "proxy": True}, "lacks Amazon RDS's authorities"),
        (RDS, {"proxy": True}, "lacks Amazon's roots"),
    ],
)
def test_a_file_that_would_refuse_every_connection(
    tmp_path: Path, content: bytes, use: dict[str, bool], sentence: str
):
    (found,) = problems(tmp_path, content, **use)
    assert sentence in found


@pytest.mark.parametrize(
    ("content", "use"),
    [
        (authority("our own"), {}),
        (EXPIRED + RDS, {"rds": True}),
        (RDS + AMAZON, {"rds": True, "proxy": True}),
        (b"a comment\n" + RDS, {}),
    ],
)
def test_a_file_that_fits_is_taken(tmp_path: Path, content: bytes, use: dict[str, bool]):
    assert problems(tmp_path, content, **use) == []


def test_every_problem_of_a_deployment_is_listed(tmp_path: Path):
    database = DatabaseSettings(host="db.example.com", ca_file=tmp_path / "gone.pem")
    settings = DeploySettings(stack="plant", contract=tmp_path / "c.toml", database=database)
    with pytest.raises(SettingsError) as error:
        check_preconditions(settings, None, "eu-centrall-1")
    assert "did you mean eu-central-1?" in str(error.value)
    assert "gone.pem can't be read: No such file" in str(error.value)
