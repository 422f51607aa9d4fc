"""Channels: Slack, Teams, PagerDuty and webhooks, which the notify function posts to.

The function is a subscriber of the alert topic like the email address. The addresses are in one
secret of their own, which ``etl channels set`` fills and which only this function may read. In the
template only where ``operation.channels`` is set.

- No dead-letter queue: a notification of long ago helps no one. The email, the alarm's state and
  the alarms below don't depend on the function.
- No reserved concurrency: it is taken from the account's pool, which a new account hardly has. A
  stack has some thirty alarms, and no more notifications at once.
"""

from __future__ import annotations

import json
from typing import Any

from troposphere import GetAtt, Output, Ref, Sub, Template, awslambda, secretsmanager, sns

from functions.inventory import NOTIFY
from functions.notify.channel_secret import SIGNING_KEY
from infrastructure.core.alarm_spec import HOUR, AlarmSpec, add_alarm
from infrastructure.core.policies import GOES_WITH_THE_STACK
from infrastructure.names import SECRET_OUTPUT
from telemetry.metric_table import NAMESPACE, PIPELINE

__all__ = ["CHANNEL_ALARMS", "PAGE", "add_channels"]

PAGE = "docs/how-to-notify.md"
KEY_CHARACTERS = 40

CHANNEL_ALARMS: tuple[AlarmSpec, ...] = (
    AlarmSpec(
        name="notifications-failed",
        page=PAGE,
        namespace=NAMESPACE,
        metric="NotificationsFailed",
        dimensions={PIPELINE: Ref("AWS::StackName")},
        statistic="Sum",
        threshold=1,
        level="lean",
        meaning="A channel did not take a notification: the others did.",
        first="See why: etl logs notify --search failed; then try it: etl channels test.",
    ),
    AlarmSpec(
        name="notify-errors",
        page=PAGE,
        namespace="AWS/Lambda",
        metric="Errors",
        dimensions={"FunctionName": Ref("NotifyFunction")},
        statistic="Sum",
        period=HOUR,
        # A notification that no repetition delivers is three failed invocations.
        threshold=3,
        level="lean",
        meaning="The function notify fails: notifications reach no channel, or some of them.",
        first="See why: etl logs notify --search ERROR.",
    ),
)
"""The alarms on the function, which names them to itself: see ``functions.notify.handler``."""


def add_channels(template: Template) -> None:
    """Add the secret, the function's subscription and its alarms.

    The function itself is one like the others (:mod:`infrastructure.core.compute`).
    """
    function = GetAtt("NotifyFunction", "Arn")
    template.add_resource(_secret())
    template.add_resource(
        awslambda.Permission(
            "NotifyPermission",
            Action="lambda:InvokeFunction",
            FunctionName=function,
            Principal="sns.amazonaws.com",
            SourceAccount=Ref("AWS::AccountId"),
            SourceArn=Ref("AlertTopic"),
        )
    )
    template.add_resource(
        sns.SubscriptionResource(
            "ChannelsSubscription",
            TopicArn=Ref("AlertTopic"),
            Protocol="lambda",
            Endpoint=function,
            DependsOn=["NotifyPermission"],
        )
    )
    for spec in CHANNEL_ALARMS:
        add_alarm(template, spec)
    outputs: dict[str, Any] = {
        SECRET_OUTPUT: GetAtt("ChannelsSecret", "Id"),
        f"{NOTIFY.title}FunctionName": Ref(f"{NOTIFY.title}Function"),
        f"{NOTIFY.title}LogGroupName": Ref(f"{NOTIFY.title}LogGroup"),
    }
    for name, value in outputs.items():
        template.add_output(Output(name, Value=value))


def _secret() -> secretsmanager.Secret:
    """The secret, at first with nothing but the key that the webhook's messages are signed with.

    CloudFormation writes it once: as long as these properties stay the same, what `etl channels
    set` wrote stays too.
    """
    return secretsmanager.Secret(
        "ChannelsSecret",
        **GOES_WITH_THE_STACK,
        Description=Sub("Addresses to which ${AWS::StackName} posts notifications"),
        KmsKeyId=GetAtt("DataKey", "Arn"),
        GenerateSecretString=secretsmanager.GenerateSecretString(
            SecretStringTemplate=json.dumps({}),
            GenerateStringKey=SIGNING_KEY,
            PasswordLength=KEY_CHARACTERS,
            ExcludePunctuation=True,
        ),
    )
