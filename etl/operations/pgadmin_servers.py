"""The pipeline's database as a file for pgAdmin's "Import/Export Servers", without secrets.

https://www.pgadmin.org/docs/pgadmin4/9.18/import_export_servers.html (read 2026-11)
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["GROUP", "Server", "password_command", "servers_file"]

GROUP = "Telemetry ETL"
CONNECT_SECONDS = 10
PASSWORD_SECONDS = 300
"""Seconds for which pgAdmin keeps the password from a command: short, as passwords are rotated."""
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Server:
    """One entry in pgAdmin's tree."""

    name: str
    host: str
    port: int
    database: str
    user: str
    ssl_mode: str
    ca_file: Path | None = None
    """File of the certificate authorities to verify the server with, for ``verify-full``."""
    password_file: Path | None = None
    password_command: str | None = None
    """Shell command that prints the password; pgAdmin runs it only in desktop mode."""
    tunnel_port: int | None = None
    """Port on this machine on which a tunnel to the server listens."""
    comment: str = ""

    @classmethod
    def of(cls, name: str, settings: Mapping[str, str], **more: Any) -> Server:
        """A server from the keyword arguments of a connection, without the password."""
        trusted = settings.get("sslrootcert")
        return cls(
            name=name,
            host=settings["host"],
            port=int(settings["port"]),
            database=settings["dbname"],
            user=settings["user"],
            ssl_mode=settings["sslmode"],
            ca_file=Path(trusted).absolute() if trusted else None,
            **more,
        )

    def entry(self) -> dict[str, Any]:
        """The entry of a servers file."""
        parameters: dict[str, Any] = {
            "sslmode": self.ssl_mode,
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "pgAdmin",
        }
        if self.ca_file is not None:
            parameters["sslrootcert"] = str(self.ca_file)
        if self.password_file is not None:
            parameters["passfile"] = str(self.password_file)
        if self.tunnel_port is not None:
            # The host stays the server's name, which its certificate is verified against.
            parameters["hostaddr"] = LOOPBACK
        found: dict[str, Any] = {
            "Name": self.name,
            "Group": GROUP,
            "Host": self.host,
            "Port": self.tunnel_port or self.port,
            "MaintenanceDB": self.database,
            "Username": self.user,
            "Comment": self.comment,
            "DBRestriction": self.database,
            "ConnectionParameters": parameters,
        }
        if self.password_command is not None:
            found["PasswordExecCommand"] = self.password_command
            found["PasswordExecExpiration"] = PASSWORD_SECONDS
        return found


def servers_file(servers: list[Server]) -> dict[str, Any]:
    """The content of a servers file."""
    return {"Servers": {str(n): server.entry() for n, server in enumerate(servers, start=1)}}


def password_command(secret_arn: str, region: str | None, profile: str | None) -> str:
    """A shell command that prints the password in a secret; needs the AWS CLI and Python."""
    named = {"--profile": profile, "--region": region}
    options = [text for name, value in named.items() if value for text in (name, value)]
    ask = ["aws", *options, "secretsmanager", "get-secret-value", "--secret-id", secret_arn]
    pick = 'import json, sys; print(json.load(sys.stdin)["password"])'
    return (
        f"{shlex.join([*ask, '--query', 'SecretString', '--output', 'text'])}"
        f" | python3 -c {shlex.quote(pick)}"
    )
