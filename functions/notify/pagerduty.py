"""Renders a notification for PagerDuty: Events API v2.

An alarm triggers an incident and resolves it: both name it by the same ``dedup_key``, so that a
message that is delivered twice changes nothing. Other messages open no incident, as
nothing would ever close it; executions that fail have an alarm of their own.

Format and limits: https://developer.pagerduty.com/docs/events-api-v2-overview and
https://developer.pagerduty.com/docs/send-alert-event (an event has at most 512 KB, a summary 1,024
characters, a ``dedup_key`` 255). The limits are from memory and from other clients of this API, of
2026-11; no event was sent to PagerDuty.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from functions.notify.channel_secret import Address
from functions.notify.notification import Notification
from functions.notify.rendering import PostRequest, json_request, limited

__all__ = ["dedup_key", "render"]

SUMMARY, SOURCE, DEDUP_KEY, DETAIL = 1_024, 255, 255, 2_000
Action = Literal["trigger", "resolve"]
ACTIONS: dict[str, tuple[Action, ...]] = {
    "firing": ("trigger",),
    "resolved": ("resolve",),
    "recovered": ("resolve",),
    # A test leaves no open incident behind.
    "test": ("trigger", "resolve"),
    "message": (),
}


def render(notification: Notification, address: Address) -> tuple[PostRequest, ...]:
    """The events, in their order; none for a message of the workflow."""
    return tuple(
        json_request(address.url, _event(notification, action, address.routing_key))
        for action in ACTIONS[notification.kind]
    )


def dedup_key(incident: str) -> str:
    """The key of an incident: its name, or a digest of a name that is too long."""
    if len(incident) <= DEDUP_KEY:
        return incident
    return hashlib.sha256(incident.encode()).hexdigest()


def _event(one: Notification, action: Action, routing_key: str) -> dict[str, Any]:
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key(one.incident),
    }
    if action == "resolve":
        return event
    links = [("Runbook", one.runbook_url), ("Alarm in CloudWatch", one.console_url)]
    event |= {
        "client": "Telemetry ETL",
        "links": [{"href": url, "text": text} for text, url in links if url],
        "payload": {
            "summary": limited(f"{one.pipeline}: {one.headline}", SUMMARY),
            "source": limited(one.pipeline, SOURCE),
            "severity": one.severity,
            "timestamp": one.since.isoformat(timespec="seconds"),
            "component": one.pipeline,
            "class": one.alarm or one.kind,
            "custom_details": _details(one),
        },
    }
    return event


def _details(one: Notification) -> dict[str, str]:
    found = {
        "since": one.since_text,
        "reason": one.reason,
        "first step": one.first_step,
        "commands": "\n".join(one.commands),
        "runbook": one.runbook,
        **{figure.label: f"{figure.value:,}" for figure in one.figures},
    }
    return {key: limited(text, DETAIL) for key, text in found.items() if text}
