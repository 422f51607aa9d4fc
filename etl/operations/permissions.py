"""Makes the IAM policies of those who operate a deployed pipeline: reader, repairer, eraser,
publisher.

Each statement stands once, as a :class:`Permission`; a policy is a list of them. Tests run every
command, and compare its calls with the policies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from etl.aws.partition import partition_of
from etl.operations.alarm_delivery import TEST_QUEUE
from infrastructure.names import STACK_TAG

__all__ = [
    "ALARMS",
    "ALARM_TEST",
    "DATA",
    "EXECUTIONS",
    "LOGIN",
    "OPERATORS",
    "QUEUES",
    "STACK",
    "TRACES",
    "Operator",
    "Permission",
    "key_use",
    "operator_policy",
    "policy_of",
    "statements_of",
]

VERSION = "2012-10-17"
Operator = Literal["reader", "repairer", "eraser", "publisher"]
Statement = dict[str, Any]
_BUCKET = "s3:{lower}-databucket-*"


@dataclass(frozen=True, kw_only=True)
class Permission:
    """One statement of a policy, for any stack."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    """Each ``service:resource``; ``{stack}``, and ``{lower}`` for its name in lower case, are
    filled in."""
    condition: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Operator to condition keys to values, in which ``{stack}`` and ``{region}`` are filled in."""


def key_use(sid: str, services: Iterable[str], *uses: str) -> Permission:
    """Permission to use the stack's key through these services alone.

    The key is found by its tag, so that it protects whatever another pipeline's policies name:
    secrets, for one, are not named after their stack.
    """
    through = [f"{service}.{{region}}.amazonaws.*" for service in services]
    return Permission(
        sid=sid,
        actions=tuple(f"kms:{use}" for use in uses),
        resources=("kms:key/*",),
        condition={
            "StringLike": {"kms:ViaService": through},
            "StringEquals": {f"aws:ResourceTag/{STACK_TAG}": ["{stack}"]},
        },
    )


STACK = Permission(
    sid="Stack",
    actions=("cloudformation:DescribeStacks", "cloudformation:ListStackResources"),
    resources=("cloudformation:stack/{stack}/*", "cloudformation:stack/{stack}-platform/*"),
)
DATA = Permission(
    sid="Data",
    actions=("s3:GetObject",),
    resources=tuple(
        f"{_BUCKET}/{prefix}/*"
        for prefix in (
            "clean", "contract", "manifests", "outcomes", "raw", "receipts", "rejected", "reports"
        )
    ),
)  # fmt: skip
LIST = Permission(sid="List", actions=("s3:ListBucket",), resources=(_BUCKET,))
LOGIN = Permission(
    sid="Login",
    actions=("secretsmanager:GetSecretValue",),
    resources=("secretsmanager:secret:LoaderSecret-*",),
)
"""The ledger and the conflicts are the loader's: the analyst's login can't read them."""
ANALYST = Permission(
    sid="AnalystLogin",
    actions=("secretsmanager:GetSecretValue",),
    resources=("secretsmanager:secret:AnalystSecret-*",),
)
READ_KEY = key_use("ReadKey", ("s3", "secretsmanager"), "Decrypt")
QUEUES = Permission(
    sid="Queues",
    actions=("sqs:GetQueueAttributes",),
    resources=(
        "sqs:{stack}-TelemetryQueue-*",
        "sqs:{stack}-DeadLetterQueue-*",
        "sqs:{stack}-RuleErrorQueue-*",
    ),
)
EXECUTIONS = Permission(
    sid="Executions",
    actions=(
        "states:DescribeExecution",
        "states:DescribeMapRun",
        "states:DescribeStateMachine",
        "states:DescribeStateMachineForExecution",
        "states:GetExecutionHistory",
        "states:ListExecutions",
        "states:ListMapRuns",
    ),
    resources=(
        "states:stateMachine:{stack}",
        "states:execution:{stack}:*",
        "states:mapRun:{stack}/*:*",
    ),
)
TRIGGERS = (
    # To read a mapping, IAM knows neither its resource nor a condition (from memory, 2026-11).
    Permission(sid="QueueTrigger", actions=("lambda:GetEventSourceMapping",)),
    Permission(
        sid="Schedule",
        actions=("scheduler:GetSchedule",),
        resources=(
            "scheduler:schedule/default/{stack}-Schedule-*",
            "scheduler:schedule/default/{stack}-DrainSchedule-*",
        ),
    ),
)
"""The triggers that drain the queue, and whether they are on."""
LOGS = Permission(
    sid="Logs",
    actions=("logs:FilterLogEvents",),
    resources=(
        "logs:log-group:/aws/lambda/{stack}-*:*",
        "logs:log-group:/aws/vendedlogs/states/{stack}:*",
    ),
)
METRICS = Permission(sid="Metrics", actions=("cloudwatch:GetMetricData",))
TRACES = Permission(sid="Traces", actions=("xray:BatchGetTraces", "xray:GetTraceSummaries"))
ALARMS = Permission(
    sid="Alarms",
    # CloudWatch shows no composite alarm to a caller that may not describe all alarms, and the
    # history of all alarms is asked for in one request:
    # docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html, 2026-11.
    actions=("cloudwatch:DescribeAlarmHistory", "cloudwatch:DescribeAlarms"),
)
READING = (
    STACK, DATA, LIST, LOGIN, ANALYST, READ_KEY, QUEUES, EXECUTIONS, *TRIGGERS, LOGS, METRICS,
    TRACES, ALARMS,
)  # fmt: skip

ALARM_TEST = (
    Permission(
        sid="FireAlarm",
        actions=("cloudwatch:SetAlarmState",),
        resources=("cloudwatch:alarm:{stack}-*",),
    ),
    Permission(
        sid="AlarmTopic",
        actions=("sns:ListSubscriptionsByTopic", "sns:Subscribe"),
        resources=("sns:{stack}-*",),
    ),
    # IAM knows no resource of it: Service Authorization Reference, 2026-11.
    Permission(sid="Unsubscribe", actions=("sns:Unsubscribe",)),
    Permission(
        sid="TestQueue",
        actions=(
            "sqs:CreateQueue",
            "sqs:DeleteQueue",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:SetQueueAttributes",
        ),
        resources=(f"sqs:{{stack}}{TEST_QUEUE}*",),
    ),
)
"""A queue of the test's own listens to the alarm's topic."""
REPAIR = (
    Permission(
        sid="Start", actions=("states:StartExecution",), resources=("states:stateMachine:{stack}",)
    ),
    Permission(
        sid="Invoke",
        actions=("lambda:InvokeFunction",),
        # Rollups are refreshed by the migrate function, channels are tested by notify.
        resources=(
            "lambda:function:{stack}-sweep",
            "lambda:function:{stack}-migrate",
            "lambda:function:{stack}-notify",
        ),
    ),
    # A mapping's id is made up by CloudFormation; its function says whose it is.
    Permission(
        sid="EnableQueueTrigger",
        actions=("lambda:UpdateEventSourceMapping",),
        resources=("lambda:event-source-mapping:*",),
        condition={
            "ArnLike": {"lambda:FunctionArn": ["arn:*:lambda:{region}:*:function:{stack}-stage"]}
        },
    ),
    Permission(
        sid="EnableSchedule",
        actions=("scheduler:UpdateSchedule",),
        resources=(
            "scheduler:schedule/default/{stack}-Schedule-*",
            "scheduler:schedule/default/{stack}-DrainSchedule-*",
        ),
    ),
    # An update names the schedule's role again, which may start the state machine alone.
    Permission(
        sid="ScheduleRole",
        actions=("iam:PassRole",),
        resources=("iam:role/{stack}-ScheduleRole-*",),
        condition={"StringEquals": {"iam:PassedToService": ["scheduler.amazonaws.com"]}},
    ),
    Permission(sid="Manifests", actions=("s3:PutObject",), resources=(f"{_BUCKET}/manifests/*",)),
    Permission(
        sid="DeadLetters",
        actions=(
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:ListMessageMoveTasks",
            "sqs:ReceiveMessage",
            "sqs:StartMessageMoveTask",
        ),
        resources=("sqs:{stack}-DeadLetterQueue-*", "sqs:{stack}-RuleErrorQueue-*"),
    ),
    Permission(
        sid="SendBack",
        actions=("sqs:SendMessage",),
        resources=("sqs:{stack}-TelemetryQueue-*",),
    ),
    key_use("RepairKey", ("s3", "sqs"), "Decrypt", "GenerateDataKey"),
    *ALARM_TEST,
)
_REWRITTEN = ("clean", "copy", "raw", "receipts", "rejected", "reports")
"""Folders of objects that hold readings, or digests of messages."""
ERASING = (
    Permission(
        sid="EraseRows",
        actions=("lambda:InvokeFunction",),
        resources=("lambda:function:{stack}-migrate",),
    ),
    Permission(
        sid="Rewrite",
        actions=("s3:PutObject",),
        resources=tuple(f"{_BUCKET}/{prefix}/*" for prefix in ("erasures", *_REWRITTEN)),
    ),
    Permission(sid="Erasures", actions=("s3:GetObject",), resources=(f"{_BUCKET}/erasures/*",)),
    Permission(
        sid="DeleteVersions",
        actions=("s3:DeleteObjectVersion",),
        resources=tuple(f"{_BUCKET}/{prefix}/*" for prefix in _REWRITTEN),
    ),
    Permission(sid="DeleteCopies", actions=("s3:DeleteObject",), resources=(f"{_BUCKET}/copy/*",)),
    Permission(sid="ListVersions", actions=("s3:ListBucketVersions",), resources=(_BUCKET,)),
    Permission(
        sid="DeleteDeadLetters",
        actions=("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"),
        resources=("sqs:{stack}-DeadLetterQueue-*", "sqs:{stack}-RuleErrorQueue-*"),
    ),
    key_use("ErasureKey", ("s3",), "Decrypt", "GenerateDataKey"),
    key_use("DeadLetterKey", ("sqs",), "Decrypt"),
)
"""Deletes the data of single devices for good, so a policy of its own and not the repairer's."""
PUBLISHING = (
    Permission(
        sid="Outputs",
        actions=("cloudformation:DescribeStacks",),
        resources=("cloudformation:stack/{stack}/*",),
    ),
    Permission(sid="Devices", actions=("iot:CreateThing",), resources=("iot:thing/*",)),
    Permission(
        sid="Certificates",
        actions=("iot:AttachPolicy", "iot:DescribeCertificate"),
        resources=("iot:cert/*",),
    ),
    # IAM knows no resource of these: Service Authorization Reference, 2026-11.
    Permission(
        sid="Register",
        actions=(
            "iot:AttachThingPrincipal",
            "iot:CreateCertificateFromCsr",
            "iot:DescribeEndpoint",
        ),
    ),
    Permission(sid="Receipts", actions=("s3:PutObject",), resources=(f"{_BUCKET}/receipts/*",)),
    Permission(sid="Contract", actions=("s3:GetObject",), resources=(f"{_BUCKET}/contract/*",)),
    key_use("ReceiptKey", ("s3",), "Decrypt", "GenerateDataKey"),
)
OPERATORS: dict[Operator, tuple[Permission, ...]] = {
    "reader": READING,
    "repairer": (*READING, *REPAIR),
    "eraser": (*READING, *ERASING),
    "publisher": PUBLISHING,
}
"""Statements of each operator's policy."""


def operator_policy(who: Operator, stack: str, account: str, region: str) -> dict[str, Any]:
    """Make the policy of a reader, a repairer or an eraser (who may read too), or of a publisher.

    Raises :class:`~etl.aws.partition.UnknownRegionError` for a region that no partition has.
    """
    return policy_of(OPERATORS[who], stack, account, region)


def policy_of(
    permissions: Iterable[Permission], stack: str, account: str, region: str
) -> dict[str, Any]:
    """Make a policy of these statements. Raises like :func:`operator_policy`."""
    return {"Version": VERSION, "Statement": statements_of(permissions, stack, account, region)}


def statements_of(
    permissions: Iterable[Permission], stack: str, account: str, region: str
) -> list[Statement]:
    """Fill in the names of one stack. Raises like :func:`operator_policy`."""
    partition = partition_of(region)
    names = {"stack": stack, "lower": stack.lower(), "region": region}

    def arn(resource: str) -> str:
        if resource == "*":
            return resource
        service, _, rest = resource.format(**names).partition(":")
        where = ":" if service == "s3" else f"{region}:{account}"
        where = f":{account}" if service == "iam" else where
        return f"arn:{partition}:{service}:{where}:{rest}"

    def statement(one: Permission) -> Statement:
        found: Statement = {
            "Sid": one.sid,
            "Effect": "Allow",
            "Action": [*one.actions],
            "Resource": [arn(resource) for resource in one.resources],
        }
        if one.resources == ("*",):
            found["Resource"] = "*"
        if one.condition:
            found["Condition"] = {
                operator: {
                    key: [value.format(**names) for value in values] for key, values in keys.items()
                }
                for operator, keys in one.condition.items()
            }
        return found

    return [statement(one) for one in permissions]
