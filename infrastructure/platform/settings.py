"""What the platform stack shall hold, as one frozen dataclass.

Every field is a parameter of the template: one template serves every combination, and what is not
wanted is left out by a condition.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from infrastructure.platform.limits import INSTANCE_NAME, TRACE_GROUP_NAME
from telemetry.errors import UserError

__all__ = [
    "PROXY_PORT",
    "DatabaseChoice",
    "EngineVersion",
    "NetworkChoice",
    "PlatformSettings",
    "PlatformSettingsError",
    "check_settings",
    "settings_problems",
]

NetworkChoice = Literal["new", "given", "none"]
DatabaseChoice = Literal["new", "given"]
EngineVersion = Literal["16", "17", "18"]
"""Majors that RDS supports and a contract's limits hold for: 18 is the newest of them, and the one
that the tests run against (RDS's release calendar, 2026-11)."""

PROXY_PORT = 5432
"""The port of a PostgreSQL proxy can't be chosen; Load and Migrate share theirs."""

_RDS_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class PlatformSettingsError(UserError):
    """Raised when settings contradict one another; lists every problem, and what to do."""


@dataclass(frozen=True, kw_only=True)
class PlatformSettings:
    """One platform stack, beside one pipeline's own (the core stack)."""

    stack: str
    """Name of the platform stack, ``<core stack>-platform`` by custom."""

    network: NetworkChoice = "new"
    """``new``: a VPC without a way to the internet. ``given``: security groups and endpoints in a
    VPC that is there. ``none``: no VPC, for a database that is reached without one."""
    vpc_cidr: str = "10.42.0.0/16"
    """Addresses of a new VPC, /16 to /22."""
    zones: int = 2
    """Availability zones of a new VPC, 2 or 3: one private subnet in each."""
    s3_prefix_list_id: str = ""
    """Id (``pl-...``) of the region's list of S3 addresses, for the functions' security group: see
    :func:`infrastructure.platform.stack_links.s3_prefix_list`. Needed with a VPC, new or given."""
    vpc_id: str = ""
    """Given VPC."""
    subnet_ids: tuple[str, ...] = ()
    """Two private subnets or more of a given VPC, in different zones."""
    route_table_ids: tuple[str, ...] = ()
    """Route tables of those subnets, which get a way to S3; empty: they have one already."""
    secrets_security_group_id: str = ""
    """Security group of an endpoint for Secrets Manager that a given VPC has already; empty: an
    endpoint is made. A VPC takes only one with private names."""
    xray_endpoint: bool = False
    """An endpoint for X-Ray too. Lambda sends traces by its own network; this is for a VPC in which
    the spans of Load are missing all the same."""

    database: DatabaseChoice = "new"
    """``new``: RDS for PostgreSQL. ``given``: a database that is there."""
    database_name: str = "telemetry"
    """Name of the database, made or given."""
    database_port: int = 5432
    """Port of PostgreSQL; 5432 with a proxy, which listens on no other."""
    engine_version: EngineVersion = "18"
    """Major version of a new PostgreSQL; RDS chooses the minor one and keeps it new."""
    instance_class: str = "db.t4g.medium"
    """Of a new database."""
    storage_gb: int = 50
    """GiB of a new database at first (it grows by itself), and what its alarm compares with."""
    most_storage_gb: int = 500
    """GiB to which it grows."""
    multi_az: bool = True
    """A standby in another zone: twice the price, and a fail-over within two minutes."""
    backup_days: int = 14
    """Days for which a new database can be restored to any moment, 7 to 35."""
    deletion_protection: bool = True
    """A new database can't be deleted until this is off; a last snapshot is taken even then."""
    database_host: str = ""
    """Given database."""
    database_security_group_id: str = ""
    """Security group of a given database, which then lets the functions in; empty: it does so
    already, and ``database_cidr`` tells where it is."""
    database_cidr: str = ""
    """Addresses of a given database without a security group, such as ``10.0.3.7/32``."""
    database_instance_id: str = ""
    """Identifier of a given RDS instance, for its alarms and the proxy."""
    database_cluster_id: str = ""
    """Identifier of a given Aurora cluster, for the proxy; instead of an instance's."""
    most_connections: int = 300
    """Connections above which the database's alarm goes off. PostgreSQL on RDS takes about one for
    every 9.5 MB of the instance's memory."""
    owner_secret_arn: str = ""
    """Secret of a given database's owner; a new one makes its own."""

    proxy: bool = False
    """RDS Proxy between Load and the database. It appears with the core stack, as it needs the
    loader's secret and the role that the first migration makes."""

    core_stack: str = ""
    """Name of the core stack once it is there: adds proxy, alarms and trace group."""
    trace_group: bool = True
    """A group of X-Ray for the core's traces; its name is cut where X-Ray takes no longer one."""
    alert_topic_arn: str = ""
    """The core's topic (its output ``TopicArn``), told by the platform's alarms."""
    queue_name: str = ""
    """The core's queue of telemetry, whose backlog is watched."""
    backlog_minutes: int = 30
    """For so long the queue may look as if nobody emptied it; more than the schedule's interval."""
    loader_secret_arn: str = ""
    """The core's secret (its output ``LoaderSecretArn``), for the proxy."""
    core_key_arn: str = ""
    """The core's key (its output ``KeyArn``), which encrypts that secret."""
    analyst_secret_arn: str = ""
    """The core's secret (its output ``AnalystSecretArn``), for QuickSight."""
    quicksight_user: str = ""
    """ARN of the QuickSight user or group that owns data sets and dashboard; empty: there are none.
    QuickSight has to be switched on in the account, and allowed to read the analyst's secret."""

    monthly_budget: int = 0
    """US dollars a month above which, or forecast above which, an e-mail is sent; 0: no budget."""
    budget_email: str = ""
    """Who gets that e-mail."""
    budget_tag: str = ""
    """Cost-allocation tag whose costs count, as ``user:Name$value``; empty: the whole account's."""

    log_retention_days: int = 30
    """Of flow logs and the database's logs."""
    tags: dict[str, str] = field(default_factory=dict)
    """Of the stack, and so of all it holds; no parameter."""

    def parameters(self) -> dict[str, str]:
        """Values of the template's parameters."""
        return {
            "Network": self.network,
            "VpcCidr": self.vpc_cidr,
            "Zones": str(self.zones),
            "S3PrefixListId": self.s3_prefix_list_id,
            "VpcId": self.vpc_id,
            "SubnetIds": ",".join(self.subnet_ids),
            "RouteTableIds": ",".join(self.route_table_ids),
            "SecretsSecurityGroupId": self.secrets_security_group_id,
            "XrayEndpoint": _word(self.xray_endpoint),
            "Database": self.database,
            "DatabaseName": self.database_name,
            "DatabasePort": str(self.database_port),
            "EngineVersion": self.engine_version,
            "InstanceClass": self.instance_class,
            "StorageGb": str(self.storage_gb),
            "MostStorageGb": str(self.most_storage_gb),
            "MultiAz": _word(self.multi_az),
            "BackupDays": str(self.backup_days),
            "DeletionProtection": _word(self.deletion_protection),
            "DatabaseHost": self.database_host,
            "DatabaseSecurityGroupId": self.database_security_group_id,
            "DatabaseCidr": self.database_cidr,
            "DatabaseInstanceId": self.database_instance_id,
            "DatabaseClusterId": self.database_cluster_id,
            "MostConnections": str(self.most_connections),
            "OwnerSecretArn": self.owner_secret_arn,
            "Proxy": _word(self.proxy),
            "CoreStack": self.core_stack,
            "TraceGroupName": self.core_stack[: TRACE_GROUP_NAME.most] if self.trace_group else "",
            "AlertTopicArn": self.alert_topic_arn,
            "QueueName": self.queue_name,
            "BacklogPeriods": str(math.ceil(self.backlog_minutes / 5)),
            "LoaderSecretArn": self.loader_secret_arn,
            "CoreKeyArn": self.core_key_arn,
            "AnalystSecretArn": self.analyst_secret_arn,
            "QuickSightUser": self.quicksight_user,
            "MonthlyBudget": str(self.monthly_budget),
            "BudgetEmail": self.budget_email,
            "BudgetTag": self.budget_tag,
            "LogRetentionDays": str(self.log_retention_days),
        }


def check_settings(settings: PlatformSettings) -> None:
    """Raises :class:`PlatformSettingsError` listing every problem."""
    problems = list(settings_problems(settings))
    if problems:
        raise PlatformSettingsError("The platform's settings:\n  " + "\n  ".join(problems))


def settings_problems(settings: PlatformSettings) -> Iterator[str]:
    """Every contradiction, one sentence each. The template's rules say the same."""
    yield from _name_problems(settings)
    yield from _network_problems(settings)
    yield from _database_problems(settings)
    yield from _second_phase_problems(settings)
    if settings.monthly_budget and not settings.budget_email:
        yield "monthly_budget needs budget_email, or nobody would be told."


def _name_problems(settings: PlatformSettings) -> Iterator[str]:
    """Database and proxy bear the stack's name, and RDS writes names in lower case: the log groups
    made for them would be another's."""
    named = settings.database == "new" or settings.proxy
    if not named:
        return
    if not _RDS_NAME.fullmatch(settings.stack) or len(settings.stack) > INSTANCE_NAME.most:
        yield (
            f"stack names database and proxy, so it must be lower-case letters, digits and single "
            f"hyphens, {INSTANCE_NAME.most} characters at most, not {settings.stack!r}."
        )


def _network_problems(settings: PlatformSettings) -> Iterator[str]:
    if settings.network != "none" and not settings.s3_prefix_list_id:
        yield "s3_prefix_list_id is needed with a VPC: `aws ec2 describe-prefix-lists` shows it."
    if settings.network == "given" and not settings.vpc_id:
        yield "network = given needs vpc_id."
    if settings.network == "given" and len(settings.subnet_ids) < 2:
        yield "network = given needs subnet_ids: two private subnets or more."
    if settings.network == "none" and settings.database == "new":
        yield "A new database needs a VPC: choose network = new or given."


def _database_problems(settings: PlatformSettings) -> Iterator[str]:
    if settings.database == "given" and not settings.database_host:
        yield "database = given needs database_host."
    if settings.database == "given" and not settings.owner_secret_arn:
        yield "database = given needs owner_secret_arn, the secret of the role that owns schemas."
    reached = settings.database_security_group_id or settings.database_cidr
    if settings.database == "given" and settings.network != "none" and not reached:
        yield (
            "database = given in a VPC needs database_security_group_id or database_cidr, or the "
            "functions could not reach it."
        )
    if settings.database == "new" and settings.most_storage_gb <= settings.storage_gb:
        yield "most_storage_gb must be larger than storage_gb, or the database could not grow."
    yield from _proxy_problems(settings)


def _proxy_problems(settings: PlatformSettings) -> Iterator[str]:
    if not settings.proxy:
        return
    if settings.network == "none":
        yield "A proxy needs a VPC: choose network = new or given."
    if settings.database_port != PROXY_PORT:
        yield f"A proxy listens on {PROXY_PORT}, so database_port must be that too."
    if settings.database == "new":
        return
    targets = [settings.database_instance_id, settings.database_cluster_id]
    if sum(map(bool, targets)) != 1:
        yield "A proxy to a given database needs database_instance_id or database_cluster_id."
    if not settings.database_security_group_id:
        yield "A proxy to a given database needs database_security_group_id."


def _second_phase_problems(settings: PlatformSettings) -> Iterator[str]:
    if not settings.core_stack:
        return
    if not settings.alert_topic_arn or not settings.queue_name:
        yield "core_stack needs alert_topic_arn and queue_name, from the core stack's outputs."
    if settings.proxy and not (settings.loader_secret_arn and settings.core_key_arn):
        yield "A proxy needs loader_secret_arn and core_key_arn, from the core stack's outputs."


def _word(yes: bool) -> str:
    return "true" if yes else "false"
