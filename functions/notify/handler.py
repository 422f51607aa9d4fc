"""Notify: sends what the alert topic publishes to chat, paging and webhook channels.

Event: records of SNS, or ``{"action": "list"}`` and ``{"action": "test", "channel"?}`` of the
command. It delivers at least once: Lambda repeats an invocation that fails, and a server may take a
request whose answer is lost. A failure that no repetition helps is counted as
``NotificationsFailed`` and logged. The topic's other subscribers, such as an email address, don't
depend on any of it.
"""

from __future__ import annotations

import os
import uuid
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

from functions.notify.backlog import backlog
from functions.notify.channel_secret import Addresses, Channel, parse_addresses
from functions.notify.delivery import Outcome, deliver
from functions.notify.notification import Notification, Place, parse_record, test_notification
from telemetry import metrics, settings, tracing
from telemetry.clients import calling, client
from telemetry.entry import lambda_entry
from telemetry.errors import TelemetryError, UserError
from telemetry.logs import log

__all__ = ["OWN_ALARMS", "ChannelUnavailableError", "handle"]

OWN_ALARMS = frozenset(("notifications-failed", "notify-errors"))
"""Alarms on this function. A failure to deliver one of these is only logged: counted, it would let
the alarm fire again, and so on without end."""
REMEMBERED = 256

_delivered: OrderedDict[str, set[Channel]] = OrderedDict()
"""Channels that have a message, by its id, for as long as this process lives: Lambda repeats an
invocation within minutes, mostly in the same process."""


_latest: OrderedDict[str, datetime] = OrderedDict()
"""Time of the latest change of each alarm that this process has seen."""


class ChannelUnavailableError(UserError):
    """Raised where a channel may take it later: Lambda then repeats the invocation."""


@lambda_entry
def handle(event: dict[str, Any]) -> dict[str, Any]:
    """Deliver each record to each channel. Raises :class:`ChannelUnavailableError`."""
    place = _place()
    notifications = [parse_record(record, place) for record in event.get("Records", ())]
    try:
        addresses = _addresses(local=place.local)
    except TelemetryError as error:
        if notifications and all(one.alarm in OWN_ALARMS for one in notifications):
            log.error(str(error), error=type(error).__name__)
            return {"records": 0}
        raise
    action = event.get("action")
    if action == "list":
        return {"channels": _listed(addresses)}
    if action == "test":
        return _test(place, addresses, event.get("channel"))
    waiting: set[str] = set()
    for one in notifications:
        waiting |= _notify(one, addresses)
    if waiting:
        raise ChannelUnavailableError(
            f"Not delivered yet to {', '.join(sorted(waiting))}: Lambda repeats the invocation "
            "twice. The lines before this one say what each server answered."
        )
    return {"records": len(notifications)}


def _notify(notification: Notification, addresses: Addresses) -> set[str]:
    """Deliver one notification; return the channels for which it has to be tried again."""
    if not addresses.channels and not addresses.problems:
        note = log.info if notification.kind == "recovered" else log.warning
        note("No channel has an address: etl channels set NAME", alarm=notification.alarm)
        return set()
    if notification.kind != "recovered":
        notification = notification.with_figures(backlog(datetime.now(UTC)))
    done = set(_delivered.get(notification.id, ()))
    if _is_overtaken(notification):
        # Triggered only now, after it was resolved, an incident would stay open.
        done.add("pagerduty")
    with tracing.step("deliver to channels"):
        outcomes = deliver(notification, addresses, skip=frozenset(done))
    _remember(notification.id, {one.channel for one in outcomes if one.delivered})
    return _report(notification, outcomes)


def _report(notification: Notification, outcomes: list[Outcome]) -> set[str]:
    counted = notification.alarm not in OWN_ALARMS
    for one in outcomes:
        note = log.info if one.delivered else log.error
        note(
            "Notified" if one.delivered else "A notification failed",
            channel=one.channel,
            kind=notification.kind,
            alarm=notification.alarm,
            answer=one.detail,
        )
    failed = sum(not one.delivered for one in outcomes)
    if failed and counted:
        metrics.record("NotificationsFailed", failed)
    return {one.channel for one in outcomes if one.retryable and not one.delivered and counted}


def _listed(addresses: Addresses) -> list[dict[str, str]]:
    """The channels with the hosts of their addresses, which are never shown themselves."""
    usable = [{"channel": a.channel, "host": a.host, "problem": ""} for a in addresses.channels]
    problems = addresses.problems.items()
    return usable + [{"channel": name, "host": "", "problem": why} for name, why in problems]


def _test(place: Place, addresses: Addresses, only: object) -> dict[str, Any]:
    """Send a test to all channels or to one, and return what their servers answered."""
    chosen = [one for one in addresses.channels if only in (None, one.channel)]
    problems = {name: why for name, why in addresses.problems.items() if only in (None, name)}
    wanted = Addresses(channels=tuple(chosen), signing_key=addresses.signing_key, problems=problems)
    notification = test_notification(place, uuid.uuid4().hex, datetime.now(UTC))
    outcomes = deliver(notification, wanted)
    return {
        "channels": [
            {"channel": one.channel, "delivered": one.delivered, "answer": one.detail}
            for one in outcomes
        ]
    }


def _is_overtaken(notification: Notification) -> bool:
    """True where a later change of the alarm came first, as a repeated invocation may be late."""
    if not notification.incident:
        return False
    latest = _latest.get(notification.incident, notification.since)
    _latest[notification.incident] = max(latest, notification.since)
    if len(_latest) > REMEMBERED:
        _latest.popitem(last=False)
    return notification.since < latest


def _remember(message: str, channels: set[Channel]) -> None:
    if not message or not channels:
        return
    _delivered.setdefault(message, set()).update(channels)
    while len(_delivered) > REMEMBERED:
        _delivered.popitem(last=False)


def _place() -> Place:
    return Place(
        pipeline=settings.text("PIPELINE"),
        region=settings.text("AWS_REGION", ""),
        runbook_url=settings.text("RUNBOOK_URL", ""),
        local=bool(os.environ.get("AWS_ENDPOINT_URL")),
    )


def _addresses(*, local: bool) -> Addresses:
    """The channels' addresses, read each time, so that a new one is used at once."""
    secret = settings.text("CHANNELS_SECRET_ARN")
    with calling("secretsmanager", f"read the secret {secret}"):
        answer = client("secretsmanager").get_secret_value(SecretId=secret)
    return parse_addresses(answer.get("SecretString", ""), local=local)
