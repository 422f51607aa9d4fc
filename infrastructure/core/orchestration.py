"""State machine, the schedules of drain and sweep, and the topic for notifications.

Logging is with execution data, which is only references: the map's Express executions have no
history, so their log is the only record of the steps of a batch. Which of them it has is the level
of observability's (:mod:`infrastructure.core.observability`).
"""

from __future__ import annotations

import json
from typing import Any

from troposphere import GetAtt, Ref, Sub, Template, logs, scheduler, sns, stepfunctions

from functions.inventory import function
from infrastructure.core.compute import state_machine_arn
from infrastructure.core.observability import log_level
from infrastructure.core.parameters import DRAIN_TRIGGER, HAS_EMAIL, SCHEDULE_TRIGGER
from infrastructure.core.policies import (
    GOES_WITH_THE_STACK,
    allow,
    document,
    inline,
    key_for,
    objects,
    of_this_account,
    only_tls,
    own_arn,
    service_role,
    traces,
)
from infrastructure.core.storage import ALARMS
from workflow.definition import DRAINED_LABEL, MAP_RESULTS_PREFIX, MAP_RUN_LABEL
from workflow.own_states import invoked_arns

__all__ = ["IN_THE_WORKFLOW", "add_orchestration"]

IN_THE_WORKFLOW = ("extract", "transform", "validate", "load", "summarize")


def add_orchestration(template: Template, definition: dict[str, Any], drain_minutes: int) -> None:
    """Add the state machine, its schedules and the topic.

    ``definition``: Amazon States Language with ``${...}`` for the names that are substituted.
    ``drain_minutes``: duration of one drain loop.
    """
    _add_topic(template)
    template.add_resource(
        logs.LogGroup(
            "StateMachineLogGroup",
            **GOES_WITH_THE_STACK,
            # Under this prefix CloudWatch needs no entry in its resource policy, which is limited.
            LogGroupName=Sub("/aws/vendedlogs/states/${AWS::StackName}"),
            RetentionInDays=Ref("LogRetentionDays"),
            KmsKeyId=GetAtt("DataKey", "Arn"),
        )
    )
    template.add_resource(_role(invoked_arns(definition)))
    template.add_resource(_state_machine(definition))
    _add_schedule(template)
    _add_drain_schedule(template, drain_minutes)
    _add_sweep_schedule(template)


def _state_machine(definition: dict[str, Any]) -> stepfunctions.StateMachine:
    arns = {
        f"{function(name).title}FunctionArn": GetAtt(f"{function(name).title}Function", "Arn")
        for name in IN_THE_WORKFLOW
    }
    return stepfunctions.StateMachine(
        "StateMachine",
        StateMachineName=Sub("${AWS::StackName}"),
        StateMachineType="STANDARD",
        RoleArn=GetAtt("StateMachineRole", "Arn"),
        DefinitionString=json.dumps(definition, separators=(",", ":")),
        DefinitionSubstitutions={
            **arns,
            "TopicArn": Ref("AlertTopic"),
            "DataBucketName": Ref("DataBucket"),
        },
        LoggingConfiguration=stepfunctions.LoggingConfiguration(
            Level=log_level(),
            IncludeExecutionData=True,
            Destinations=[
                stepfunctions.LogDestination(
                    CloudWatchLogsLogGroup=stepfunctions.CloudWatchLogsLogGroup(
                        LogGroupArn=GetAtt("StateMachineLogGroup", "Arn")
                    )
                )
            ],
        ),
        TracingConfiguration=stepfunctions.TracingConfiguration(Enabled=True),
    )


def _role(own_functions: list[str]) -> Any:
    """The role; functions of the user's own that the definition invokes are named one by one."""
    own = [allow(["lambda:InvokeFunction"], own_functions, sid="InvokeOwn")]
    functions = [GetAtt(f"{function(name).title}Function", "Arn") for name in IN_THE_WORKFLOW]
    return service_role(
        "StateMachineRole",
        "states",
        inline(
            "Steps",
            allow(["lambda:InvokeFunction"], functions, sid="Invoke"),
            *(own if own_functions else ()),
            allow(["sns:Publish"], Ref("AlertTopic"), sid="Notify"),
            key_for("sns", "Decrypt", "GenerateDataKey"),
            # Reading the manifest, and recording a batch that failed.
            objects("s3:GetObject", "manifests"),
            objects("s3:PutObject", "outcomes"),
            key_for("s3", "Decrypt", "GenerateDataKey"),
        ),
        inline("MapRun", *_map_run_statements()),
        inline("Observe", _log_delivery(), traces(sampling=True)),
    )


def _map_run_statements() -> list[dict[str, Any]]:
    """A distributed map starts executions of its own machine and writes their results to S3.

    (https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html, 2026-11)
    """
    executions = "states:execution:${AWS::StackName}"
    return [
        allow(["states:StartExecution"], state_machine_arn(), sid="Children"),
        allow(
            ["states:DescribeExecution", "states:StopExecution"],
            own_arn(f"{executions}:*"),
            sid="Follow",
        ),
        allow(
            ["states:RedriveExecution"],
            [own_arn(f"{executions}/{label}:*") for label in (MAP_RUN_LABEL, DRAINED_LABEL)],
            sid="Redrive",
        ),
        allow(
            [
                "s3:PutObject",
                "s3:GetObject",
                "s3:ListMultipartUploadParts",
                "s3:AbortMultipartUpload",
            ],
            Sub(f"${{DataBucket.Arn}}/{MAP_RESULTS_PREFIX}/*"),
            sid="Results",
        ),
    ]


def _log_delivery() -> dict[str, Any]:
    """Permission for vended logs; CloudWatch offers no resource to narrow it to."""
    return allow(
        [
            "logs:CreateLogDelivery",
            "logs:GetLogDelivery",
            "logs:UpdateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:DescribeResourcePolicies",
            "logs:DescribeLogGroups",
        ],
        "*",
        sid="LogDelivery",
    )


def _add_topic(template: Template) -> None:
    """Add the topic, to which this stack's alarms may publish.

    (repost.aws/knowledge-center/cloudwatch-receive-sns-for-alarm-trigger has the same condition.)
    """
    topic = Ref("AlertTopic")
    template.add_resource(sns.Topic("AlertTopic", KmsMasterKeyId=GetAtt("DataKey", "Arn")))
    alarms = {
        **allow(["sns:Publish"], topic, sid="AlarmsOfThisStack", **of_this_account(ALARMS)),
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
    }
    template.add_resource(
        sns.TopicPolicy(
            "AlertTopicPolicy",
            Topics=[topic],
            # The state machine publishes with the permission of its role.
            PolicyDocument=document(only_tls("sns:Publish", topic), alarms),
        )
    )
    template.add_resource(
        sns.SubscriptionResource(
            "AlertSubscription",
            Condition=HAS_EMAIL,
            TopicArn=topic,
            Protocol="email",
            Endpoint=Ref("AlertEmail"),
        )
    )


def _add_schedule(template: Template) -> None:
    template.add_resource(
        service_role(
            "ScheduleRole",
            "scheduler",
            inline("Start", allow(["states:StartExecution"], Ref("StateMachine"), sid="Start")),
        )
    )
    template.add_resource(
        scheduler.Schedule(
            "Schedule",
            Condition=SCHEDULE_TRIGGER,
            Description="Drains the queue",
            ScheduleExpression=Ref("ScheduleExpression"),
            FlexibleTimeWindow=scheduler.FlexibleTimeWindow(Mode="OFF"),
            Target=scheduler.Target(
                Arn=Ref("StateMachine"),
                RoleArn=GetAtt("ScheduleRole", "Arn"),
                Input="{}",
                # The next start makes up for a missed one: the messages wait in the queue.
                RetryPolicy=scheduler.RetryPolicy(
                    MaximumRetryAttempts=2, MaximumEventAgeInSeconds=60
                ),
            ),
        )
    )


def _add_drain_schedule(template: Template, minutes: int) -> None:
    """Add the schedule that starts a drain loop; each takes over from the one before.

    The scheduler fills in the time of each start, from which the loop computes its interval
    (:mod:`functions.extract.drain_loop`), so that a start which comes late drains what is left.
    """
    drains = (
        '{"drains":{"scheduled":"<aws.scheduler.scheduled-time>",'
        f'"every":${{QueueWindowSeconds}},"seconds":{60 * minutes}}}}}'
    )
    template.add_resource(
        scheduler.Schedule(
            "DrainSchedule",
            Condition=DRAIN_TRIGGER,
            Description="Drains the queue in each window",
            ScheduleExpression=f"rate({minutes} minute{'' if minutes == 1 else 's'})",
            FlexibleTimeWindow=scheduler.FlexibleTimeWindow(Mode="OFF"),
            Target=scheduler.Target(
                Arn=Ref("StateMachine"),
                RoleArn=GetAtt("ScheduleRole", "Arn"),
                Input=Sub(drains),
                # The next start comes minutes later, so this one is tried for as long.
                RetryPolicy=scheduler.RetryPolicy(
                    MaximumRetryAttempts=20, MaximumEventAgeInSeconds=60 * minutes
                ),
            ),
        )
    )


def _add_sweep_schedule(template: Template) -> None:
    """Add the sweep's schedule, in every mode: any execution may die, whatever started it."""
    template.add_resource(
        service_role(
            "SweepScheduleRole",
            "scheduler",
            inline(
                "Invoke",
                allow(["lambda:InvokeFunction"], GetAtt("SweepFunction", "Arn"), sid="Invoke"),
            ),
        )
    )
    template.add_resource(
        scheduler.Schedule(
            "SweepSchedule",
            Description="Loads batches that are not being processed",
            ScheduleExpression=Ref("SweepExpression"),
            FlexibleTimeWindow=scheduler.FlexibleTimeWindow(Mode="OFF"),
            Target=scheduler.Target(
                Arn=GetAtt("SweepFunction", "Arn"),
                RoleArn=GetAtt("SweepScheduleRole", "Arn"),
                Input=json.dumps({"recent": True}),
                # The next sweep makes up for a missed one.
                RetryPolicy=scheduler.RetryPolicy(
                    MaximumRetryAttempts=2, MaximumEventAgeInSeconds=60
                ),
            ),
        )
    )
