"""Checks the file of certificate authorities that a database's certificate is verified with.

A wrong file would be noticed only by the first connection, after everything is deployed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography.x509 import Certificate, NameOID, load_pem_x509_certificates

from infrastructure.settings import CA_BUNDLE

__all__ = ["authority_problems"]

AMAZON_ROOTS = ("Amazon Root CA", "Starfield Services Root Certificate Authority")
"""Names of the roots behind ACM's certificates, which RDS Proxy has
(https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy.howitworks.html, read 2026-11)."""
AMAZON_ROOTS_AT = "https://www.amazontrust.com/repository/"
RDS_ROOTS = ("Amazon RDS",)


def authority_problems(file: Path, *, proxy: bool, rds: bool) -> Iterator[str]:
    """Say why connections would be refused with this file; nothing where none would.

    ``proxy``: Load connects through RDS Proxy. ``rds``: the deployment creates the database.
    """
    try:
        found = load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        yield f"database.ca_file: {file} can't be read: {error.strerror}"
        return
    except ValueError:
        yield f"database.ca_file: {file} holds no certificates in PEM form"
        return
    now = datetime.now(UTC)
    valid = [one for one in found if one.not_valid_before_utc <= now < one.not_valid_after_utc]
    if not valid:
        last = max(one.not_valid_after_utc for one in found)
        yield f"database.ca_file: no certificate in {file} is valid now; the last ended {last:%F}"
        return
    names = [_name(one) for one in valid]
    if rds and not _any_of(names, RDS_ROOTS):
        yield f"database.ca_file: {file} lacks Amazon RDS's authorities: add those of {CA_BUNDLE}"
    if proxy and not _any_of(names, AMAZON_ROOTS):
        yield (
            f"database.ca_file: {file} lacks Amazon's roots, which RDS Proxy's certificates come "
            f"from: add those of {AMAZON_ROOTS_AT}"
        )


def _name(certificate: Certificate) -> str:
    """The common name of whom the certificate is for; its whole name where it has none."""
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else certificate.subject.rfc4514_string()


def _any_of(names: list[str], beginnings: tuple[str, ...]) -> bool:
    return any(name.startswith(beginnings) for name in names)
