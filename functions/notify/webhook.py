"""Renders a notification for any other receiver: signed JSON, documented in docs/how-to-notify.md.

The signature is ``HMAC-SHA256(key, timestamp + "." + body)``, so that a receiver knows who sent it,
and can refuse an old request that is sent again.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from functions.notify.channel_secret import Address
from functions.notify.notification import Notification
from functions.notify.rendering import PostRequest, json_request

__all__ = ["ID_HEADER", "SIGNATURE_HEADER", "TIMESTAMP_HEADER", "content_of", "render", "signature"]

VERSION = 1
ID_HEADER = "X-Telemetry-Id"
TIMESTAMP_HEADER = "X-Telemetry-Timestamp"
SIGNATURE_HEADER = "X-Telemetry-Signature"


def render(
    notification: Notification, address: Address, *, signing_key: str, now: float
) -> tuple[PostRequest, ...]:
    """The request; ``now``: seconds since 1970, which the signature covers."""
    unsigned = json_request(address.url, content_of(notification))
    timestamp = str(int(now))
    headers = {
        **unsigned.headers,
        ID_HEADER: notification.id.encode("ascii", "replace").decode(),
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: f"sha256={signature(signing_key, timestamp, unsigned.body)}",
    }
    return (PostRequest(url=address.url, body=unsigned.body, headers=headers),)


def signature(key: str, timestamp: str, body: bytes) -> str:
    """The signature, in hexadecimal digits."""
    return hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def content_of(one: Notification) -> dict[str, Any]:
    """The JSON; fields that do not apply are empty, never missing."""
    return {
        "version": VERSION,
        "id": one.id,
        "kind": one.kind,
        "severity": one.severity,
        "pipeline": one.pipeline,
        "alarm": one.alarm,
        "incident": one.incident,
        "subject": one.subject,
        "headline": one.headline,
        "since": one.since.isoformat(timespec="seconds"),
        "reason": one.reason,
        "first_step": one.first_step,
        "commands": list(one.commands),
        "runbook": one.runbook,
        "runbook_url": one.runbook_url,
        "console_url": one.console_url,
        "figures": {figure.name: figure.value for figure in one.figures},
    }
