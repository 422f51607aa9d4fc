"""What the emulator can't show: requirements that AWS documents, each with its page (read 2026-11).

Nothing here may be what a recorded call or the deployed definition tells; it is what AWS does on
its own with a role, or lets a service do by a resource's policy.
"""

from __future__ import annotations

from collections.abc import Iterator

from functions.inventory import functions_of
from tests.permissions.deployed import ADMINISTRATOR, DEVICE, Stack
from tests.permissions.policies import Request

__all__ = ["documented"]

DOCS = "https://docs.aws.amazon.com/"
LAMBDA = DOCS + "lambda/latest/dg/"
STATES = DOCS + "step-functions/latest/dg/"
LAMBDA_LOGS = LAMBDA + "monitoring-cloudwatchlogs.html"
LAMBDA_TRACES = LAMBDA + "services-xray.html"
LAMBDA_VPC = LAMBDA + "configuration-vpc.html"
MISSING_OBJECT = DOCS + "AmazonS3/latest/API/API_GetObject.html"
STATES_LOGS = STATES + "cw-logs.html"
STATES_TRACES = STATES + "concepts-xray-tracing.html"
MAP = STATES + "iam-policies-eg-dist-map.html"
ENCRYPTED_LOGS = DOCS + "AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html"
ENCRYPTED_TOPIC = DOCS + "sns/latest/dg/sns-key-management.html"
KEY_ADMINISTRATORS = DOCS + "kms/latest/developerguide/key-policy-default.html"
DEVICES = DOCS + "iot/latest/developerguide/thing-policy-variables.html"
RETAINED = DOCS + "iot/latest/developerguide/retained-message-policy-examples.html"

REPAIR = DOCS + "AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html"  # fmt: skip

LOG_DELIVERY = (
    "CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery",
    "ListLogDeliveries", "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups",
)  # fmt: skip
# What the page's kms:Create*, Describe*, Enable*... come to for a symmetric key without imports.
ADMINISTRATION = (
    "CancelKeyDeletion", "CreateAlias", "DeleteAlias", "DescribeKey", "DisableKey",
    "DisableKeyRotation", "EnableKey", "EnableKeyRotation", "GetKeyPolicy", "GetKeyRotationStatus",
    "ListGrants", "ListKeyPolicies", "ListKeyRotations", "ListResourceTags", "PutKeyPolicy",
    "RevokeGrant", "RotateKeyOnDemand", "ScheduleKeyDeletion", "TagResource", "UntagResource",
    "UpdateAlias", "UpdateKeyDescription",
)  # fmt: skip
READERS = ("transform", "validate", "load", "summarize", "sweep")
"""Functions that tell an object that is missing from one they may not read."""
TRUSTED = {
    "iot": "rule/anything",
    "scheduler": "schedule-group/default",
    "states": "stateMachine:{stack}",
}


def documented(stack: Stack) -> Iterator[Request]:
    """All of it, for one stack."""
    yield from _functions(stack)
    yield from _vpc(stack)
    yield from _state_machine(stack)
    yield from _trust(stack)
    yield from _encrypted_logs(stack)
    yield from _alarms(stack)
    yield from _devices(stack)
    yield from _operators(stack)
    for action in ADMINISTRATION:
        yield Request(ADMINISTRATOR, f"kms:{action}", stack.key, (), KEY_ADMINISTRATORS)


def _functions(stack: Stack) -> Iterator[Request]:
    for spec in functions_of(fleet_provisioning=False, channels=True):
        role = stack.function_role(spec.name)
        group = stack.physical[f"{spec.title}LogGroup"]
        stream = stack.arn("logs", f"log-group:{group}:log-stream:2026/11/26/[$LATEST]6a1b")
        for action in ("CreateLogStream", "PutLogEvents"):
            yield Request(role, f"logs:{action}", stream, (), LAMBDA_LOGS)
        for action in ("PutTraceSegments", "PutTelemetryRecords"):
            yield Request(role, f"xray:{action}", "*", (), LAMBDA_TRACES)
    for name in READERS:
        yield Request(stack.function_role(name), "s3:ListBucket", stack.bucket, (), MISSING_OBJECT)


def _vpc(stack: Stack) -> Iterator[Request]:
    """Lambda does this when a function is put into a VPC; the code of the function never does."""
    interface = stack.arn("ec2", "network-interface/eni-6a1b")
    own = stack.arn("ec2", "subnet/subnet-6a1b")
    shared = f"{':'.join(own.split(':')[:4])}:210987654321:subnet/subnet-6a1c"
    for spec in functions_of(fleet_provisioning=False, channels=True):
        if spec.database:
            role = stack.function_role(spec.name)
            for action in ("DescribeNetworkInterfaces", "DescribeSubnets"):
                yield Request(role, f"ec2:{action}", "*", (), LAMBDA_VPC)
            for place in (interface, own, shared):
                yield Request(role, "ec2:CreateNetworkInterface", place, (), LAMBDA_VPC)
            for action in (
                "DeleteNetworkInterface", "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"
            ):  # fmt: skip
                yield Request(role, f"ec2:{action}", interface, (), LAMBDA_VPC)


def _state_machine(stack: Stack) -> Iterator[Request]:
    role = stack.role("StateMachineRole")
    for action in LOG_DELIVERY:
        yield Request(role, f"logs:{action}", "*", (), STATES_LOGS)
    for action in (
        "PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets"
    ):  # fmt: skip
        yield Request(role, f"xray:{action}", "*", (), STATES_TRACES)
    yield Request(role, "states:StartExecution", stack.machine, (), MAP)
    execution = stack.arn("states", f"execution:{stack.name}:6a1b")
    for action in ("DescribeExecution", "StopExecution"):
        yield Request(role, f"states:{action}", execution, (), MAP)
    for label in ("Batches", "Drained"):
        child = stack.arn("states", f"execution:{stack.name}/{label}:6a1b")
        yield Request(role, "states:RedriveExecution", child, (), MAP)
    result = f"{stack.bucket}/map-results/6a1b/manifest.json"
    for action in ("PutObject", "GetObject", "ListMultipartUploadParts", "AbortMultipartUpload"):
        yield Request(role, f"s3:{action}", result, (), MAP)


def _trust(stack: Stack) -> Iterator[Request]:
    for logical in stack.of_type("AWS::IAM::Role"):
        trust = stack.resources[logical]["Properties"]["AssumeRolePolicyDocument"]
        principal = trust["Statement"][0]["Principal"]["Service"]
        service = principal.partition(".")[0]
        context: tuple[tuple[str, str], ...] = ()
        page = f"{LAMBDA}lambda-intro-execution-role.html"
        if service in TRUSTED:
            source = stack.arn(service, TRUSTED[service].format(stack=stack.name))
            context = (("aws:SourceAccount", stack.account), ("aws:SourceArn", source))
            page = f"{DOCS}IAM/latest/UserGuide/confused-deputy.html"
        yield Request(principal, "sts:AssumeRole", stack.role(logical), context, page)


def _encrypted_logs(stack: Stack) -> Iterator[Request]:
    principal = f"logs.{stack.region}.amazonaws.com"
    for logical in stack.of_type("AWS::Logs::LogGroup"):
        group = stack.arn("logs", f"log-group:{stack.physical[logical]}")
        context = (("kms:EncryptionContext:aws:logs:arn", group),)
        for use in ("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey"):
            yield Request(principal, f"kms:{use}", stack.key, context, ENCRYPTED_LOGS)


def _alarms(stack: Stack) -> Iterator[Request]:
    """CloudWatch publishes for an alarm of the stack, to the encrypted topic."""
    alarm = stack.arn("cloudwatch", f"alarm:{stack.name}-failed-executions")
    context = (("aws:SourceAccount", stack.account), ("aws:SourceArn", alarm))
    who = "cloudwatch.amazonaws.com"
    yield Request(who, "sns:Publish", stack.physical["AlertTopic"], context, ENCRYPTED_TOPIC)
    for use in ("Decrypt", "GenerateDataKey"):
        yield Request(who, f"kms:{use}", stack.key, context, ENCRYPTED_TOPIC)
        # The page doesn't say whether requests for the key carry the context: both are allowed.
        yield Request(who, f"kms:{use}", stack.key, (), ENCRYPTED_TOPIC)


def _operators(stack: Stack) -> Iterator[Request]:
    """People of the account, by their own permissions and by TLS, as in docs/repair.md."""
    by_tls = (("aws:SecureTransport", "true"),)
    for logical in stack.of_type("AWS::SQS::Queue"):
        for action in ("ReceiveMessage", "StartMessageMoveTask", "SendMessage"):
            yield Request(ADMINISTRATOR, f"sqs:{action}", stack.queue(logical), by_tls, REPAIR)


def _devices(stack: Stack) -> Iterator[Request]:
    context = (
        ("iot:Connection.Thing.ThingName", "box-1"),
        ("iot:Connection.Thing.IsAttached", "true"),
    )
    yield Request(DEVICE, "iot:Connect", stack.arn("iot", "client/box-1"), context, DEVICES)
    for prefix, topic in stack.topics("box-1"):
        for place in (topic, f"{prefix}/{topic}"):
            for action, page in (("iot:Publish", DEVICES), ("iot:RetainPublish", RETAINED)):
                yield Request(DEVICE, action, stack.arn("iot", f"topic/{place}"), context, page)
