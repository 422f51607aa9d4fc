"""The schedule of the maintenance and its alarm, where the table of a contract has partitions.

The migrate function does it, which alone has the login of the table's owner.
"""

from __future__ import annotations

import json

from troposphere import GetAtt, Ref, Template, scheduler

from infrastructure.core.alarm_spec import HOUR, AlarmSpec, add_alarm
from infrastructure.core.policies import allow, inline, service_role

__all__ = ["EVENT", "MAINTENANCE_ALARM", "add_maintenance"]

EVENT = {"partitions": "maintain"}
"""Input of the migrate function."""

MAINTENANCE_ALARM = AlarmSpec(
    name="maintenance-failed",
    namespace="AWS/Lambda",
    metric="Errors",
    dimensions={"FunctionName": Ref("MigrateFunction")},
    statistic="Sum",
    period=HOUR,
    # A scheduled event is tried three times; a deployment invokes once, and tells its own error.
    threshold=3,
    level="lean",
    meaning="The maintenance of the table's partitions failed, also when repeated: none is made "
    "ahead, and old rows stay. New rows are loaded all the same.",
    first="See why: etl logs migrate --search ERROR; then run it again: etl table maintain.",
)


def add_maintenance(template: Template, expression: str) -> None:
    """Add the schedule, its role and its alarm; ``expression``: as EventBridge Scheduler has it."""
    function = GetAtt("MigrateFunction", "Arn")
    template.add_resource(
        service_role(
            "MaintenanceScheduleRole",
            "scheduler",
            inline("Invoke", allow(["lambda:InvokeFunction"], function, sid="Invoke")),
        )
    )
    template.add_resource(
        scheduler.Schedule(
            "MaintenanceSchedule",
            Description="Makes partitions ahead, and drops those that are too old",
            ScheduleExpression=expression,
            FlexibleTimeWindow=scheduler.FlexibleTimeWindow(Mode="OFF"),
            Target=scheduler.Target(
                Arn=function,
                RoleArn=GetAtt("MaintenanceScheduleRole", "Arn"),
                Input=json.dumps(EVENT),
                # The next maintenance makes up for a missed one.
                RetryPolicy=scheduler.RetryPolicy(
                    MaximumRetryAttempts=2, MaximumEventAgeInSeconds=3600
                ),
            ),
        )
    )
    add_alarm(template, MAINTENANCE_ALARM)
