"""The pipeline that a command acts on: on the laptop's stand-ins, or in an AWS account.

Every command asks a :class:`Target` for clients, stack outputs and a database connection, and so
works the same on both.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from telemetry.errors import UserError

if TYPE_CHECKING:
    from local.devices.mqtt import Broker
    from local.stack import LocalStack
    from telemetry.contract.model import Contract

__all__ = [
    "CONTRACT_KEY",
    "DATABASE_CA_KEY",
    "DEFAULT_STACK",
    "DEFAULT_STATE",
    "DatabaseRole",
    "NoStackError",
    "Target",
]

DEFAULT_STATE = Path(".local")
DEFAULT_STACK = "telemetry"
AWS_MQTT_PORT = 8883
DatabaseRole = Literal["loader", "analyst"]
CONTRACT_KEY = "contract/contract.toml"
DATABASE_CA_KEY = "contract/database-ca.pem"


class NoStackError(UserError):
    """Raised where no stack is deployed or running; the message says how to create one."""


@dataclass(frozen=True)
class Target:
    """One deployed pipeline. ``local`` is set where it runs on this machine's stand-ins."""

    stack: str = DEFAULT_STACK
    region: str | None = None
    profile: str | None = None
    state: Path = DEFAULT_STATE
    local: LocalStack | None = None
    _clients: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def session(self) -> Any:
        """Return the boto3 session; the credentials for the stand-ins are not secret."""
        import boto3

        if self.local is not None:
            return boto3.Session(
                self.local.access_key_id,
                self.local.secret_access_key,
                region_name=self.local.region,
            )
        return boto3.Session(profile_name=self.profile, region_name=self.region)

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service, created once."""
        if service not in self._clients:
            options: dict[str, Any] = {}
            if self.local is not None:
                options["endpoint_url"] = (
                    self.local.xray_endpoint_url if service == "xray" else self.local.endpoint_url
                )
            self._clients[service] = self.session.client(
                service, config=self._client_config, **options
            )
        return self._clients[service]

    @property
    def _client_config(self) -> Any:
        """botocore's ``Config`` of all clients; ``None``: its defaults."""
        return None

    @cached_property
    def _description(self) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        try:
            stacks = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                hint = "`etl up`" if self.local else "`etl deploy`, or name another with --stack"
                raise NoStackError(f"There is no stack '{self.stack}' yet: {hint}.") from error
            raise
        return dict(stacks[0])

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs by name. Raises :class:`NoStackError`."""
        return {o["OutputKey"]: o["OutputValue"] for o in self._description.get("Outputs", [])}

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The stack's parameters by name. Raises :class:`NoStackError`."""
        return {
            p["ParameterKey"]: p["ParameterValue"] for p in self._description.get("Parameters", [])
        }

    @property
    def bucket(self) -> str:
        """Name of the data bucket."""
        return self.outputs["DataBucketName"]

    @cached_property
    def contract(self) -> Contract:
        """The contract in force: the copy that the last deployment put into the data bucket."""
        from etl.authoring.units import resolve_units
        from telemetry.contract import parse_contract

        body = self.client("s3").get_object(Bucket=self.bucket, Key=CONTRACT_KEY)["Body"].read()
        return resolve_units(parse_contract(body, f"s3://{self.bucket}/{CONTRACT_KEY}"))

    def database_settings(self, role: DatabaseRole = "loader") -> dict[str, str]:
        """Return keyword arguments for ``psycopg2.connect``, with the role's password."""
        secret = self.client("secretsmanager").get_secret_value(
            SecretId=self.outputs[f"{role.title()}SecretArn"]
        )
        login = json.loads(secret["SecretString"])
        ca_file = self._database_ca()
        return {
            "host": self.parameters["DatabaseHost"],
            "port": self.parameters["DatabasePort"],
            "dbname": self.parameters["DatabaseName"],
            "sslmode": self.parameters["DatabaseSslMode"],
            "user": login["username"],
            "password": login["password"],
            **({"sslrootcert": str(ca_file)} if ca_file is not None else {}),
        }

    def _database_ca(self) -> Path | None:
        """Write the certificate authorities of the deployment to a file, as libpq reads only files.

        ``None`` where the deployment has none.
        """
        from botocore.exceptions import ClientError

        try:
            answer = self.client("s3").get_object(Bucket=self.bucket, Key=DATABASE_CA_KEY)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        file = self.state / "database-ca" / f"{self.stack}.pem"
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(answer["Body"].read())
        fresh.replace(file)
        return file

    def connect(self) -> Any:
        """Return a new psycopg2 connection as the loader role."""
        import psycopg2

        settings: dict[str, Any] = self.database_settings()
        return psycopg2.connect(application_name="etl", **settings)

    def broker(self) -> Broker:
        """Return the MQTT broker that devices of this account connect to."""
        from local.devices.mqtt import Broker

        if self.local is not None:
            return Broker(self.local.mqtt_host, self.local.mqtt_port, Path(self.local.mqtt_ca))
        import certifi

        endpoint = self.client("iot").describe_endpoint(endpointType="iot:Data-ATS")
        return Broker(endpoint["endpointAddress"], AWS_MQTT_PORT, Path(certifi.where()))

    @property
    def devices_folder(self) -> Path:
        """Folder with the certificates of the devices that were registered from this machine."""
        return self.state / "devices" / self.stack
