"""Resources between the devices and the queue: IoT policy, thing, topic rule, queues.

What the topic rule can't deliver goes to an error queue. It shares neither role nor key with the
queue itself, so that whatever keeps the rule from the one doesn't keep it from the other: a key of
SQS's own encrypts it. The other queues are encrypted with the stack's key. SQS asks KMS for a data
key once per caller in :data:`KEY_REUSE_SECONDS`, not once per message: by its formula some 2,880
requests a month for the queue, one cent. No queue's policy grants anything: the rule sends with the
permission of its roles, and operators of this account use their own permissions, which a redrive
needs.

Devices and their certificates come and go without a deployment, so the template holds what they
share: the policy, the group, and one thing for testing the path.
"""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, Ref, Sub, Template, iot, sqs

from functions.inventory import FUNCTIONS
from infrastructure.core.device_policy import check_length, device_policy
from infrastructure.core.findings import accepted
from infrastructure.core.policies import (
    GOES_WITH_THE_STACK,
    allow,
    document,
    inline,
    key_for,
    only_tls,
    service_role,
)
from infrastructure.core.shared_topics import check_topics
from infrastructure.core.topic_rules import rule_title
from telemetry.contract import Contract, ContractSet

__all__ = ["RULE_SELECT", "add_ingest"]

RULE_SELECT = (
    "SELECT encode(*, 'base64') AS payload, topic() AS topic, clientid() AS client_id, "
    "timestamp() AS received_at"
)
"""Keeps any payload byte for byte, so that broken JSON becomes a reject instead of being lost."""

RETENTION_SECONDS = 14 * 24 * 60 * 60
# A message that could not be staged ten times never will be; fewer would divert messages while S3
# or Step Functions is away.
RECEIVES_BEFORE_DEAD_LETTER = 10
KEY_REUSE_SECONDS = 3600
"""Seconds for which SQS reuses a data key. A longer time saves next to nothing, and the key, once
disabled, would go on to open messages for as long. Requests a month: 2,592,000 s / 3600 s x (2 x 1
sender + 2 receivers); sessions of one role are one caller
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html,
read 2026-11)."""


def add_ingest(template: Template, contracts: ContractSet, stack: str) -> None:
    """Add everything between a device and Extract.

    Raises ``ContractError`` where one policy of the devices can't hold the topics of all contracts.
    """
    _add_queues(template)
    _add_devices(template, contracts, stack)
    _add_roles(template)
    for contract in contracts:
        template.add_resource(_rule(contracts, contract))


def _add_queues(template: Template) -> None:
    own_key = {
        "KmsMasterKeyId": GetAtt("DataKey", "Arn"),
        "KmsDataKeyReusePeriodSeconds": KEY_REUSE_SECONDS,
    }
    template.add_resource(_queue("DeadLetterQueue", **own_key))
    template.add_resource(
        _queue(
            "TelemetryQueue",
            **own_key,
            VisibilityTimeout=Ref("VisibilityTimeoutSeconds"),
            RedrivePolicy=sqs.RedrivePolicy(
                deadLetterTargetArn=GetAtt("DeadLetterQueue", "Arn"),
                maxReceiveCount=RECEIVES_BEFORE_DEAD_LETTER,
            ),
        )
    )
    # For messages that the rule could not deliver; apart, as they have the error format of IoT.
    template.add_resource(
        _queue(
            "RuleErrorQueue",
            SqsManagedSseEnabled=True,
            Metadata=accepted(
                CKV_AWS_27="It is encrypted, by a key of SQS's own: it has to take messages when "
                "the stack's key can't be used."
            ),
        )
    )
    for queue in ("TelemetryQueue", "RuleErrorQueue", "DeadLetterQueue"):
        arn = GetAtt(queue, "Arn")
        template.add_resource(
            sqs.QueuePolicy(
                f"{queue}Policy",
                Queues=[Ref(queue)],
                PolicyDocument=document(only_tls("sqs:*", arn)),
            )
        )


def _queue(title: str, **properties: Any) -> sqs.Queue:
    return sqs.Queue(
        title,
        **GOES_WITH_THE_STACK,
        MessageRetentionPeriod=RETENTION_SECONDS,
        **properties,
    )


def _add_devices(template: Template, contracts: ContractSet, stack: str) -> None:
    further = [(rule_title(contracts, each), each.topic_filter) for each in contracts.further]
    policy = device_policy(contracts.first.topic_filter, *further)
    if further:  # a contract alone is held to the limit when it is read
        check_topics(contracts)
        check_length(policy, stack)
    template.add_resource(iot.Policy("DevicePolicy", PolicyDocument=policy))
    template.add_resource(
        iot.Thing("ProbeThing", ThingName=Sub("${AWS::StackName}-probe")),
    )


def _add_roles(template: Template) -> None:
    """Add the roles of all rules."""
    template.add_resource(
        service_role(
            "TopicRuleRole",
            "iot",
            inline(
                "SendToQueue",
                allow(["sqs:SendMessage"], GetAtt("TelemetryQueue", "Arn"), sid="Send"),
                key_for("sqs", "Decrypt", "GenerateDataKey"),
            ),
        )
    )
    template.add_resource(
        service_role(
            "RuleErrorRole",
            "iot",
            inline(
                "SendToErrorQueue",
                allow(["sqs:SendMessage"], GetAtt("RuleErrorQueue", "Arn"), sid="Send"),
            ),
        )
    )


def _rule(contracts: ContractSet, contract: Contract) -> iot.TopicRule:
    """The contract's rule; a further one writes the contract's name beside the payload.

    That one waits for the functions: what it sends before they have its contract would become
    rejects, and they take longer to update than a rule takes to be made.
    """
    name = contracts.key_name(contract)
    select = RULE_SELECT if name is None else f"{RULE_SELECT}, '{name}' AS contract"
    later = {} if name is None else {"DependsOn": [f"{spec.title}Function" for spec in FUNCTIONS]}
    return iot.TopicRule(
        rule_title(contracts, contract),
        **later,
        TopicRulePayload=iot.TopicRulePayload(
            Description=f"Sends messages of {contract.name}, byte for byte, to the queue",
            Sql=f"{select} FROM '{contract.topic_filter.mqtt}'",
            AwsIotSqlVersion="2016-03-23",
            RuleDisabled=False,
            Actions=[_send_to("TelemetryQueue", "TopicRuleRole")],
            ErrorAction=_send_to("RuleErrorQueue", "RuleErrorRole"),
        ),
    )


def _send_to(queue: str, role: str) -> iot.Action:
    return iot.Action(
        Sqs=iot.SqsAction(QueueUrl=Ref(queue), RoleArn=GetAtt(role, "Arn"), UseBase64=False)
    )
