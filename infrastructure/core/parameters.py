"""Parameters of the core template, and the conditions that they switch."""

from __future__ import annotations

from troposphere import And, Condition, Equals, Join, Not, Or, Parameter, Ref, Template

from infrastructure import parameters
from infrastructure.settings import DeploySettings

__all__ = [
    "DRAIN_TRIGGER",
    "HAS_EMAIL",
    "HAS_METRIC_QUERIES",
    "HAS_NO_DATA_ALARM",
    "HAS_OWNER_HOST",
    "HAS_OWNER_KEY",
    "HAS_VPC",
    "MAPPING_TRIGGER",
    "OBSERVES_FULL",
    "OBSERVES_LESS",
    "OBSERVES_STANDARD",
    "QUEUE_TRIGGER",
    "SCHEDULE_TRIGGER",
    "add_conditions",
    "add_parameters",
]

SCHEDULE_TRIGGER = "ScheduleTrigger"
QUEUE_TRIGGER = "QueueTrigger"
"""The queue's messages start executions, by a drain loop or by the mapping."""
MAPPING_TRIGGER = "MappingTrigger"
DRAIN_TRIGGER = "DrainTrigger"
HAS_EMAIL = "HasEmail"
HAS_OWNER_HOST = "HasOwnerHost"
HAS_OWNER_KEY = "HasOwnerKey"
HAS_VPC = "HasVpc"
HAS_NO_DATA_ALARM = "HasNoDataAlarm"
HAS_METRIC_QUERIES = "HasMetricQueries"
OBSERVES_STANDARD = "ObservesStandard"
"""The level of observability is ``standard`` or ``full``."""
OBSERVES_FULL = "ObservesFull"
OBSERVES_LESS = "ObservesLess"
"""The level is below ``full``."""


def add_parameters(template: Template) -> None:
    """Add a parameter for each setting of a deployment, and one for where its files are."""
    parameters.add_parameters(template, DeploySettings)
    template.add_parameter(
        Parameter(
            "ArtifactBucket",
            Type="String",
            MinLength=3,
            Description="Bucket that holds the zips of functions and layers.",
        )
    )


def add_conditions(template: Template) -> None:
    """Add the conditions that the parameters switch."""
    mode = Ref("TriggerMode")
    template.add_condition(SCHEDULE_TRIGGER, Or(Equals(mode, "schedule"), Equals(mode, "both")))
    template.add_condition(QUEUE_TRIGGER, Or(Equals(mode, "queue"), Equals(mode, "both")))
    for name, delivery in ((MAPPING_TRIGGER, "mapping"), (DRAIN_TRIGGER, "drain")):
        chosen = Equals(Ref("QueueDelivery"), delivery)
        template.add_condition(name, And(Condition(QUEUE_TRIGGER), chosen))
    template.add_condition(HAS_EMAIL, Not(Equals(Ref("AlertEmail"), "")))
    template.add_condition(HAS_NO_DATA_ALARM, Not(Equals(Ref("AlarmAfterSilentMinutes"), 0)))
    level = Ref("Observability")
    template.add_condition(OBSERVES_STANDARD, Not(Equals(level, "lean")))
    template.add_condition(OBSERVES_FULL, Equals(level, "full"))
    template.add_condition(OBSERVES_LESS, Not(Equals(level, "full")))
    # No page of AWS says that an alarm may query metrics in its regions in China.
    template.add_condition(HAS_METRIC_QUERIES, Not(Equals(Ref("AWS::Partition"), "aws-cn")))
    template.add_condition(HAS_OWNER_HOST, Not(Equals(Ref("OwnerDatabaseHost"), "")))
    template.add_condition(HAS_OWNER_KEY, Not(Equals(Ref("OwnerKeyArn"), "")))
    template.add_condition(HAS_VPC, Not(Equals(Join("", Ref("SubnetIds")), "")))
