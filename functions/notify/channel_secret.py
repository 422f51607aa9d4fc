"""The channels' addresses, which one secret of the stack holds and nothing else.

The secret is JSON: ``{"signing_key": "...", "slack": {"url": ...}, "teams": {"url": ...},
"pagerduty": {"url": ..., "routing_key": ...}, "webhook": {"url": ...}}``. Whoever knows the address
of a webhook can post to it, so no address is in a message, a log line or the ``repr`` of an object.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal, get_args
from urllib.parse import unquote, urlsplit

from telemetry.errors import ConfigurationError

__all__ = [
    "CHANNELS",
    "PAGERDUTY_EVENTS",
    "SIGNING_KEY",
    "Address",
    "Addresses",
    "Channel",
    "address_problem",
    "parse_addresses",
]

Channel = Literal["slack", "teams", "pagerduty", "webhook"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
SIGNING_KEY = "signing_key"
PAGERDUTY_EVENTS = "https://events.pagerduty.com/v2/enqueue"
"""Events API v2; accounts in Europe have ``events.eu.pagerduty.com``
(https://developer.pagerduty.com/docs/events-api-v2-overview)."""
LOOPBACK = frozenset(("127.0.0.1", "::1", "localhost"))
LONGEST_URL = 2_048


@dataclass(frozen=True, kw_only=True)
class Address:
    """Address of one channel."""

    channel: Channel
    url: str = field(repr=False)
    routing_key: str = field(default="", repr=False)
    """PagerDuty's integration key; empty for other channels."""

    @property
    def host(self) -> str:
        """Host that is posted to, which may be shown."""
        return urlsplit(self.url).hostname or ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that may not be shown: what follows the host, and the key."""
        texts = (self.url, unquote(self.url))  # a server may show the address decoded
        found = [self.url, self.routing_key]
        for parts in map(urlsplit, texts):
            found += [*parts.path.split("/"), parts.query]
            found += parts.query.replace("&", "=").split("=")
        found += [unquote(one) for one in found]
        return tuple(dict.fromkeys(one for one in found if len(one) >= 6))


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """All channels that have an address."""

    channels: tuple[Address, ...]
    signing_key: str = field(repr=False)
    """Key of the webhook's signature."""
    problems: dict[Channel, str] = field(default_factory=dict)
    """Channels whose entry can't be used, and why; the others go on."""


def address_problem(url: str, *, local: bool) -> str:
    """Reason for which an address can't be used, which doesn't quote it; empty where it can.

    ``local``: the laptop, where an address of this machine needs no TLS.
    """
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > LONGEST_URL:
        return f"it has characters that no URL has, or more than {LONGEST_URL:,} of them"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it can't be read as a URL"
    if not host:
        return "it names no host: a URL such as https://example.com/... is needed"
    if parts.username or parts.password:
        return "it has a user or a password before the host"
    if parts.scheme == "https" or (local and parts.scheme == "http" and host in LOOPBACK):
        return ""
    return "it has to begin with https://"


def parse_addresses(text: str, *, local: bool) -> Addresses:
    """Read the secret. Raises ``ConfigurationError`` where all of it can't be read.

    Neither the error nor a problem of one channel quotes anything of it.
    """
    try:
        content: Any = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ConfigurationError(
            "The secret of the channels can't be read as a JSON object: deploy again."
        )
    found: list[Address] = []
    problems: dict[Channel, str] = {}
    for channel in CHANNELS:
        if entry := content.get(channel):
            try:
                found.append(_address(channel, entry, local=local))
            except ConfigurationError as error:
                problems[channel] = str(error)
    key = str(content.get(SIGNING_KEY) or "")
    return Addresses(channels=tuple(found), signing_key=key, problems=problems)


def _address(channel: Channel, entry: Any, *, local: bool) -> Address:
    again = f"Enter it again: etl channels set {channel}."
    if not isinstance(entry, dict) or not isinstance(entry.get("url"), str):
        raise ConfigurationError(f"The secret has no address of the channel {channel}. {again}")
    problem = address_problem(entry["url"], local=local)
    if problem:
        raise ConfigurationError(
            f"The address of the channel {channel} can't be used: {problem}. {again}"
        )
    key = str(entry.get("routing_key") or "")
    if channel == "pagerduty" and not key:
        raise ConfigurationError(f"The channel pagerduty has no integration key. {again}")
    return Address(channel=channel, url=entry["url"], routing_key=key)
