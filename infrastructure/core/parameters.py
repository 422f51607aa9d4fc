"""What an operator may change without building anything anew: parameters, and their conditions."""

from __future__ import annotations

from troposphere import Equals, Join, Not, Or, Parameter, Ref, Template

__all__ = [
    "HAS_EMAIL",
    "HAS_NO_DATA_ALARM",
    "HAS_OWNER_HOST",
    "HAS_OWNER_KEY",
    "HAS_VPC",
    "QUEUE_TRIGGER",
    "SCHEDULE_TRIGGER",
    "add_conditions",
    "add_parameters",
]

SCHEDULE_TRIGGER = "ScheduleTrigger"
QUEUE_TRIGGER = "QueueTrigger"
HAS_EMAIL = "HasEmail"
HAS_OWNER_HOST = "HasOwnerHost"
HAS_OWNER_KEY = "HasOwnerKey"
HAS_VPC = "HasVpc"
HAS_NO_DATA_ALARM = "HasNoDataAlarm"

LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827)


def add_parameters(template: Template) -> None:
    """All parameters; defaults suit a first deployment."""
    for parameter in (*_trigger(), *_database(), *_operation(), *_alarm_thresholds()):
        template.add_parameter(parameter)


def add_conditions(template: Template) -> None:
    """What the parameters switch."""
    mode = Ref("TriggerMode")
    template.add_condition(SCHEDULE_TRIGGER, Or(Equals(mode, "schedule"), Equals(mode, "both")))
    template.add_condition(QUEUE_TRIGGER, Or(Equals(mode, "queue"), Equals(mode, "both")))
    template.add_condition(HAS_EMAIL, Not(Equals(Ref("AlertEmail"), "")))
    template.add_condition(HAS_NO_DATA_ALARM, Not(Equals(Ref("AlarmAfterSilentMinutes"), 0)))
    template.add_condition(HAS_OWNER_HOST, Not(Equals(Ref("OwnerDatabaseHost"), "")))
    template.add_condition(HAS_OWNER_KEY, Not(Equals(Ref("OwnerKeyArn"), "")))
    template.add_condition(HAS_VPC, Not(Equals(Join("", Ref("SubnetIds")), "")))


def _trigger() -> list[Parameter]:
    return [
        Parameter(
            "TriggerMode",
            Type="String",
            Default="both",
            AllowedValues=["schedule", "queue", "both"],
            Description="schedule: large batches, cheapest. queue: least delay. both: either.",
        ),
        Parameter(
            "ScheduleExpression",
            Type="String",
            Default="rate(1 minute)",
            AllowedPattern=r"^(rate|cron|at)\(.+\)$",
            Description="How often the schedule drains the queue (EventBridge Scheduler syntax).",
        ),
        Parameter(
            "SweepExpression",
            Type="String",
            Default="rate(15 minutes)",
            AllowedPattern=r"^(rate|cron|at)\(.+\)$",
            Description="How often batches that nobody takes care of are looked for.",
        ),
        Parameter(
            "QueueWindowSeconds",
            Type="Number",
            Default=20,
            MinValue=1,
            MaxValue=300,
            Description="How long the queue trigger gathers messages before it stages them.",
        ),
        Parameter(
            "QueueConcurrency",
            Type="Number",
            Default=5,
            # What Lambda allows for the mapping's MaximumConcurrency.
            MinValue=2,
            MaxValue=1000,
            Description="Batches of the queue that are gathered and staged at once.",
        ),
        Parameter(
            "VisibilityTimeoutSeconds",
            Type="Number",
            # Six times the stage function's timeout, plus the longest window.
            Default=480,
            MinValue=30,
            MaxValue=43200,
            Description="How long a received message stays hidden. At least 180 s plus the window.",
        ),
    ]


def _database() -> list[Parameter]:
    return [
        Parameter("DatabaseHost", Type="String", MinLength=1, Description="Host of PostgreSQL."),
        Parameter(
            "DatabasePort",
            Type="Number",
            Default=5432,
            MinValue=1,
            MaxValue=65535,
            Description="Port of PostgreSQL.",
        ),
        Parameter(
            "DatabaseName", Type="String", Default="telemetry", Description="Name of the database."
        ),
        Parameter(
            "DatabaseSslMode",
            Type="String",
            Default="verify-full",
            # Those of libpq's that never fall back to a line without TLS.
            AllowedValues=["require", "verify-ca", "verify-full"],
            Description="libpq's sslmode; only verify-full checks that it is the right server.",
        ),
        Parameter(
            "OwnerSecretArn",
            Type="String",
            AllowedPattern=r"^arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:.+$",
            Description=(
                "Secret with username and password of the role that may create schemas and roles. "
                "Only the migrate function reads it."
            ),
        ),
        Parameter(
            "OwnerKeyArn",
            Type="String",
            Default="",
            AllowedPattern=r"^(arn:[^:]+:kms:[^:]*:[^:]*:key/.+)?$",
            Description="Customer-managed key of that secret; empty: the account's default key.",
        ),
        Parameter(
            "OwnerDatabaseHost",
            Type="String",
            Default="",
            Description=(
                "Host by which the migrate function connects, where DatabaseHost is a proxy that "
                "knows the loader alone; empty: DatabaseHost."
            ),
        ),
        Parameter(
            "SubnetIds",
            Type="CommaDelimitedList",
            Default="",
            Description="Subnets of the functions that connect to PostgreSQL; empty: no VPC.",
        ),
        Parameter(
            "SecurityGroupIds",
            Type="CommaDelimitedList",
            Default="",
            Description="Security groups of those functions; empty: no VPC.",
        ),
    ]


def _operation() -> list[Parameter]:
    return [
        Parameter(
            "ArtifactBucket",
            Type="String",
            MinLength=3,
            Description="Bucket that holds the zips of functions and layers.",
        ),
        Parameter(
            "AlertEmail",
            Type="String",
            Default="",
            Description="Address told of failures; empty: nobody is subscribed.",
        ),
        Parameter(
            "LogRetentionDays",
            Type="Number",
            Default=30,
            AllowedValues=list(LOG_RETENTION_DAYS),
            Description="How long CloudWatch keeps logs.",
        ),
        Parameter(
            "MaxConcurrency",
            Type="Number",
            Default=10,
            MinValue=1,
            MaxValue=1000,
            Description="Batches that one execution has in flight at once.",
        ),
        Parameter(
            "LoaderConnections",
            Type="Number",
            Default=50,
            MinValue=1,
            MaxValue=10000,
            Description="Connections that the loader's role may have at once, whatever runs.",
        ),
        Parameter(
            "ToleratedFailureShare",
            Type="String",
            Default="0.0",
            AllowedPattern=r"^(0(\.\d+)?|1(\.0+)?)$",
            Description="Share of failed batches (0..1) up to which an execution doesn't fail.",
        ),
    ]


ALARM_THRESHOLDS = (
    ("AlarmAtFailedExecutions", 1, "Failed executions in five minutes at which the alarm sounds."),
    ("AlarmAtTimedOutExecutions", 1, "Executions stopped for their time, in five minutes."),
    ("AlarmAtRejectPercent", 10, "Percent of readings rejected, batches of five minutes."),
    ("AlarmAtLagSeconds", 900, "Seconds from a reading's own time to its row, median."),
    ("AlarmAtQueueSeconds", 900, "Seconds that the oldest message may wait in the queue."),
    ("AlarmAtDeadLetters", 1, "Messages in the dead-letter queue."),
    ("AlarmAtRuleErrors", 1, "Messages that the topic rule could not deliver."),
    ("AlarmAtFunctionErrors", 5, "Failed calls of one function in five minutes (sweep: an hour)."),
    ("AlarmAtThrottles", 10, "Calls of one function refused for concurrency, in five minutes."),
    ("AlarmAtLoadSeconds", 60, "Seconds of the longest load; Lambda ends it at 75."),
    ("AlarmAtQuarantinedBatches", 1, "Batches held back by the checks, in five minutes."),
    ("AlarmAtBatchesForAPerson", 1, "Batches that the sweep has given up on."),
)  # fmt: skip
"""Parameter, default, what it counts."""
LONGEST_SILENCE_MINUTES = 24 * 60
"""CloudWatch looks back a day at most where a period is shorter than an hour
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html)."""


def _alarm_thresholds() -> list[Parameter]:
    thresholds = [
        Parameter(name, Type="Number", Default=default, MinValue=1, Description=description)
        for name, default, description in ALARM_THRESHOLDS
    ]
    silence = Parameter(
        "AlarmAfterSilentMinutes",
        Type="Number",
        Default=0,
        MinValue=0,
        MaxValue=LONGEST_SILENCE_MINUTES,
        Description="Minutes without any message after which an alarm sounds; 0: never.",
    )
    return [*thresholds, silence]
