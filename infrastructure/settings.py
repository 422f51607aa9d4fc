"""What a deployment can choose, as frozen dataclasses with defaults.

What an operator may want to change without building anything anew is a parameter of the template;
the fields that end there say so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from layers.target import AWS_TARGET, RuntimeTarget
from workflow.settings import DefinitionSettings

__all__ = ["DATABASE_CA", "AlarmSettings", "DatabaseSettings", "DeploySettings", "TriggerMode"]

DATABASE_CA = "database-ca.pem"
"""The file of authorities in the zips of the functions that connect."""

TriggerMode = Literal["schedule", "queue", "both"]


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """Where PostgreSQL is; template parameters. Passwords are in Secrets Manager, never here."""

    host: str
    port: int = 5432
    name: str = "telemetry"
    ssl_mode: str = "verify-full"
    ca_file: Path | None = None
    """PEM file of the authorities that Load and Migrate trust, packed into their zips. For RDS its
    bundle (https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem); for RDS Proxy, whose
    certificates are ACM's, Amazon Trust Services' (https://www.amazontrust.com/repository/).
    Without one, ``verify-full`` can't connect."""
    owner_host: str = ""
    """Host by which Migrate connects where Load goes through a proxy; empty: ``host``."""
    owner_secret_arn: str = ""
    """Secret with ``{"username", "password"}`` of the role that may create schemas and roles."""
    owner_key_arn: str = ""
    """Customer-managed key of that secret; empty: the account's default key."""


@dataclass(frozen=True, kw_only=True)
class AlarmSettings:
    """When alarms sound; template parameters. Counts are of five minutes."""

    failed_executions: int = 1
    timed_out_executions: int = 1
    reject_share_percent: int = 10
    """Average over the batches of five minutes."""
    lag_seconds: int = 900
    """From a reading's own time to its row: the median, in two of three times five minutes."""
    queue_age_seconds: int = 900
    dead_letters: int = 1
    rule_errors: int = 1
    function_errors: int = 5
    """Of one function; of the sweep in an hour."""
    throttles: int = 10
    """Of one function."""
    load_seconds: int = 60
    """Of the longest load; Lambda ends it at 75."""
    quarantined_batches: int = 1
    batches_for_a_person: int = 1
    no_data_minutes: int = 0
    """Without any message (1..1440); 0: no such alarm, as a fleet may be silent by night."""

    def parameters(self) -> dict[str, str]:
        """Values of the template's parameters."""
        return {
            "AlarmAtFailedExecutions": str(self.failed_executions),
            "AlarmAtTimedOutExecutions": str(self.timed_out_executions),
            "AlarmAtRejectPercent": str(self.reject_share_percent),
            "AlarmAtLagSeconds": str(self.lag_seconds),
            "AlarmAtQueueSeconds": str(self.queue_age_seconds),
            "AlarmAtDeadLetters": str(self.dead_letters),
            "AlarmAtRuleErrors": str(self.rule_errors),
            "AlarmAtFunctionErrors": str(self.function_errors),
            "AlarmAtThrottles": str(self.throttles),
            "AlarmAtLoadSeconds": str(self.load_seconds),
            "AlarmAtQuarantinedBatches": str(self.quarantined_batches),
            "AlarmAtBatchesForAPerson": str(self.batches_for_a_person),
            "AlarmAfterSilentMinutes": str(self.no_data_minutes),
        }


@dataclass(frozen=True, kw_only=True)
class DeploySettings:
    """One deployment: one stack, one contract."""

    stack: str
    contract: Path
    database: DatabaseSettings
    target: RuntimeTarget = AWS_TARGET
    definition: DefinitionSettings = field(default_factory=DefinitionSettings)
    max_concurrency: int = 10
    """Batches of one execution in flight at once; template parameter."""
    loader_connections: int = 50
    """Connections that the loader's role may have at once, whatever runs; template parameter."""
    trigger_mode: TriggerMode = "both"
    """Template parameter."""
    schedule_expression: str = "rate(1 minute)"
    """Template parameter, in EventBridge Scheduler's syntax."""
    sweep_expression: str = "rate(15 minutes)"
    """How often batches that nobody takes care of are looked for; template parameter."""
    queue_window_seconds: int = 20
    """How long the queue trigger gathers messages (1..300); template parameter."""
    queue_concurrency: int = 5
    """Batches of the queue that are gathered and staged at once (2..1000); template parameter."""
    visibility_timeout_seconds: int = 480
    """How long a received message stays hidden; template parameter."""
    alert_email: str = ""
    """Told of failures; template parameter, empty: nobody subscribed."""
    alarms: AlarmSettings = field(default_factory=AlarmSettings)
    """When alarms sound; template parameters."""
    log_retention_days: int = 30
    """Template parameter."""
    subnet_ids: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    """VPC of Load and Migrate; template parameters, empty: no VPC."""
    tolerated_failure_share: float = 0.0
    """Share of failed batches (0..1) up to which an execution is "partial", not failed."""
    tuning: dict[str, str] = field(default_factory=dict)
    """More environment variables for every function, such as ``DRAIN_SECONDS``."""
    tags: dict[str, str] = field(default_factory=dict)
    execution_role_arn: str = ""
    """Role that CloudFormation acts by; empty: whoever deploys."""
    retain_data: bool = True
    """Keep the data bucket and its key when the stack is deleted."""

    def parameters(self, artifact_bucket: str) -> dict[str, str]:
        """Values of the template's parameters."""
        return {
            "ArtifactBucket": artifact_bucket,
            "MaxConcurrency": str(self.max_concurrency),
            "LoaderConnections": str(self.loader_connections),
            "TriggerMode": self.trigger_mode,
            "ScheduleExpression": self.schedule_expression,
            "SweepExpression": self.sweep_expression,
            "QueueWindowSeconds": str(self.queue_window_seconds),
            "QueueConcurrency": str(self.queue_concurrency),
            "VisibilityTimeoutSeconds": str(self.visibility_timeout_seconds),
            "ToleratedFailureShare": str(self.tolerated_failure_share),
            "DatabaseHost": self.database.host,
            "DatabasePort": str(self.database.port),
            "DatabaseName": self.database.name,
            "DatabaseSslMode": self.database.ssl_mode,
            "OwnerDatabaseHost": self.database.owner_host,
            "OwnerSecretArn": self.database.owner_secret_arn,
            "OwnerKeyArn": self.database.owner_key_arn,
            "AlertEmail": self.alert_email,
            "LogRetentionDays": str(self.log_retention_days),
            "SubnetIds": ",".join(self.subnet_ids),
            "SecurityGroupIds": ",".join(self.security_group_ids),
            **self.alarms.parameters(),
        }
