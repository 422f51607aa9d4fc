"""The calls of the commands that operate a pipeline, as what IAM is asked.

Operations and what they ask for are from the API reference and the Service Authorization Reference
(read 2026-11). An operation that nobody has looked up is a ``KeyError``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from etl.operations.permissions import Operator, operator_policy
from tests.permissions.deployer import DeployerCall, World
from tests.permissions.policies import Named, Policies, Request

__all__ = ["denied_requests", "operators_policies", "requests_of"]

CONTRACTS = "contract/"
"""Prefix of the contracts in force."""
Context = tuple[tuple[str, str], ...]
Asked = Iterator[tuple[str, str, Context]]
Asker = Callable[[DeployerCall, World], Asked]


def operators_policies(who: Operator, world: World) -> Policies:
    """The printed policy, and the consent of the key's own policy to what the account allows."""
    printed = operator_policy(who, world.stack, world.account, world.region)["Statement"]
    root = f"arn:aws:iam::{world.account}:root"
    consent = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": {"AWS": root}}
    keys = world.arn("kms", "key/*")
    return Policies(
        [
            *(Named(one["Sid"], one, holder="operator") for one in printed),
            Named("the key", consent, guards=(keys,)),
        ],
        world.account,
    )


def denied_requests(who: Operator, requests: list[Request], world: World) -> list[Request]:
    """Those of the requests that an operator's policy doesn't allow."""
    policies = operators_policies(who, world)
    return [request for request in requests if not policies.allow(request)]


def requests_of(calls: list[DeployerCall], world: World) -> list[Request]:
    """What these calls ask of IAM, each once."""
    found = (
        Request("operator", action, resource, context, f"{call.service} {call.operation}")
        for call in calls
        for action, resource, context in ASKED[call.service, call.operation](call, world)
    )
    return list(dict.fromkeys(found))


def _use(world: World, use: str, service: str) -> tuple[str, str, Context]:
    tags = tuple((f"aws:ResourceTag/{name}", value) for name, value in world.key_tags.items())
    via = ("kms:ViaService", f"{service}.{world.region}.amazonaws.com")
    return f"kms:{use}", world.key, (via, *tags)


def _read_object(call: DeployerCall, world: World) -> Asked:
    yield "s3:GetObject", f"{world.bucket(call)}/{call.given['Key']}", ()
    if not call.given["Key"].startswith(CONTRACTS):
        # Of an object that is not there, S3 says so only to a caller that may list the bucket.
        yield "s3:ListBucket", world.bucket(call), ()
    yield _use(world, "Decrypt", "s3")


def _write_object(call: DeployerCall, world: World) -> Asked:
    yield "s3:PutObject", f"{world.bucket(call)}/{call.given['Key']}", ()
    yield _use(world, "GenerateDataKey", "s3")


def _delete_object(call: DeployerCall, world: World) -> Asked:
    action = "s3:DeleteObjectVersion" if "VersionId" in call.given else "s3:DeleteObject"
    yield action, f"{world.bucket(call)}/{call.given['Key']}", ()


def _list_versions(call: DeployerCall, world: World) -> Asked:
    yield "s3:ListBucketVersions", world.bucket(call), ()


def _list_bucket(call: DeployerCall, world: World) -> Asked:
    yield "s3:ListBucket", world.bucket(call), ()


def _secret(call: DeployerCall, world: World) -> Asked:
    # CloudFormation on AWS names a secret by its logical id, the emulator begins with the stack.
    secret = call.given["SecretId"].replace(f":secret:{world.stack}-", ":secret:")
    yield "secretsmanager:GetSecretValue", secret, ()
    yield _use(world, "Decrypt", "secretsmanager")


def _on_queue(action: str, *uses: str) -> Asker:
    def asked(call: DeployerCall, world: World) -> Asked:
        name = call.given.get("QueueName") or call.given["QueueUrl"].rpartition("/")[2]
        yield f"sqs:{action}", world.arn("sqs", name), ()
        # Test queue and rule errors are encrypted by SQS, without the stack's key.
        if "-TelemetryQueue-" in name or "-DeadLetterQueue-" in name:
            for use in uses:
                yield _use(world, use, "sqs")

    return asked


def _move_messages(call: DeployerCall, world: World) -> Asked:
    source = call.given["SourceArn"]
    for action in ("StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
        yield f"sqs:{action}", source, ()
    yield "sqs:SendMessage", call.given["DestinationArn"], ()
    for use in ("Decrypt", "GenerateDataKey"):
        yield _use(world, use, "sqs")


def _given(action: str, name: str) -> Asker:
    """An action on the resource whose ARN the call gives."""

    def asked(call: DeployerCall, _: World) -> Asked:
        yield action, call.given[name], ()

    return asked


def _on_stack(action: str) -> Asker:
    def asked(call: DeployerCall, world: World) -> Asked:
        name = call.given["StackName"]
        yield action, world.arn("cloudformation", f"stack/{name}/6a1b"), ()

    return asked


def _everywhere(action: str) -> Asker:
    def asked(_: DeployerCall, __: World) -> Asked:
        yield action, "*", ()

    return asked


def _on_alarm(action: str) -> Asker:
    def asked(call: DeployerCall, world: World) -> Asked:
        # Without a name the call is about all alarms, also those of others.
        yield action, world.arn("cloudwatch", f"alarm:{call.given.get('AlarmName', '*')}"), ()

    return asked


def _log_group(call: DeployerCall, world: World) -> Asked:
    group = world.arn("logs", f"log-group:{call.given['logGroupName']}:*")
    yield "logs:FilterLogEvents", group, ()


def _function(call: DeployerCall, world: World) -> Asked:
    yield "lambda:InvokeFunction", world.arn("lambda", f"function:{call.given['FunctionName']}"), ()


def _thing(call: DeployerCall, world: World) -> Asked:
    yield "iot:CreateThing", world.arn("iot", f"thing/{call.given['thingName']}"), ()


def _certificate(call: DeployerCall, world: World) -> Asked:
    name = f"cert/{call.given['certificateId']}"
    yield "iot:DescribeCertificate", world.arn("iot", name), ()


def _states(action: str, name: str) -> tuple[tuple[str, str], Asker]:
    return ("stepfunctions", action), _given(f"states:{action}", name)


def _mapping(call: DeployerCall, world: World) -> Asked:
    mapping = world.arn("lambda", f"event-source-mapping:{call.given['UUID']}")
    stage = world.arn("lambda", f"function:{world.stack}-stage")
    yield "lambda:UpdateEventSourceMapping", mapping, (("lambda:FunctionArn", stage),)


def _on_schedule(action: str) -> Asker:
    def asked(call: DeployerCall, world: World) -> Asked:
        schedule = world.arn("scheduler", f"schedule/default/{call.given['Name']}")
        yield f"scheduler:{action}", schedule, ()
        if action == "UpdateSchedule":
            passed = (("iam:PassedToService", "scheduler.amazonaws.com"),)
            yield "iam:PassRole", call.given["Target"]["RoleArn"], passed

    return asked


ASKED: dict[tuple[str, str], Asker] = {
    ("cloudformation", "DescribeStacks"): _on_stack("cloudformation:DescribeStacks"),
    ("cloudformation", "ListStackResources"): _on_stack("cloudformation:ListStackResources"),
    ("cloudwatch", "DescribeAlarms"): _everywhere("cloudwatch:DescribeAlarms"),
    ("cloudwatch", "DescribeAlarmHistory"): _on_alarm("cloudwatch:DescribeAlarmHistory"),
    ("cloudwatch", "GetMetricData"): _everywhere("cloudwatch:GetMetricData"),
    ("cloudwatch", "ListMetrics"): _everywhere("cloudwatch:ListMetrics"),
    ("cloudwatch", "SetAlarmState"): _on_alarm("cloudwatch:SetAlarmState"),
    ("iot", "AttachPolicy"): _given("iot:AttachPolicy", "target"),
    ("iot", "AttachThingPrincipal"): _everywhere("iot:AttachThingPrincipal"),
    ("iot", "CreateCertificateFromCsr"): _everywhere("iot:CreateCertificateFromCsr"),
    ("iot", "CreateThing"): _thing,
    ("iot", "DescribeCertificate"): _certificate,
    ("iot", "DescribeEndpoint"): _everywhere("iot:DescribeEndpoint"),
    ("lambda", "GetEventSourceMapping"): _everywhere("lambda:GetEventSourceMapping"),
    ("lambda", "Invoke"): _function,
    ("lambda", "UpdateEventSourceMapping"): _mapping,
    ("logs", "FilterLogEvents"): _log_group,
    ("s3", "DeleteObject"): _delete_object,
    ("s3", "GetObject"): _read_object,
    ("s3", "HeadObject"): _read_object,
    ("s3", "ListObjectVersions"): _list_versions,
    ("s3", "ListObjectsV2"): _list_bucket,
    ("s3", "PutObject"): _write_object,
    ("scheduler", "GetSchedule"): _on_schedule("GetSchedule"),
    ("scheduler", "UpdateSchedule"): _on_schedule("UpdateSchedule"),
    ("secretsmanager", "GetSecretValue"): _secret,
    ("sns", "ListSubscriptionsByTopic"): _given("sns:ListSubscriptionsByTopic", "TopicArn"),
    ("sns", "Subscribe"): _given("sns:Subscribe", "TopicArn"),
    ("sns", "Unsubscribe"): _everywhere("sns:Unsubscribe"),
    ("sqs", "ChangeMessageVisibilityBatch"): _on_queue("ChangeMessageVisibility"),
    ("sqs", "CreateQueue"): _on_queue("CreateQueue"),
    ("sqs", "DeleteMessage"): _on_queue("DeleteMessage"),
    ("sqs", "DeleteMessageBatch"): _on_queue("DeleteMessage"),
    ("sqs", "DeleteQueue"): _on_queue("DeleteQueue"),
    ("sqs", "GetQueueAttributes"): _on_queue("GetQueueAttributes"),
    ("sqs", "ListMessageMoveTasks"): _given("sqs:ListMessageMoveTasks", "SourceArn"),
    ("sqs", "ReceiveMessage"): _on_queue("ReceiveMessage", "Decrypt"),
    ("sqs", "SendMessageBatch"): _on_queue("SendMessage", "Decrypt", "GenerateDataKey"),
    ("sqs", "SetQueueAttributes"): _on_queue("SetQueueAttributes"),
    ("sqs", "StartMessageMoveTask"): _move_messages,
    ("sts", "GetCallerIdentity"): lambda _call, _world: iter(()),
    ("xray", "BatchGetTraces"): _everywhere("xray:BatchGetTraces"),
    ("xray", "GetTraceSummaries"): _everywhere("xray:GetTraceSummaries"),
    **dict(
        [
            _states("DescribeExecution", "executionArn"),
            _states("DescribeMapRun", "mapRunArn"),
            _states("DescribeStateMachine", "stateMachineArn"),
            _states("DescribeStateMachineForExecution", "executionArn"),
            _states("GetExecutionHistory", "executionArn"),
            _states("ListExecutions", "stateMachineArn"),
            _states("ListMapRuns", "executionArn"),
            _states("StartExecution", "stateMachineArn"),
        ]
    ),
}
