"""The schedule of the maintenance, where the table of a contract has partitions.

The migrate function does it, which alone has the login of the table's owner.
"""

from __future__ import annotations

import json

from troposphere import GetAtt, Template, scheduler

from infrastructure.core.policies import allow, inline, service_role

__all__ = ["EVENT", "add_maintenance"]

EVENT = {"partitions": "maintain"}
"""Input of the migrate function."""


def add_maintenance(template: Template, expression: str) -> None:
    """Add the schedule and its role. ``expression``: as EventBridge Scheduler writes it."""
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
