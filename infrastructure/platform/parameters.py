"""The platform's parameters; :class:`PlatformSettings` fills them."""

from __future__ import annotations

from typing import Any

from troposphere import Parameter, Template

from infrastructure.core.parameters import LOG_RETENTION_DAYS

__all__ = ["add_parameters"]

_CIDR = r"(\d{1,3}\.){3}\d{1,3}/"
_ARN = r"^(arn:[^:]+:%s:[^:]*:[^:]*:.+)?$"


def add_parameters(template: Template) -> None:
    """All parameters; only a VPC's prefix list has no default that works."""
    groups = {
        "Network": _network(),
        "Database": _database(),
        "Given database": _given_database(),
        "Core stack": _core(),
        "Money and logs": _operation(),
    }
    for label, parameters in groups.items():
        for parameter in parameters:
            template.add_parameter(parameter)
            template.add_parameter_to_group(parameter, label)


def _text(name: str, description: str, default: str = "", **rest: Any) -> Parameter:
    return Parameter(name, Type="String", Default=default, Description=description, **rest)


def _choice(name: str, default: str, allowed: tuple[str, ...], description: str) -> Parameter:
    return _text(name, description, default, AllowedValues=list(allowed))


def _yes_or_no(name: str, default: str, description: str) -> Parameter:
    return _choice(name, default, ("true", "false"), description)


def _number(name: str, default: int, least: int, most: int, description: str) -> Parameter:
    bounds = {"MinValue": least, "MaxValue": most}
    return Parameter(name, Type="Number", Default=default, Description=description, **bounds)


def _list(name: str, description: str) -> Parameter:
    return Parameter(name, Type="CommaDelimitedList", Default="", Description=description)


def _network() -> list[Parameter]:
    return [
        _choice(
            "Network",
            "new",
            ("new", "given", "none"),
            "new: a VPC without a way to the internet. given: one that is there. none: no VPC.",
        ),
        _text(
            "VpcCidr",
            "Addresses of a new VPC; each zone gets a block of 256.",
            "10.42.0.0/16",
            AllowedPattern=rf"^{_CIDR}(1[6-9]|2[0-2])$",
        ),
        _choice("Zones", "2", ("2", "3"), "Availability zones of a new VPC."),
        _text(
            "S3PrefixListId",
            "The region's list of S3 addresses: aws ec2 describe-prefix-lists.",
            AllowedPattern=r"^(pl-[0-9a-f]+)?$",
        ),
        _text("VpcId", "Given VPC.", AllowedPattern=r"^(vpc-[0-9a-f]+)?$"),
        _list("SubnetIds", "Private subnets of a given VPC, in two zones or more."),
        _list("RouteTableIds", "Their route tables, to get a way to S3; empty: they have one."),
        _text(
            "SecretsSecurityGroupId",
            "Group of a Secrets Manager endpoint that a given VPC has; empty: one is made.",
            AllowedPattern=r"^(sg-[0-9a-f]+)?$",
        ),
        _yes_or_no(
            "XrayEndpoint", "false", "An endpoint for X-Ray, where spans of Load are missing."
        ),
    ]


def _database() -> list[Parameter]:
    return [
        _choice(
            "Database",
            "new",
            ("new", "given"),
            "new: RDS for PostgreSQL. given: one that is there.",
        ),
        _text(
            "DatabaseName",
            "Name of the database.",
            "telemetry",
            AllowedPattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$",
        ),
        _number("DatabasePort", 5432, 1150, 65535, "Port of PostgreSQL."),
        _choice("EngineVersion", "18", ("16", "17", "18"), "Major version of a new PostgreSQL."),
        _text(
            "InstanceClass",
            "Class of a new database.",
            "db.t4g.medium",
            AllowedPattern=r"^db\.[a-z0-9]+\.[a-z0-9]+$",
        ),
        _number(
            "StorageGb", 50, 20, 65536, "GiB at first, and what the storage alarm compares with."
        ),
        _number("MostStorageGb", 500, 22, 65536, "GiB to which a new database grows by itself."),
        _yes_or_no("MultiAz", "true", "A standby in another zone."),
        _number("BackupDays", 14, 7, 35, "Days for which it can be restored to any moment."),
        _yes_or_no(
            "DeletionProtection", "true", "A new database can't be deleted while this is on."
        ),
        _number("MostConnections", 300, 1, 100000, "Connections above which the alarm goes off."),
        _yes_or_no("Proxy", "false", "RDS Proxy before the database; needs CoreStack."),
    ]


def _given_database() -> list[Parameter]:
    return [
        _text("DatabaseHost", "Host of a given database."),
        _text(
            "DatabaseSecurityGroupId",
            "Its security group, which then lets the functions in.",
            AllowedPattern=r"^(sg-[0-9a-f]+)?$",
        ),
        _text(
            "DatabaseCidr",
            "Its addresses, where it has no security group.",
            AllowedPattern=rf"^({_CIDR}([89]|[12]\d|3[0-2]))?$",
        ),
        _text("DatabaseInstanceId", "Its RDS instance, for alarms and the proxy."),
        _text("DatabaseClusterId", "Its Aurora cluster, for the proxy."),
        _text(
            "OwnerSecretArn",
            "Secret of the role that may create schemas and roles.",
            AllowedPattern=_ARN % "secretsmanager",
        ),
    ]


def _core() -> list[Parameter]:
    return [
        _text("CoreStack", "The pipeline's own stack, once it is there; empty: not yet."),
        _text("TraceGroupName", "X-Ray group of its traces; empty: none.", MaxLength=32),
        _text("AlertTopicArn", "Its output TopicArn.", AllowedPattern=_ARN % "sns"),
        _text("QueueName", "Its queue of telemetry: the last part of its output QueueArn."),
        _number(
            "BacklogPeriods",
            6,
            1,
            288,
            "Times five minutes for which the queue may look as if nobody emptied it.",
        ),
        _text(
            "LoaderSecretArn",
            "Its output LoaderSecretArn, for the proxy.",
            AllowedPattern=_ARN % "secretsmanager",
        ),
        _text("CoreKeyArn", "Its output KeyArn, for the proxy.", AllowedPattern=_ARN % "kms"),
        _text(
            "AnalystSecretArn",
            "Its output AnalystSecretArn, for QuickSight.",
            AllowedPattern=_ARN % "secretsmanager",
        ),
        _text(
            "QuickSightUser",
            "ARN of the QuickSight user or group that owns the dashboard; empty: there is none.",
            AllowedPattern=r"^(arn:[^:]+:quicksight:[^:]+:\d{12}:(user|group)/.+)?$",
        ),
    ]


def _operation() -> list[Parameter]:
    return [
        _number("MonthlyBudget", 0, 0, 10_000_000, "US dollars a month; 0: no budget."),
        _text("BudgetEmail", "Told when the budget is exceeded, or will be."),
        _text(
            "BudgetTag",
            "Cost-allocation tag that counts, as user:Name$value; empty: the whole account.",
            AllowedPattern=r"^([^$]+\$.+)?$",
        ),
        Parameter(
            "LogRetentionDays",
            Type="Number",
            Default=30,
            AllowedValues=list(LOG_RETENTION_DAYS),
            Description="How long flow logs and the database's logs are kept.",
        ),
    ]
