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
from typing import TYPE_CHECKING, Any, Literal, overload

from telemetry.errors import UserError

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from psycopg2.extensions import connection as Connection
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_ec2 import EC2Client
    from types_boto3_iam import IAMClient
    from types_boto3_iot import IoTClient
    from types_boto3_kms import KMSClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_s3 import S3Client
    from types_boto3_scheduler import EventBridgeSchedulerClient
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_sns import SNSClient
    from types_boto3_sqs import SQSClient
    from types_boto3_stepfunctions import SFNClient
    from types_boto3_sts import STSClient
    from types_boto3_xray import XRayClient

    from local.devices.mqtt import Broker
    from local.stack import LocalStack
    from telemetry.contract import ContractSet
    from telemetry.contract.model import Contract

__all__ = [
    "DATABASE_CA_KEY",
    "DEFAULT_STACK",
    "DEFAULT_STATE",
    "DatabaseRole",
    "LoginUnreadableError",
    "NoStackError",
    "Service",
    "Target",
]

DEFAULT_STATE = Path(".local")
DEFAULT_STACK = "telemetry"
AWS_MQTT_PORT = 8883
LONGEST_FUNCTION_SECONDS = 900
"""Lambda's longest timeout: docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
(2026-11)."""
DatabaseRole = Literal["loader", "analyst"]
Service = Literal[
    "cloudformation",
    "cloudwatch",
    "ec2",
    "iam",
    "iot",
    "kms",
    "lambda",
    "logs",
    "s3",
    "scheduler",
    "secretsmanager",
    "service-quotas",
    "sns",
    "sqs",
    "stepfunctions",
    "sts",
    "xray",
]
"""boto3's names of the services that the product calls."""
DATABASE_CA_KEY = "contract/database-ca.pem"


class LoginUnreadableError(UserError):
    """Raised where the secret of a database role holds no login."""


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
    def session(self) -> boto3.Session:
        """Return the boto3 session."""
        import boto3

        if self.local is not None:
            return boto3.Session(
                self.local.access_key_id,
                self.local.secret_access_key,
                self.local.session_token,
                region_name=self.local.region,
            )
        return boto3.Session(profile_name=self.profile, region_name=self.region)

    @overload
    def client(self, service: Literal["cloudformation"]) -> CloudFormationClient: ...
    @overload
    def client(self, service: Literal["cloudwatch"]) -> CloudWatchClient: ...
    @overload
    def client(self, service: Literal["ec2"]) -> EC2Client: ...
    @overload
    def client(self, service: Literal["iam"]) -> IAMClient: ...
    @overload
    def client(self, service: Literal["iot"]) -> IoTClient: ...
    @overload
    def client(self, service: Literal["kms"]) -> KMSClient: ...
    @overload
    def client(self, service: Literal["lambda"]) -> LambdaClient: ...
    @overload
    def client(self, service: Literal["logs"]) -> CloudWatchLogsClient: ...
    @overload
    def client(self, service: Literal["s3"]) -> S3Client: ...
    @overload
    def client(self, service: Literal["scheduler"]) -> EventBridgeSchedulerClient: ...
    @overload
    def client(self, service: Literal["secretsmanager"]) -> SecretsManagerClient: ...
    @overload
    def client(self, service: Literal["service-quotas"]) -> Any: ...
    @overload
    def client(self, service: Literal["sns"]) -> SNSClient: ...
    @overload
    def client(self, service: Literal["sqs"]) -> SQSClient: ...
    @overload
    def client(self, service: Literal["stepfunctions"]) -> SFNClient: ...
    @overload
    def client(self, service: Literal["sts"]) -> STSClient: ...
    @overload
    def client(self, service: Literal["xray"]) -> XRayClient: ...
    def client(self, service: Service) -> Any:
        """Return the boto3 client of a service, created once."""
        if service not in self._clients:
            options: dict[str, Any] = {}
            if self.local is not None:
                options["endpoint_url"] = (
                    self.local.xray_endpoint_url if service == "xray" else self.local.endpoint_url
                )
            create: Any = self.session.client  # its types know single names, no union of them
            self._clients[service] = create(service, config=self._client_config, **options)
        return self._clients[service]

    def invoking_client(self) -> LambdaClient:
        """Return a client that waits for an invocation as long as a function may run.

        It sends the invocation once: boto3 stops waiting after 60 seconds by default and sends it
        again, so that a migration of 75 seconds would run three times.
        """
        from botocore.config import Config

        config = Config(
            read_timeout=LONGEST_FUNCTION_SECONDS + 10,
            retries={"total_max_attempts": 1},
            tcp_keepalive=True,
        )
        endpoint = self.client("lambda").meta.endpoint_url
        return self.session.client("lambda", endpoint_url=endpoint, config=config)

    @property
    def _client_config(self) -> Config | None:
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
        """The stack's outputs by name. Raises :class:`NoStackError`, also where the stack's first
        deployment stopped before the pipeline itself was created."""
        found = {o["OutputKey"]: o["OutputValue"] for o in self._description.get("Outputs", [])}
        if "MigrateFunctionName" in found and "StateMachineArn" not in found:
            raise NoStackError(
                f"The first deployment of the stack '{self.stack}' stopped half-way: `etl deploy` "
                "goes on from there."
            )
        return found

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
    def contracts(self) -> ContractSet:
        """The contracts in force: the copies that the last deployment put into the data bucket."""
        from etl.authoring.units import resolve_units
        from etl.aws.contract_objects import deployed_contracts, further_names
        from telemetry.contract import ContractSet

        names = further_names(self.outputs)
        deployed = deployed_contracts(self.client("s3"), self.bucket, names)
        return ContractSet.of(resolve_units(contract) for contract in deployed)

    @property
    def contract(self) -> Contract:
        """The first contract in force."""
        return self.contracts.first

    def database_settings(self, role: DatabaseRole = "loader") -> dict[str, str]:
        """Return keyword arguments for ``psycopg2.connect``, with the role's password.

        Raises :class:`LoginUnreadableError`.
        """
        secret = self.client("secretsmanager").get_secret_value(
            SecretId=self.outputs[f"{role.title()}SecretArn"]
        )
        login = _login_of(secret.get("SecretString", ""), role)
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
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = file.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(answer["Body"].read())
        fresh.replace(file)
        return file

    def connect(self) -> Connection:
        """Return a new psycopg2 connection as the loader role."""
        import psycopg2

        settings: dict[str, Any] = self.database_settings()
        connection: Connection = psycopg2.connect(application_name="etl", **settings)
        return connection

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


def _login_of(text: str, role: DatabaseRole) -> dict[str, str]:
    """User and password of a role's secret, of which the error quotes nothing."""
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {"username", "password"} <= found.keys():
        raise LoginUnreadableError(
            f"The secret of the database role {role} holds no login (a JSON object with a password "
            "and the username). A new one is made by `etl database rotate`."
        )
    return found
