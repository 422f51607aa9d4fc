"""What may stand in the settings file: each key, its kind, its default, and what it is for.

Reading the file, the commented example and the reference in the docs all follow from this list.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, get_args

from infrastructure.settings import DatabaseSettings, DeploySettings, TriggerMode
from layers.target import Architecture, RuntimeTarget
from workflow.settings import DefinitionSettings

__all__ = ["ENTRIES", "FREE_TABLES", "TABLES", "Entry", "Kind"]

Kind = Literal["text", "whole number", "number", "true or false", "file", "list of texts"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One key of the file."""

    key: str
    """Dotted, ``table.name``."""
    kind: Kind
    text: str
    """What it is for, in a sentence or two."""
    owner: type | None = None
    """The dataclass that takes it, ``None`` for what is no deployment's setting."""
    field: str = ""
    """Name there; the key's own name where empty."""
    parameter: str = ""
    """The template's parameter that it ends in, whose rules it must keep."""
    choices: tuple[str, ...] = ()
    example: Any = None
    """What the commented example shows where there is no default."""

    @property
    def table(self) -> str:
        """Table of the file, empty for the top."""
        return self.key.rpartition(".")[0]

    @property
    def name(self) -> str:
        """Name within its table."""
        return self.key.rpartition(".")[2]

    @property
    def attribute(self) -> str:
        """Name of the dataclass's field."""
        return self.field or self.name

    @property
    def default(self) -> Any:
        """What holds where nothing is written; ``None`` where something must be."""
        if self.owner is None:
            return None
        for one in fields(self.owner):
            if one.name == self.attribute:
                return None if one.default is MISSING else one.default
        raise LookupError(f"{self.owner.__name__} has no field {self.attribute}")


TABLES: dict[str, str] = {
    "": "What is deployed, and where",
    "run": "When executions run, and how much at once",
    "database": "PostgreSQL; leave this out where [platform] makes one",
    "network": "The VPC of the functions that connect to PostgreSQL; [platform] may bring one",
    "operation": "Who is told, and what is kept",
    "alarms": "When alarms sound",
    "runtime": "What the functions run on",
    "tuning": "More environment variables for every function, as texts",
    "tags": "On the stacks, and so on everything in them",
    "platform": "A second stack, named like the first with -platform, of what only AWS can host: "
    "network, database, proxy, budget. Leave the table out where you have them",
}
"""Tables in the order in which the example shows them."""

FREE_TABLES: dict[str, tuple[str, str]] = {
    "tuning": ("DRAIN_SECONDS", "20"),
    "tags": ("CostCentre", "4711"),
}
"""Tables whose names are the user's own, with an example each."""

_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:telemetry-owner-AbCdEf"

ENTRIES: tuple[Entry, ...] = (
    Entry(
        key="stack",
        kind="text",
        text="Name of the CloudFormation stack, and the beginning of the name of all it holds. "
        "Several pipelines in one account have several names.",
        owner=DeploySettings,
        example="telemetry",
    ),
    Entry(
        key="contract",
        kind="file",
        text="What a reading is. Paths are relative to this file.",
        owner=DeploySettings,
        example="contracts/fleet.toml",
    ),
    Entry(
        key="region",
        kind="text",
        text="AWS region. With it, or a profile, the commands that read this file act on AWS "
        "rather than on this machine's stand-ins; --local makes them act here all the same.",
        example="eu-central-1",
    ),
    Entry(
        key="profile",
        kind="text",
        text="AWS profile, as in ~/.aws/config: keys, SSO or an assumed role.",
        example="production",
    ),
    Entry(
        key="execution_role_arn",
        kind="text",
        text="Role that CloudFormation acts by, so that whoever deploys needs few permissions of "
        "their own; empty: theirs.",
        owner=DeploySettings,
        example="arn:aws:iam::123456789012:role/telemetry-cloudformation",
    ),
    Entry(
        key="run.trigger",
        kind="text",
        text="What starts executions. schedule: large batches, cheapest; queue: least delay; both.",
        owner=DeploySettings,
        field="trigger_mode",
        parameter="TriggerMode",
        choices=get_args(TriggerMode),
    ),
    Entry(
        key="run.schedule",
        kind="text",
        text="How often the schedule drains the queue, in EventBridge Scheduler's syntax.",
        owner=DeploySettings,
        field="schedule_expression",
        parameter="ScheduleExpression",
    ),
    Entry(
        key="run.sweep",
        kind="text",
        text="How often batches that nobody takes care of are looked for.",
        owner=DeploySettings,
        field="sweep_expression",
        parameter="SweepExpression",
    ),
    Entry(
        key="run.queue_window_seconds",
        kind="whole number",
        text="How long the queue trigger gathers messages, 1 to 300.",
        owner=DeploySettings,
        parameter="QueueWindowSeconds",
    ),
    Entry(
        key="run.queue_concurrency",
        kind="whole number",
        text="Batches of the queue that are gathered and staged at once, 2 to 1000.",
        owner=DeploySettings,
        parameter="QueueConcurrency",
    ),
    Entry(
        key="run.visibility_timeout_seconds",
        kind="whole number",
        text="How long a received message stays hidden: at least 180 and the window.",
        owner=DeploySettings,
        parameter="VisibilityTimeoutSeconds",
    ),
    Entry(
        key="run.max_concurrency",
        kind="whole number",
        text="Batches of one execution in flight at once.",
        owner=DeploySettings,
        parameter="MaxConcurrency",
    ),
    Entry(
        key="run.tolerated_failure_share",
        kind="number",
        text="Share of failed batches, 0 to 1, up to which an execution is partial, not failed.",
        owner=DeploySettings,
        parameter="ToleratedFailureShare",
    ),
    Entry(
        key="run.execution_timeout_seconds",
        kind="whole number",
        text="An execution that takes longer is stopped.",
        owner=DefinitionSettings,
    ),
    Entry(
        key="database.host",
        kind="text",
        text="Host of PostgreSQL.",
        owner=DatabaseSettings,
        parameter="DatabaseHost",
        example="telemetry.cluster-abc.eu-central-1.rds.amazonaws.com",
    ),
    Entry(
        key="database.port",
        kind="whole number",
        text="Its port.",
        owner=DatabaseSettings,
        parameter="DatabasePort",
    ),
    Entry(
        key="database.name",
        kind="text",
        text="Name of the database. Each pipeline needs one of its own, as the ledger is in it; "
        "one server may hold several.",
        owner=DatabaseSettings,
        parameter="DatabaseName",
    ),
    Entry(
        key="database.ssl_mode",
        kind="text",
        text="libpq's sslmode. Anything below verify-full lets others listen or answer.",
        owner=DatabaseSettings,
        parameter="DatabaseSslMode",
    ),
    Entry(
        key="database.ca_file",
        kind="file",
        text="Authorities (PEM) that the database's certificate is verified with. For RDS: "
        "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem",
        owner=DatabaseSettings,
        example="global-bundle.pem",
    ),
    Entry(
        key="database.owner_secret_arn",
        kind="text",
        text="Secret with username and password of the role that may create schemas and roles.",
        owner=DatabaseSettings,
        parameter="OwnerSecretArn",
        example=_ARN,
    ),
    Entry(
        key="database.owner_key_arn",
        kind="text",
        text="Customer-managed key of that secret; empty: the account's default key.",
        owner=DatabaseSettings,
        parameter="OwnerKeyArn",
    ),
    Entry(
        key="database.owner_host",
        kind="text",
        text="Host by which the owner connects where host is a proxy; empty: host.",
        owner=DatabaseSettings,
        parameter="OwnerDatabaseHost",
    ),
    Entry(
        key="database.loader_connections",
        kind="whole number",
        text="Connections that the loader's role may have at once, whatever runs.",
        owner=DeploySettings,
        parameter="LoaderConnections",
    ),
    Entry(
        key="network.subnet_ids",
        kind="list of texts",
        text="Private subnets of the functions that connect to PostgreSQL; empty: no VPC.",
        owner=DeploySettings,
        parameter="SubnetIds",
        example=["subnet-0a1b2c3d", "subnet-4e5f6a7b"],
    ),
    Entry(
        key="network.security_group_ids",
        kind="list of texts",
        text="Security groups of those functions.",
        owner=DeploySettings,
        parameter="SecurityGroupIds",
        example=["sg-0a1b2c3d"],
    ),
    Entry(
        key="operation.alert_email",
        kind="text",
        text="Address that is told of failures; it gets a mail to confirm. Empty: nobody.",
        owner=DeploySettings,
        parameter="AlertEmail",
        example="telemetry@example.com",
    ),
    Entry(
        key="operation.log_retention_days",
        kind="whole number",
        text="How long CloudWatch keeps logs.",
        owner=DeploySettings,
        parameter="LogRetentionDays",
    ),
    Entry(
        key="operation.retain_data",
        kind="true or false",
        text="Keep the data bucket and its key when the stack is deleted.",
        owner=DeploySettings,
    ),
    Entry(
        key="runtime.python",
        kind="text",
        text="Python of the functions. Layers are built for it, whatever this machine has.",
        owner=RuntimeTarget,
    ),
    Entry(
        key="runtime.architecture",
        kind="text",
        text="Processor. arm64 costs 20 % less per second.",
        owner=RuntimeTarget,
        choices=get_args(Architecture),
    ),
)
