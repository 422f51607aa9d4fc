"""The calls of the commands that operate a pipeline, by topic: what an operator has to be allowed.

``etl plan``, ``deploy`` and ``destroy`` are not here: their calls are those of
:func:`etl.deployment.permissions.deployer_policy`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["COMMANDS", "CommandCalls", "PipelineArns"]


@dataclass(frozen=True, kw_only=True)
class PipelineArns:
    """Beginnings of the ARNs of one stack's resources."""

    partition: str
    region: str
    account: str
    stack: str

    def of(self, resource: str) -> str:
        """Return the ARN of ``service:resource``; ``{stack}`` and ``{bucket}`` are filled in."""
        if resource == "*":
            return resource
        service, _, name = resource.partition(":")
        named = name.format(stack=self.stack, bucket=f"{self.stack.lower()}-databucket-*")
        where = ":" if service == "s3" else f"{self.region}:{self.account}"
        return f"arn:{self.partition}:{service}:{where}:{named}"


@dataclass(frozen=True, kw_only=True)
class CommandCalls:
    """A group of commands, and the actions they need by resource."""

    commands: str
    actions: dict[str, tuple[str, ...]]
    """``service:resource`` as in :meth:`PipelineArns.of`, to actions."""

    def statements(self, arns: PipelineArns) -> Iterator[dict[str, object]]:
        """Yield them as statements of a policy."""
        for resource, actions in self.actions.items():
            yield {
                "Effect": "Allow",
                "Action": [*actions],
                "Resource": arns.of(resource),
            }


COMMANDS: tuple[CommandCalls, ...] = (
    CommandCalls(
        commands="status, executions, logs, trace",
        actions={
            "cloudformation:stack/{stack}/*": ("cloudformation:DescribeStacks",),
            "s3:{bucket}/contract/contract.toml": ("s3:GetObject",),
            "sqs:{stack}-*": ("sqs:GetQueueAttributes",),
            "states:stateMachine:{stack}": ("states:ListExecutions",),
            "states:execution:{stack}:*": (
                "states:DescribeExecution",
                "states:GetExecutionHistory",
            ),
            "logs:log-group:/aws/lambda/{stack}-*:*": ("logs:FilterLogEvents",),
            "*": ("xray:GetTraceSummaries", "xray:BatchGetTraces"),
        },
    ),
    CommandCalls(
        commands="reconcile, psql, rejects, conflicts",
        actions={
            "secretsmanager:secret:LoaderSecret-*": ("secretsmanager:GetSecretValue",),
            "secretsmanager:secret:AnalystSecret-*": ("secretsmanager:GetSecretValue",),
            "s3:{bucket}": ("s3:ListBucket",),
            "s3:{bucket}/rejected/*": ("s3:GetObject",),
        },
    ),
    CommandCalls(
        commands="alarms, metrics",
        actions={
            "cloudformation:stack/{stack}/*": ("cloudformation:ListStackResources",),
            "*": ("cloudwatch:GetMetricData", "cloudwatch:ListMetrics"),
            "cloudwatch:alarm:{stack}-*": (
                "cloudwatch:DescribeAlarms",
                "cloudwatch:DescribeAlarmHistory",
                "cloudwatch:SetAlarmState",
            ),
            "sns:{stack}-*": ("sns:ListSubscriptionsByTopic", "sns:Subscribe", "sns:Unsubscribe"),
            "sqs:{stack}-alarm-test-*": (
                "sqs:CreateQueue",
                "sqs:SetQueueAttributes",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
                "sqs:DeleteQueue",
            ),
        },
    ),
    CommandCalls(
        commands="run, replay, backfill, sweep, quarantine",
        actions={
            "states:stateMachine:{stack}": ("states:StartExecution",),
            "lambda:function:{stack}-sweep": ("lambda:InvokeFunction",),
            "s3:{bucket}/manifests/*": ("s3:PutObject",),
        },
    ),
    CommandCalls(
        commands="dlq",
        actions={
            "sqs:{stack}-*": (
                "sqs:ReceiveMessage",
                "sqs:SendMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
                "sqs:StartMessageMoveTask",
                "sqs:ListMessageMoveTasks",
            ),
        },
    ),
    CommandCalls(
        commands="publish, simulate",
        actions={
            "iot:thing/{stack}-probe": ("iot:CreateThing", "iot:AttachThingPrincipal"),
            "iot:cert/*": ("iot:AttachPolicy", "iot:DescribeCertificate"),
            "*": ("iot:CreateCertificateFromCsr", "iot:DescribeEndpoint"),
            "s3:{bucket}/receipts/*": ("s3:PutObject",),
        },
    ),
)
