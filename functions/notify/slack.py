"""Renders a notification for Slack: Block Kit, with a plain text for clients that show none.

Format and limits: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
https://docs.slack.dev/reference/block-kit/blocks (a message has at most 50 blocks, a header 150
characters, the text of a section 3,000, ten fields of 2,000 each) and
https://docs.slack.dev/messaging/formatting-message-text (``&``, ``<`` and ``>`` are escaped: no
mention such as ``<!channel>`` and no link can be written without them). The header's limit was read
there in 2026-11, the others are from memory; no message was sent to Slack.
"""

from __future__ import annotations

from typing import Any

from functions.notify.channel_secret import Address
from functions.notify.notification import Notification
from functions.notify.rendering import PostRequest, json_request, limited, without_mentions

__all__ = ["render"]

HEADER, SECTION, FIELD, FIELDS = 150, 3_000, 2_000, 10
FALLBACK = 3_000
"""Characters of the plain text; Slack cuts a longer text at 40,000."""
STATES = {
    "firing": "FIRING",
    "resolved": "RESOLVED",
    "recovered": "OK",
    "message": "MESSAGE",
    "test": "TEST",
}


def render(notification: Notification, address: Address) -> tuple[PostRequest, ...]:
    """The message for one incoming webhook."""
    state = STATES[notification.kind]
    lines = f"{state}: {notification.subject}. {notification.headline}"
    content = {
        "text": limited(lines, FALLBACK, _escape),
        "blocks": _blocks(notification, state),
        "unfurl_links": False,
        "unfurl_media": False,
    }
    return (json_request(address.url, content),)


def _blocks(one: Notification, state: str) -> list[dict[str, Any]]:
    header = limited(f"{state}: {one.subject}", HEADER, _escape)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": header, "emoji": False}},
        _section(one.headline),
        {"type": "section", "fields": _fields(one)},
    ]
    if one.reason:
        blocks.append(_section(one.reason))
    if one.first_step:
        blocks.append(_section(one.first_step))
    if one.commands:
        # In code nothing is formatted, and a fence can't be closed early: no command has one.
        code = limited("\n".join(one.commands).replace("`", "'"), SECTION - 8, _escape)
        blocks.append(_markdown(f"```\n{code}\n```"))
    if links := _links(one):
        blocks.append(_markdown(links))
    return blocks


def _fields(one: Notification) -> list[dict[str, Any]]:
    found = [("Since", one.since_text), ("Pipeline", one.pipeline)]
    found += [(figure.label, f"{figure.value:,}") for figure in one.figures]
    return [_plain(f"{label}: {value}", FIELD) for label, value in found[:FIELDS]]


def _links(one: Notification) -> str:
    links = [("Runbook", one.runbook_url), ("Alarm in CloudWatch", one.console_url)]
    found = [f"<{_escape(url).replace('|', '%7C')}|{label}>" for label, url in links if url]
    if one.runbook and not one.runbook_url:
        found.insert(0, f"Runbook: {_escape(one.runbook)}")
    text = "  ·  ".join(found)
    return text if len(text) <= SECTION else ""


def _section(text: str) -> dict[str, Any]:
    """A section of plain text, in which nothing is formatted."""
    return {"type": "section", "text": _plain(text, SECTION)}


def _plain(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": limited(text, most, _escape), "emoji": False}


def _markdown(text: str) -> dict[str, Any]:
    """A section of text that is ours; ``verbatim``: names and addresses in it become no links."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _escape(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return without_mentions(escaped)
