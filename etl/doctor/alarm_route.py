"""Checks the way of an alarm: its topic, the subscribers, the channels, and one notification."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

from etl.aws.target import Target
from etl.doctor.check_result import CheckResult, failed, not_checked, passed
from etl.doctor.examination import Examination
from etl.operations.alarm_delivery import listening, refused_actions
from etl.operations.alarms import Alarm, alarms, trigger
from etl.operations.channels import ChannelError, listed_channels
from infrastructure.names import SECRET_OUTPUT

__all__ = ["check_alarm_route"]

NAME = "alarms"
TESTED = "executions-failed"


def check_alarm_route(examination: Examination) -> Iterator[CheckResult]:
    """Check that alarms reach subscribers, then trigger one where that was agreed to."""
    target = examination.target
    found = alarms(target)
    silent = [one.short for one in found if not one.actions]
    if not found or silent:
        missing = f"{', '.join(silent)} notify no topic" if silent else "the stack has no alarms"
        yield failed(f"{NAME}: actions", missing, "run `etl deploy`, which restores them")
        return
    yield passed(f"{NAME}: actions", f"all {len(found)} alarms notify a topic")
    yield _subscribers(target)
    if SECRET_OUTPUT in target.outputs:
        yield _channels(target)
    if not examination.may_send_canary:
        yield not_checked(f"{NAME}: route", "not agreed to", "run it without --no-canary")
    else:
        tested = next((one for one in found if one.short == TESTED), found[0])
        yield _route(target, tested)


def _subscribers(target: Target) -> CheckResult:
    name = f"{NAME}: subscribers"
    pages = target.client("sns").get_paginator("list_subscriptions_by_topic")
    found = [
        one["SubscriptionArn"].startswith("arn:")
        for page in pages.paginate(TopicArn=target.outputs["TopicArn"])
        for one in page["Subscriptions"]
        # The channels have a check of their own.
        if one["Protocol"] != "lambda"
    ]
    if any(found):
        return passed(name, f"{sum(found)} confirmed, {len(found) - sum(found)} not confirmed")
    if target.local is not None:
        return not_checked(name, "the stack on this machine has none, and needs none")
    wait = "confirm the email that AWS sent" if found else "set operation.alert_email, and deploy"
    return failed(name, "no one would be notified: no subscription is confirmed", wait)


def _channels(target: Target) -> CheckResult:
    """Ask the notify function which channels have an address; nothing is sent to them."""
    from botocore.exceptions import ClientError

    name = f"{NAME}: channels"
    try:
        found = listed_channels(target)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        allow = "allow what `etl settings policy doctor` lists"
        return not_checked(name, f"the notify function can't be invoked ({code})", allow)
    except ChannelError as error:
        return failed(name, str(error).rstrip("."), "run `etl deploy`, or enter the address again")
    if not found:
        return failed(
            name,
            "no channel has an address",
            "run `etl channels set slack`, or set operation.channels = false and deploy",
        )
    wrong = " ".join(one.problem for one in found if one.problem)
    if wrong:
        return failed(name, wrong.rstrip("."), "enter the address again: `etl channels set`")
    where = ", ".join(f"{one.channel} ({one.host})" for one in found)
    return passed(name, f"notifications go to {where}", "try them: `etl channels test`")


def _route(target: Target, alarm: Alarm) -> CheckResult:
    """Trigger the alarm and wait for its notification, in a queue subscribed for as long."""
    from botocore.exceptions import ClientError

    name = f"{NAME}: route"
    began = datetime.now(UTC)
    reason = f"Test by `etl doctor` at {began:%Y-%m-%d %H:%M:%S.%f} UTC."
    with ExitStack() as stack:
        try:
            listener = stack.enter_context(listening(target, alarm.actions[0]))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            return not_checked(
                name,
                f"no queue can be subscribed to the topic ({code})",
                "allow what `etl settings policy doctor` lists, or trigger one by "
                f"`etl alarms test {alarm.short}` and see that it reaches you",
            )
        trigger(target, alarm.name, reason)
        seconds = listener.received(reason)
    if seconds is not None:
        return passed(
            name,
            f"the notification of {alarm.short} came through after {seconds:.1f} s; "
            "the alarm recovers within a minute",
            "see that it reached you",
        )
    refused = refused_actions(target, alarm, began)
    return failed(
        name,
        f"{alarm.short} was triggered, and no notification came"
        + (f": {refused[0]}" if refused else ""),
        "deploy again: CloudWatch needs the policies of the topic and of the key",
    )
