"""Settings of a deployment, as frozen dataclasses with defaults.

The metadata of a field defines its setting, see :mod:`infrastructure.setting_fields`. A setting
that is a template parameter can be changed without a new build.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from functions.inventory import FunctionSpec, functions_of
from infrastructure.alarm_settings import AlarmSettings
from infrastructure.role_settings import RoleSettings
from infrastructure.setting_fields import about, parameter_values, setting
from layers.folders import INSTALLED, ROOT
from layers.target import AWS_TARGET, RuntimeTarget
from telemetry.metric_table import Level
from workflow.settings import DefinitionSettings

__all__ = [
    "CA_BUNDLE",
    "DATABASE_CA",
    "DEFAULT_CONTRACT",
    "EXAMPLE_CONTRACT",
    "LOG_RETENTION_DAYS",
    "DatabaseSettings",
    "Delivery",
    "DeploySettings",
    "TriggerMode",
]

DATABASE_CA = "database-ca.pem"
"""Name of the file of certificate authorities in the zips of the functions that connect."""
CA_BUNDLE = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
EXAMPLE_CONTRACT = "contracts/fleet.toml"
DEFAULT_CONTRACT = ROOT / EXAMPLE_CONTRACT if INSTALLED else Path(EXAMPLE_CONTRACT)
"""Contract of the example fleet, from the repository's folder or from the installed product's."""

TriggerMode = Literal["schedule", "queue", "both"]
Delivery = Literal["drain", "mapping"]
SslMode = Literal["require", "verify-ca", "verify-full"]
"""The modes of libpq that never fall back to a connection without TLS."""

LONGEST_IN_S3 = 36_500
"""Most days that a rule of the bucket's lifecycle may have here: a century."""
SCHEDULE = r"^(rate|cron|at)\(.+\)$"
LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827)
"""Retention periods that CloudWatch Logs offers, up to five years."""


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """Connection to PostgreSQL. Passwords are in Secrets Manager, never here."""

    host: str = field(
        metadata=about(
            "Host of PostgreSQL.",
            key="database.host",
            parameter="DatabaseHost",
            least=1,
            example="telemetry.cluster-abc.eu-central-1.rds.amazonaws.com",
        )
    )
    port: int = setting(
        5432,
        "Port of PostgreSQL.",
        key="database.port",
        parameter="DatabasePort",
        least=1,
        most=65535,
    )
    name: str = setting(
        "telemetry",
        "Name of the database. Each pipeline needs its own, because the ledger is in it; one "
        "server may hold several.",
        key="database.name",
        parameter="DatabaseName",
    )
    ssl_mode: SslMode = setting(
        "verify-full",
        "The sslmode of libpq. Only verify-full checks that it is the right server: with less, "
        "an attacker in between can read or answer.",
        key="database.ssl_mode",
        parameter="DatabaseSslMode",
    )
    ca_file: Path | None = setting(
        None,
        # Packed into the zips of Load and Migrate. For RDS Proxy, whose certificates are ACM's:
        # Amazon Trust Services, https://www.amazontrust.com/repository/.
        "File (PEM) of the certificate authorities that the database's certificate is verified "
        f"with. For RDS: {CA_BUNDLE}",
        key="database.ca_file",
        example="global-bundle.pem",
    )
    owner_secret_arn: str = setting(
        "",
        "Secret in Secrets Manager with username and password of the role that may create "
        "schemas and roles. Only the migrate function reads it.",
        key="database.owner_secret_arn",
        parameter="OwnerSecretArn",
        pattern=r"^arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:.+$",
        required=True,
        example="arn:aws:secretsmanager:eu-central-1:123456789012:secret:telemetry-owner-AbCdEf",
    )
    owner_key_arn: str = setting(
        "",
        "Customer-managed key of that secret; empty: the account's default key.",
        key="database.owner_key_arn",
        parameter="OwnerKeyArn",
        pattern=r"^(arn:[^:]+:kms:[^:]*:[^:]*:key/.+)?$",
    )
    owner_host: str = setting(
        "",
        "Host that the migrate function connects to where database.host is a proxy, which knows "
        "only the loader; empty: database.host.",
        key="database.owner_host",
        parameter="OwnerDatabaseHost",
    )


@dataclass(frozen=True, kw_only=True)
class DeploySettings:
    """One deployment: one stack, one or several contracts."""

    stack: str = field(
        metadata=about(
            "Name of the CloudFormation stack, and the start of the name of everything in it. "
            "Several pipelines in one account have several names.",
            key="stack",
            example="telemetry",
        )
    )
    contract: Path = field(
        metadata=about(
            "Contract file (TOML), which defines a reading and its table.",
            key="contract",
            example=EXAMPLE_CONTRACT,
        )
    )
    further_contracts: tuple[Path, ...] = setting(
        (),
        "Contract files of a pipeline with several kinds of messages, in place of `contract`: each "
        "has its own topics and its own table. Keep the first one first: its objects in S3 have no "
        "contract's name in their keys.",
        key="contracts",
        example=["contracts/fleet.toml", "contracts/status.toml"],
    )
    """The contracts after :attr:`contract`; the key ``contracts`` of a settings file names all."""
    execution_role_arn: str = setting(
        "",
        "Role that CloudFormation acts as, so that the person who deploys needs few "
        "permissions; empty: that person's own permissions.",
        key="execution_role_arn",
        example="arn:aws:iam::123456789012:role/telemetry-cloudformation",
    )
    roles: RoleSettings = field(default_factory=RoleSettings)
    trigger_mode: TriggerMode = setting(
        "queue",
        "What starts executions. schedule: large batches, cheapest; queue: lowest delay; both: "
        "either of them.",
        key="run.trigger",
        parameter="TriggerMode",
        local="both",
    )
    queue_delivery: Delivery = setting(
        "drain",
        "How the queue trigger gets the messages. drain: one execution drains the queue in each "
        "window, and the next one takes over after drain_minutes; mapping: each delivery of the "
        "queue's event source mapping starts an execution, faster with a small window, and dearer.",
        key="run.queue_delivery",
        parameter="QueueDelivery",
        local="mapping",
    )
    drain_minutes: int = setting(
        10,
        "Minutes for which one execution drains the queue, window by window, where "
        "queue_delivery is drain. It notifies you of failed batches at its end.",
        key="run.drain_minutes",
        least=1,
        most=60,
        local=1,
    )
    schedule_expression: str = setting(
        "rate(1 minute)",
        "How often the schedule drains the queue, in the syntax of EventBridge Scheduler.",
        key="run.schedule",
        parameter="ScheduleExpression",
        pattern=SCHEDULE,
    )
    sweep_expression: str = setting(
        "rate(15 minutes)",
        "How often the sweep looks for batches that are not being processed.",
        key="run.sweep",
        parameter="SweepExpression",
        pattern=SCHEDULE,
        local="rate(1 minute)",
    )
    maintenance_expression: str = setting(
        "cron(20 3 * * ? *)",
        "How often partitions are made ahead and dropped, where the contract's table has some.",
        key="run.maintenance",
        pattern=SCHEDULE,
        local="rate(1 hour)",
    )
    queue_window_seconds: int = setting(
        25,
        "Seconds for which the queue trigger gathers messages before it stages them.",
        key="run.queue_window_seconds",
        parameter="QueueWindowSeconds",
        least=1,
        most=300,
        local=5,
    )
    queue_concurrency: int = setting(
        5,
        "Batches that the queue trigger gathers and stages in parallel.",
        key="run.queue_concurrency",
        parameter="QueueConcurrency",
        # What Lambda allows for the mapping's MaximumConcurrency.
        least=2,
        most=1000,
    )
    visibility_timeout_seconds: int = setting(
        480,
        "Seconds for which a received message stays hidden: at least 180 plus the window.",
        key="run.visibility_timeout_seconds",
        parameter="VisibilityTimeoutSeconds",
        # The default: six times the stage function's timeout, plus the longest window.
        least=30,
        most=43200,
        # Short, so that one sees the messages of a killed function come back.
        local=30,
    )
    max_concurrency: int = setting(
        10,
        "Batches that one execution processes in parallel.",
        key="run.max_concurrency",
        parameter="MaxConcurrency",
        least=1,
        most=1000,
        # The emulator starts a process for each function call in flight.
        local=2,
    )
    tolerated_failure_share: float = setting(
        0.0,
        "Share of failed batches, 0 to 1, up to which an execution counts as partial instead "
        "of failed.",
        key="run.tolerated_failure_share",
        parameter="ToleratedFailureShare",
        pattern=r"^(0(\.\d+)?|1(\.0+)?)$",
    )
    definition: DefinitionSettings = field(default_factory=DefinitionSettings)
    customization: Path | None = setting(
        None,
        "Python file with a function customize(workflow) that adds states of your own to the "
        "state machine. It runs where a deployment is planned, not in AWS.",
        key="run.customization",
        example="customize.py",
    )
    database: DatabaseSettings
    loader_connections: int = setting(
        50,
        "Connections that the loader's role may have at the same time, over all executions.",
        key="database.loader_connections",
        parameter="LoaderConnections",
        least=1,
        most=10000,
    )
    subnet_ids: tuple[str, ...] = setting(
        (),
        "Private subnets of the functions that connect to PostgreSQL; empty: no VPC.",
        key="network.subnet_ids",
        parameter="SubnetIds",
        example=["subnet-0a1b2c3d", "subnet-4e5f6a7b"],
    )
    security_group_ids: tuple[str, ...] = setting(
        (),
        "Security groups of those functions; empty: no VPC.",
        key="network.security_group_ids",
        parameter="SecurityGroupIds",
        example=["sg-0a1b2c3d"],
    )
    fleet_provisioning: bool = setting(
        False,
        "Let devices of the allow-list register by themselves, with a shared claim certificate.",
        key="devices.fleet_provisioning",
    )
    alert_email: str = setting(
        "",
        "Address that is notified of alarms and failed executions; AWS first sends it an email "
        "to confirm. Empty: no one is notified.",
        key="operation.alert_email",
        parameter="AlertEmail",
        example="telemetry@example.com",
    )
    channels: bool = setting(
        False,
        "Post the same to Slack, Teams, PagerDuty or a webhook: `etl channels set` enters their "
        "addresses into a secret.",
        key="operation.channels",
    )
    runbook_url: str = setting(
        "",
        "Address below which you publish the site of `make docs`, so that notifications in "
        "channels link to the runbook. Empty: they name its section.",
        key="operation.runbook_url",
        pattern=r"^https://[\w./:%~-]+$",
        example="https://docs.example.com/telemetry",
    )
    observability: Level = setting(
        "lean",
        "How much the pipeline reports about itself, see docs/metrics.md. lean: alarms on lost "
        "and waiting data, and the metrics that these need; standard: also delays, results of "
        "readings and what AWS IoT refuses; full: also each stage and function, each execution's "
        "steps and traces, and a CloudWatch dashboard.",
        key="operation.observability",
        parameter="Observability",
        local="full",
    )
    log_retention_days: int = setting(
        30,
        "Days for which CloudWatch keeps logs.",
        key="operation.log_retention_days",
        parameter="LogRetentionDays",
        choices=LOG_RETENTION_DAYS,
    )
    retain_data: bool = setting(
        True,
        "Keep the data bucket and its key when the stack is deleted.",
        key="operation.retain_data",
        local=False,
    )
    termination_protection: bool = setting(
        True,
        "Refuse to delete the stacks until `etl destroy` or this setting lifts it.",
        key="operation.termination_protection",
        local=False,
    )
    stack_policy: bool = setting(
        True,
        "Refuse a deployment that would replace or delete the data bucket, a queue, a secret, a "
        "key or the platform's database.",
        key="operation.stack_policy",
        local=False,
    )
    infrequent_access_days: int = setting(
        0,
        "Days after which raw objects move to S3 Standard-IA: 0 for never, else at least 30. Worth "
        "it before glacier_days only where old batches are often replayed.",
        key="storage.infrequent_access_days",
        least=0,
        most=LONGEST_IN_S3,
    )
    glacier_days: int = setting(
        30,
        "Days after which raw objects move to Glacier Instant Retrieval: 0 for never; with "
        "infrequent_access_days, at least 30 more. They stay readable at once, and never expire; "
        "reading a GB costs $0.03.",
        key="storage.glacier_days",
        least=0,
        most=LONGEST_IN_S3,
    )
    clean: bool = setting(
        True,
        "Write each batch's rows as Parquet, too, for Athena and notebooks. False saves a request "
        "per batch; `etl reconcile --deep` then skips batches without such an object, and an "
        "erasure in a batch of an older contract needs a replay first.",
        key="storage.clean",
    )
    clean_days: int = setting(
        0,
        "Days after which objects of the Parquet zone expire; 0: never. `etl reconcile --deep` "
        "skips batches without them; a replay with another contract writes them again.",
        key="storage.clean_days",
        least=0,
        most=LONGEST_IN_S3,
    )
    rejected_days: int = setting(
        0,
        "Days after which rejects expire, and can't be exported any more; 0: never.",
        key="storage.rejected_days",
        least=0,
        most=LONGEST_IN_S3,
    )
    alarms: AlarmSettings = field(default_factory=AlarmSettings)
    target: RuntimeTarget = AWS_TARGET
    tuning: dict[str, str] = field(default_factory=dict)
    """More environment variables for every function, such as ``DRAIN_SECONDS``."""
    own_functions: dict[str, str] = field(default_factory=dict)
    """Name or ARN of each Lambda function of the user's own that the customization invokes."""
    tags: dict[str, str] = field(default_factory=dict)
    """Tags of the stack, and so of everything in it."""

    @property
    def contracts(self) -> tuple[Path, ...]:
        """Files of all contracts, the first one's first."""
        return (self.contract, *self.further_contracts)

    @property
    def functions(self) -> tuple[FunctionSpec, ...]:
        """The functions of the deployment."""
        return functions_of(fleet_provisioning=self.fleet_provisioning, channels=self.channels)

    def parameters(self, artifact_bucket: str) -> dict[str, str]:
        """Values of the template's parameters."""
        return {"ArtifactBucket": artifact_bucket, **parameter_values(self)}
