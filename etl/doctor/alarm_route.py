"""Checks the way of an alarm: its topic, the topic's subscribers, and one test notification."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from etl.aws.target import Target
from etl.doctor.check_result import CheckResult, failed, not_checked, passed
from etl.doctor.examination import Examination
from etl.operations.alarms import Alarm, alarms, trigger

__all__ = ["check_alarm_route"]

NAME = "alarms"
TESTED = "executions-failed"
NOTIFIED_SECONDS = 60.0
POLL_SECONDS = 2.0


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
    if not examination.may_send_canary:
        yield not_checked(f"{NAME}: route", "not agreed to", "run it without --no-canary")
    elif examination.local:
        yield not_checked(f"{NAME}: route", "the emulator keeps no history of alarms' actions")
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
    ]
    if any(found):
        return passed(name, f"{sum(found)} confirmed, {len(found) - sum(found)} not confirmed")
    if target.local is not None:
        return not_checked(name, "the stack on this machine has none, and needs none")
    wait = "confirm the email that AWS sent" if found else "set operation.alert_email, and deploy"
    return failed(name, "no one would be notified: no subscription is confirmed", wait)


def _route(target: Target, alarm: Alarm) -> CheckResult:
    """Trigger the alarm and read in its history whether CloudWatch could notify the topic."""
    name = f"{NAME}: route"
    began = datetime.now(UTC)
    trigger(target, alarm.name, f"Test by `etl doctor` at {began:%Y-%m-%d %H:%M:%S} UTC.")
    deadline = time.monotonic() + NOTIFIED_SECONDS
    while time.monotonic() < deadline:
        answer = target.client("cloudwatch").describe_alarm_history(
            AlarmName=alarm.name, HistoryItemType="Action", StartDate=began
        )
        summaries = [one["HistorySummary"] for one in answer["AlarmHistoryItems"]]
        if any(one.startswith("Failed") for one in summaries):
            return failed(
                name,
                f"CloudWatch could not notify the topic: {summaries[0]}",
                "deploy again: CloudWatch needs the policies of the topic and of the key",
            )
        if summaries:
            return passed(
                name,
                f"CloudWatch notified the topic for {alarm.short}; it recovers within a minute",
                "see that the notification reached you",
            )
        time.sleep(POLL_SECONDS)
    return failed(
        name,
        f"{alarm.short} was triggered, and sent no notification in {NOTIFIED_SECONDS:.0f} s",
        f"see its history: etl alarms history {alarm.short}",
    )
