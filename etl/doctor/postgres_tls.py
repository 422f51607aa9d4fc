"""Connects to a PostgreSQL server as far as TLS, without a login, and verifies its certificate."""

from __future__ import annotations

import socket
import ssl
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from telemetry.errors import UserError

__all__ = ["ServerCertificate", "TlsRefusedError", "UnreachableError", "verify_certificate"]

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""PostgreSQL's SSLRequest message
(https://www.postgresql.org/docs/current/protocol-message-formats.html, read 2026-11)."""
SECONDS = 10.0


class UnreachableError(UserError):
    """Raised where no connection to the server is possible from here."""


class TlsRefusedError(UserError):
    """Raised where the server offers no TLS, or a certificate that can't be verified."""


@dataclass(frozen=True)
class ServerCertificate:
    """A certificate that was verified, chain and host name."""

    expires: datetime
    protocol: str
    """Such as ``TLSv1.3``."""


def verify_certificate(host: str, port: int, ca_file: Path | None) -> ServerCertificate:
    """Do what ``sslmode=verify-full`` does before the login.

    ``ca_file``: file of the authorities, ``None`` for the system's. Raises
    :class:`UnreachableError` or :class:`TlsRefusedError`.
    """
    try:
        connection = socket.create_connection((host, port), timeout=SECONDS)
    except OSError as error:
        raise UnreachableError(f"{host}:{port} can't be reached from here: {error}") from error
    with connection:
        try:
            connection.sendall(SSL_REQUEST)
            if connection.recv(1) != b"S":
                raise TlsRefusedError(f"{host}:{port} offers no TLS")
            context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
            with context.wrap_socket(connection, server_hostname=host) as secure:
                certificate = secure.getpeercert() or {}
                ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
                return ServerCertificate(datetime.fromtimestamp(ends, UTC), secure.version() or "")
        except ssl.SSLCertVerificationError as error:
            raise TlsRefusedError(
                f"the certificate of {host}:{port} can't be verified: {error.verify_message}"
            ) from error
        except OSError as error:
            raise TlsRefusedError(f"{host}:{port} ended the TLS handshake: {error}") from error
