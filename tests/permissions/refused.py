"""What must never be allowed: the other side of every condition and every Deny."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from functions.inventory import functions_of
from tests.permissions.deployed import ADMINISTRATOR, DEVICE, Stack
from tests.permissions.policies import Request

__all__ = ["refused"]

OTHER = "999999999999"
"""Somebody else's account."""
SERVICES = ("s3", "sqs", "sns", "secretsmanager", "ec2")
NEVER = {
    "extract": ("s3:GetObject clean/a", "s3:DeleteObject raw/a", "s3:PutObject outcomes/a"),
    "stage": ("s3:GetObject raw/a", "s3:DeleteObject raw/a"),
    "transform": ("s3:PutObject raw/a", "s3:DeleteObject raw/a", "s3:GetObject copy/a"),
    "validate": ("s3:GetObject raw/a", "s3:GetObject clean/a", "s3:PutObject outcomes/a"),
    "load": ("s3:GetObject raw/a", "s3:PutObject clean/a", "s3:DeleteObject copy/a"),
    "summarize": ("s3:PutObject outcomes/a", "s3:GetObject raw/a"),
    "sweep": ("s3:PutObject outcomes/a", "s3:GetObject raw/a", "s3:DeleteObject raw/a"),
    "migrate": ("s3:GetObject raw/a", "s3:PutObject raw/a", "s3:DeleteObject raw/a"),
    "notify": ("s3:GetObject raw/a", "s3:GetObject rejected/a"),
}


def refused(stack: Stack, legitimate: Collection[Request]) -> Iterator[Request]:
    """All of it, for one stack; ``legitimate``: what is to be allowed."""
    yield from _data(stack)
    yield from _without_tls(stack, legitimate)
    yield from _key(stack, legitimate)
    yield from _deputies(stack, legitimate)
    yield from _own_code(stack, legitimate)
    yield from _rule(stack)
    yield from _devices(stack)


def _data(stack: Stack) -> Iterator[Request]:
    for function, wishes in NEVER.items():
        for wish in wishes:
            action, key = wish.split()
            place = f"{stack.bucket}/{key}"
            yield Request(stack.function_role(function), action, place, (), "not its business")
    owner = stack.target.parameters["OwnerSecretArn"]
    for spec in functions_of(fleet_provisioning=False, channels=True):
        if spec.name != "migrate":
            role = stack.function_role(spec.name)
            yield Request(role, "secretsmanager:GetSecretValue", owner, (), "the owner's login")
    for logical, reader in (("LoaderSecret", "notify"), ("ChannelsSecret", "load")):
        secret = stack.physical[logical]
        role = stack.function_role(reader)
        yield Request(role, "secretsmanager:GetSecretValue", secret, (), "the secret of others")
    elsewhere = (("s3:prefix", "outcomes/"),)
    for function in ("extract", "migrate"):
        role = stack.function_role(function)
        yield Request(role, "s3:ListBucket", stack.bucket, elsewhere, "not its prefix")


def _without_tls(stack: Stack, legitimate: Collection[Request]) -> Iterator[Request]:
    """What is allowed by TLS is not without it, where it carries data; nor is it to anybody."""
    clear = (("aws:SecureTransport", "false"),)
    places = {stack.bucket: "s3:ListBucket", f"{stack.bucket}/raw/a": "s3:GetObject"}
    places |= {stack.queue(q): "sqs:SendMessage" for q in stack.of_type("AWS::SQS::Queue")}
    places[stack.physical["AlertTopic"]] = "sns:Publish"
    for place, action in places.items():
        yield Request(ADMINISTRATOR, action, place, clear, "without TLS")
    for request in legitimate:
        if request.action.startswith(("s3:", "sqs:", "sns:Publish")):
            yield replace(request, context=(*request.context, *clear), why="without TLS")


def _key(stack: Stack, legitimate: Collection[Request]) -> Iterator[Request]:
    """Nobody uses the key directly, and a role only by the services that it uses anyway."""
    uses = ("kms:Decrypt", "kms:GenerateDataKey")
    known = {(r.principal, r.action, r.context) for r in legitimate if r.resource == stack.key}
    owners = stack.target.parameters["OwnerKeyArn"]
    migrate, load = (stack.function_role(name) for name in ("migrate", "load"))
    yield Request(migrate, "kms:Decrypt", owners, (), "the owner's key directly")
    yield Request(load, "kms:Decrypt", owners, stack.via("secretsmanager"), "the owner's key")
    roles = [stack.role(logical) for logical in stack.of_type("AWS::IAM::Role")]
    for principal in [*roles, ADMINISTRATOR]:
        for use in uses:
            yield Request(principal, use, stack.key, (), "the key directly")
            yield Request(principal, use, stack.key, stack.via("ec2"), "by a service not used")
            for service in SERVICES:
                if principal != ADMINISTRATOR and (principal, use, stack.via(service)) not in known:
                    yield Request(principal, use, stack.key, stack.via(service), "not its use")


def _deputies(stack: Stack, legitimate: Collection[Request]) -> Iterator[Request]:
    """A service that acts for somebody else, or for something else of ours."""
    for request in legitimate:
        context = dict(request.context)
        if not request.principal.endswith(".amazonaws.com"):
            continue
        for key, value in request.context:
            other = value.replace(stack.account, OTHER)
            if key.endswith("SourceArn") or key.startswith("kms:EncryptionContext"):
                other = f"arn:aws:{value.split(':')[2]}:{stack.region}:{stack.account}:not:ours"
            wrong = tuple({**context, key: other}.items())
            yield replace(request, context=wrong, why=f"another {key}")
        alarms_key = (
            request.principal == "cloudwatch.amazonaws.com" and request.resource == stack.key
        )
        if context and not alarms_key:
            yield replace(request, context=(), why="for nobody in particular")
    alarm = stack.arn("cloudwatch", "alarm:somebody-elses")
    context = {"aws:SourceAccount": stack.account, "aws:SourceArn": alarm}
    who, topic = "cloudwatch.amazonaws.com", stack.physical["AlertTopic"]
    yield Request(who, "sns:Publish", topic, tuple(context.items()), "another stack's alarm")


def _rule(stack: Stack) -> Iterator[Request]:
    """Each of the rule's two actions has a role for its own queue alone."""
    for role, queue in (("TopicRuleRole", "RuleErrorQueue"), ("RuleErrorRole", "TelemetryQueue")):
        yield Request(
            stack.role(role), "sqs:SendMessage", stack.queue(queue), (), "the other action's queue"
        )


def _own_code(stack: Stack, legitimate: Collection[Request]) -> Iterator[Request]:
    """What Lambda may do in EC2 with a function's role, the function's own code may not."""
    for spec in functions_of(fleet_provisioning=False, channels=True):
        role = stack.function_role(spec.name)
        code = stack.arn("lambda", f"function:{stack.name}-{spec.name}")
        for request in legitimate:
            if request.principal == role and request.action.startswith("ec2:"):
                context = (("lambda:SourceFunctionArn", code),)
                yield replace(request, context=context, why="the function's own code")


def _devices(stack: Stack) -> Iterator[Request]:
    own = (
        ("iot:Connection.Thing.ThingName", "box-1"),
        ("iot:Connection.Thing.IsAttached", "true"),
    )
    loose = (own[0], ("iot:Connection.Thing.IsAttached", "false"))
    client, other = stack.arn("iot", "client/box-1"), stack.arn("iot", "client/box-2")
    yield Request(DEVICE, "iot:Connect", other, own, "as another device")
    yield Request(DEVICE, "iot:Connect", client, loose, "without the thing's certificate")
    yield Request(DEVICE, "iot:Connect", client, (), "not a thing at all")
    mine, prefixes = dict(stack.topics("box-1")), [prefix for prefix, _ in stack.topics("box-1")]
    for prefix, others in stack.topics("box-2"):
        elsewhere = [f"{other}/{mine[prefix]}" for other in prefixes if other != prefix]
        for place in (others, f"{prefix}/{others}", f"{mine[prefix]}/more", *elsewhere):
            for action in ("iot:Publish", "iot:RetainPublish"):
                yield Request(
                    DEVICE, action, stack.arn("iot", f"topic/{place}"), own, "not its own"
                )
        # A level of the policy's wildcard has no slash: this one would name another device.
        for way in ("", f"{prefix}/"):
            place = f"{way}{others}/box-1"
            yield Request(
                DEVICE, "iot:Publish", stack.arn("iot", f"topic/{place}"), own, "crossing"
            )
    (topic, *_) = mine.values()
    for action, resource in (
        ("iot:Subscribe", f"topicfilter/{topic}"),
        ("iot:Receive", f"topic/{topic}"),
        ("iot:GetRetainedMessage", f"topic/{topic}"),
        ("iot:UpdateThingShadow", "thing/box-1"),
    ):
        yield Request(DEVICE, action, stack.arn("iot", resource), own, "devices only publish")
