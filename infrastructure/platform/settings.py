"""Settings of the platform stack, as one frozen dataclass.

Nearly every field is a parameter of the template: one template serves every combination, and what
is not wanted is left out by a condition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from infrastructure.platform.limits import TRACE_GROUP_NAME
from infrastructure.role_settings import RoleSettings
from infrastructure.setting_fields import parameter_values, setting
from infrastructure.settings import LOG_RETENTION_DAYS

__all__ = ["PlatformSettings"]

_CIDR = r"(\d{1,3}\.){3}\d{1,3}/"
_ARN = r"^(arn:[^:]+:%s:[^:]*:[^:]*:.+)?$"

CoreLevel = Literal["", "lean", "standard", "full"]
"""Level of observability of the core stack; empty: there is no core yet."""


@dataclass(frozen=True, kw_only=True)
class PlatformSettings:
    """One platform stack, beside one pipeline's own (the core stack).

    Settings without a key are filled in by a deployment: from the core stack, or as they are set
    there.
    """

    stack: str
    """Name of the platform stack, ``<core stack>-platform`` by convention."""
    roles: RoleSettings = field(default_factory=RoleSettings)

    network: Literal["new", "given", "none"] = setting(
        "new",
        "new: a VPC without a route to the internet. given: security groups and endpoints in an "
        "existing VPC. none: no VPC, for a database that is reached without one.",
        key="platform.network",
        parameter="Network",
        group="Network",
    )
    vpc_cidr: str = setting(
        "10.42.0.0/16",
        "Addresses of a new VPC, /16 to /22; each zone gets a block of 256.",
        key="platform.vpc_cidr",
        parameter="VpcCidr",
        pattern=rf"^{_CIDR}(1[6-9]|2[0-2])$",
    )
    zones: Literal[2, 3] = setting(
        2,
        "Availability zones of a new VPC: one private subnet in each.",
        key="platform.zones",
        parameter="Zones",
    )
    s3_prefix_list_id: str = setting(
        "",
        "Id (pl-...) of the region's list of S3 addresses, for the functions' security group; "
        "`etl deploy` looks it up where it is empty.",
        key="platform.s3_prefix_list_id",
        parameter="S3PrefixListId",
        pattern=r"^(pl-[0-9a-f]+)?$",
    )
    vpc_id: str = setting(
        "",
        "Id of a given VPC.",
        key="platform.vpc_id",
        parameter="VpcId",
        pattern=r"^(vpc-[0-9a-f]+)?$",
    )
    subnet_ids: tuple[str, ...] = setting(
        (),
        "Two or more private subnets of a given VPC, in different zones.",
        key="platform.subnet_ids",
        parameter="SubnetIds",
    )
    route_table_ids: tuple[str, ...] = setting(
        (),
        "Route tables of those subnets, to which a route to S3 is added; empty: they have one.",
        key="platform.route_table_ids",
        parameter="RouteTableIds",
    )
    secrets_security_group_id: str = setting(
        "",
        "Security group of a given VPC's existing endpoint for Secrets Manager; empty: an endpoint "
        "is created. A VPC takes only one with private names.",
        key="platform.secrets_security_group_id",
        parameter="SecretsSecurityGroupId",
        pattern=r"^(sg-[0-9a-f]+)?$",
    )
    xray_endpoint: bool = setting(
        False,
        "Create an endpoint for X-Ray too. Lambda sends traces over its own network; this is for "
        "a VPC where the spans of Load are missing nevertheless.",
        key="platform.xray_endpoint",
        parameter="XrayEndpoint",
    )

    database: Literal["new", "given"] = setting(
        "new",
        "new: RDS for PostgreSQL. given: an existing database.",
        key="platform.database",
        parameter="Database",
        group="Database",
    )
    database_name: str = setting(
        "telemetry",
        "Name of the database, new or given.",
        parameter="DatabaseName",
        pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$",
    )
    database_port: int = setting(
        5432,
        "Port of PostgreSQL; 5432 with a proxy, which listens on no other.",
        parameter="DatabasePort",
        least=1150,
        most=65535,
    )
    # Majors that RDS supports and a contract's limits hold for: 18 is the newest of them, and the
    # one that the tests run against (RDS's release calendar, 2026-11).
    engine_version: Literal["16", "17", "18"] = setting(
        "18",
        "Major version of a new PostgreSQL; RDS chooses the minor version and keeps it up to date.",
        key="platform.engine_version",
        parameter="EngineVersion",
    )
    instance_class: str = setting(
        "db.t4g.medium",
        "Instance class of a new database.",
        key="platform.instance_class",
        parameter="InstanceClass",
        pattern=r"^db\.[a-z0-9]+\.[a-z0-9]+$",
    )
    storage_gb: int = setting(
        50,
        "Initial storage of a new database in GiB (it grows by itself), which the storage alarm "
        "compares with.",
        key="platform.storage_gb",
        parameter="StorageGb",
        least=20,
        most=65536,
    )
    most_storage_gb: int = setting(
        500,
        "Storage in GiB up to which a new database grows by itself.",
        key="platform.most_storage_gb",
        parameter="MostStorageGb",
        least=22,
        most=65536,
    )
    multi_az: bool = setting(
        True,
        "Keep a standby in another zone: twice the price, and a failover within two minutes.",
        key="platform.multi_az",
        parameter="MultiAz",
    )
    backup_days: int = setting(
        14,
        "Days for which a new database can be restored to any point in time.",
        key="platform.backup_days",
        parameter="BackupDays",
        least=7,
        most=35,
    )
    deletion_protection: bool = setting(
        True,
        "Refuse to delete a new database while this is on; a last snapshot is taken even when it "
        "is off.",
        key="platform.deletion_protection",
        parameter="DeletionProtection",
    )
    most_connections: int = setting(
        300,
        "Connections above which the database's alarm fires. PostgreSQL on RDS accepts about one "
        "for every 9.5 MB of the instance's memory.",
        key="platform.most_connections",
        parameter="MostConnections",
        least=1,
        most=100000,
    )
    proxy: bool = setting(
        False,
        "Put RDS Proxy between Load and the database. It is created once the core stack exists, "
        "because it needs the loader's secret and the role that the first migration creates.",
        key="platform.proxy",
        parameter="Proxy",
    )

    database_host: str = setting(
        "",
        "Host of a given database.",
        key="platform.database_host",
        parameter="DatabaseHost",
        group="Given database",
    )
    database_security_group_id: str = setting(
        "",
        "Security group of a given database, to which a rule is added that lets the functions in; "
        "empty: it lets them in already, and database_cidr says where it is.",
        key="platform.database_security_group_id",
        parameter="DatabaseSecurityGroupId",
        pattern=r"^(sg-[0-9a-f]+)?$",
    )
    database_cidr: str = setting(
        "",
        "Addresses of a given database without a security group, such as 10.0.3.7/32.",
        key="platform.database_cidr",
        parameter="DatabaseCidr",
        pattern=rf"^({_CIDR}([89]|[12]\d|3[0-2]))?$",
    )
    database_instance_id: str = setting(
        "",
        "Identifier of a given RDS instance, for its alarms and the proxy.",
        key="platform.database_instance_id",
        parameter="DatabaseInstanceId",
    )
    database_cluster_id: str = setting(
        "",
        "Identifier of a given Aurora cluster, for the proxy; instead of an instance's.",
        key="platform.database_cluster_id",
        parameter="DatabaseClusterId",
    )
    owner_secret_arn: str = setting(
        "",
        "Secret of the role of a given database that may create schemas and roles; a new database "
        "creates its own.",
        key="platform.owner_secret_arn",
        parameter="OwnerSecretArn",
        pattern=_ARN % "secretsmanager",
    )

    core_stack: str = setting(
        "",
        "Name of the core stack once it exists, which adds proxy, alarms and trace group; empty: "
        "not yet.",
        parameter="CoreStack",
        group="Core stack",
    )
    trace_group: bool = setting(
        True,
        "Create an X-Ray group for the core stack's traces; its name is cut to the length that "
        "X-Ray allows.",
        key="platform.trace_group",
    )
    trace_group_name: str = setting(
        "",
        "Name of the X-Ray group; empty: none.",
        parameter="TraceGroupName",
        most=TRACE_GROUP_NAME.most,
    )
    alert_topic_arn: str = setting(
        "",
        "The core stack's output TopicArn: the topic that the platform's alarms notify.",
        parameter="AlertTopicArn",
        pattern=_ARN % "sns",
    )
    queue_name: str = setting(
        "",
        "The core stack's telemetry queue, whose backlog is watched: the last part of its output "
        "QueueArn.",
        parameter="QueueName",
    )
    observability: CoreLevel = setting(
        "",
        "The core stack's output Observability: the composite alarms name only alarms that the "
        "core has at this level.",
        parameter="Observability",
    )
    backlog_minutes: int = setting(
        30,
        "Minutes for which the queue's backlog may grow before an alarm fires; more than the "
        "schedule's interval. The parameter counts periods of five minutes.",
        key="platform.backlog_minutes",
        parameter="BacklogPeriods",
        least=1,
        most=1440,
        divisor=5,
    )
    loader_secret_arn: str = setting(
        "",
        "The core stack's output LoaderSecretArn, for the proxy.",
        parameter="LoaderSecretArn",
        pattern=_ARN % "secretsmanager",
    )
    core_key_arn: str = setting(
        "",
        "The core stack's output KeyArn: the key that encrypts that secret.",
        parameter="CoreKeyArn",
        pattern=_ARN % "kms",
    )
    analyst_secret_arn: str = setting(
        "",
        "The core stack's output AnalystSecretArn, for QuickSight.",
        parameter="AnalystSecretArn",
        pattern=_ARN % "secretsmanager",
    )
    quicksight_user: str = setting(
        "",
        "ARN of the QuickSight user or group that owns data sets and dashboard; empty: neither is "
        "created. QuickSight has to be enabled in the account and allowed to read the analyst's "
        "secret.",
        key="platform.quicksight_user",
        parameter="QuickSightUser",
        pattern=r"^(arn:[^:]+:quicksight:[^:]+:\d{12}:(user|group)/.+)?$",
    )

    monthly_budget: int = setting(
        0,
        "US dollars per month; an email is sent when costs exceed them or are forecast to. 0: no "
        "budget.",
        key="platform.monthly_budget",
        parameter="MonthlyBudget",
        group="Money and logs",
        least=0,
        most=10_000_000,
    )
    budget_email: str = setting(
        "",
        "Address to which that email is sent.",
        key="platform.budget_email",
        parameter="BudgetEmail",
    )
    budget_tag: str = setting(
        "",
        "Cost-allocation tag whose costs count, as user:Name$value; empty: the costs of the whole "
        "account.",
        key="platform.budget_tag",
        parameter="BudgetTag",
        pattern=r"^([^$]+\$.+)?$",
    )
    log_retention_days: int = setting(
        30,
        "Days for which flow logs and the database's logs are kept.",
        parameter="LogRetentionDays",
        choices=LOG_RETENTION_DAYS,
    )
    tags: dict[str, str] = field(default_factory=dict)
    """Tags of the stack, and so of everything in it."""

    def parameters(self) -> dict[str, str]:
        """Values of the template's parameters."""
        return parameter_values(self)
