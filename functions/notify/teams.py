"""Renders a notification for Microsoft Teams: an Adaptive Card for a webhook of Workflows.

Workflows take a message with cards as attachments, and no connector's message card
(https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using;
a message has at most 28 KB, from memory; none was sent to Teams). All text stands in text runs, in
which Teams interprets no Markdown (https://adaptivecards.io/explorer/TextRun.html); a mention needs
an entity, which no card of ours has.
"""

from __future__ import annotations

from typing import Any

from functions.notify.channel_secret import Address
from functions.notify.notification import Notification
from functions.notify.rendering import PostRequest, json_request, limited, without_mentions

__all__ = ["LONGEST_BODY", "render"]

LONGEST_BODY = 28 * 1024
TEXT = 1_000
"""Characters of one text: with four bytes for each, all of a card stay below the limit."""
COLOURS = {"firing": "attention", "resolved": "good", "recovered": "good"}


def render(notification: Notification, address: Address) -> tuple[PostRequest, ...]:
    """The message for one webhook."""
    return (json_request(address.url, _message(notification)),)


def _message(one: Notification) -> dict[str, Any]:
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": _body(one),
    }
    links = [("Runbook", one.runbook_url), ("Alarm in CloudWatch", one.console_url)]
    actions = [
        {"type": "Action.OpenUrl", "title": title, "url": url}
        for title, url in links
        if url and len(url) <= TEXT
    ]
    if actions:
        card["actions"] = actions
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _body(one: Notification) -> list[dict[str, Any]]:
    title = {
        "size": "Large",
        "weight": "Bolder",
        "color": COLOURS.get(one.kind, "default"),
    }
    found = [_text(one.subject, **title), _text(one.headline)]
    found.append(_text(f"Since {one.since_text}"))
    found += [_text(f"{figure.label}: {figure.value:,}") for figure in one.figures]
    if one.reason:
        found.append(_text(one.reason, isSubtle=True))
    if one.first_step:
        found.append(_text(one.first_step))
    found += [_text(command, fontType="Monospace") for command in one.commands]
    if one.runbook and not one.runbook_url:
        found.append(_text(f"Runbook: {one.runbook}"))
    return found


def _text(text: str, **style: Any) -> dict[str, Any]:
    """A block of one text run."""
    run = {"type": "TextRun", "text": limited(text, TEXT, without_mentions), **style}
    return {"type": "RichTextBlock", "inlines": [run]}
