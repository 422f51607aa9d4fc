"""The channels of a pipeline: their addresses in the secret, and a test of each.

An address is written and never shown again: who may list or test channels needs no right to read
the secret, as the notify function does it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from etl.aws.invocation import FunctionFailedError, invoke
from etl.aws.target import Target
from functions.notify.channel_secret import (
    CHANNELS,
    PAGERDUTY_EVENTS,
    SIGNING_KEY,
    Channel,
    address_problem,
)
from infrastructure.names import SECRET_OUTPUT
from telemetry.errors import UserError

__all__ = [
    "ChannelError",
    "ListedChannel",
    "TestedChannel",
    "listed_channels",
    "remove_channel",
    "set_channel",
    "signing_key",
    "test_channels",
]

LONGEST_KEY = 255


class ChannelError(UserError):
    """Raised where a pipeline has no channels, or an address or an answer can't be used."""


@dataclass(frozen=True)
class ListedChannel:
    """One channel that has an address."""

    channel: Channel
    host: str
    problem: str = ""
    """Reason for which its address can't be used; empty where it can."""


@dataclass(frozen=True)
class TestedChannel:
    """The answer of a channel's server to a test."""

    __test__ = False  # for pytest

    channel: Channel
    delivered: bool
    answer: str


def listed_channels(target: Target) -> list[ListedChannel]:
    """The channels to which the function posts. Raises :class:`ChannelError`."""
    return [ListedChannel(**one) for one in _ask(target, {"action": "list"})]


def test_channels(target: Target, channel: Channel | None) -> list[TestedChannel]:
    """Send a test to one channel or to all. Raises :class:`ChannelError`, also without one."""
    event = {"action": "test"} | ({"channel": channel} if channel else {})
    found = [TestedChannel(**one) for one in _ask(target, event)]
    if not found:
        which = f"The channel {channel} has" if channel else "No channel has"
        no = " no" if channel else " an"
        raise ChannelError(f"{which}{no} address: etl channels set {channel or 'NAME'}.")
    return found


test_channels.__test__ = False  # type: ignore[attr-defined]


def set_channel(
    target: Target, channel: Channel, secret: str, endpoint: str = PAGERDUTY_EVENTS
) -> None:
    """Write the address of a channel: its URL, or PagerDuty's integration key.

    ``endpoint``: where PagerDuty takes events. Raises :class:`ChannelError`.
    """
    is_key = channel == "pagerduty"
    entry = {"url": endpoint, "routing_key": secret} if is_key else {"url": secret}
    problem = address_problem(entry["url"], local=target.local is not None)
    if problem:
        raise ChannelError(f"The address can't be used: {problem}.")
    if is_key and not (secret.isascii() and secret.isalnum() and len(secret) <= LONGEST_KEY):
        raise ChannelError("The integration key can't be used: it consists of letters and digits.")
    content = _read(target)
    content[channel] = entry
    _write(target, content)


def remove_channel(target: Target, channel: Channel) -> None:
    """Delete the address of a channel. Raises :class:`ChannelError` where it has none."""
    content = _read(target)
    if content.pop(channel, None) is None:
        has = ", ".join(one for one in CHANNELS if one in content) or "none"
        raise ChannelError(f"The channel {channel} has no address. Those that have one: {has}.")
    _write(target, content)


def signing_key(target: Target) -> str:
    """The key with which a webhook's receiver verifies the signature."""
    return str(_read(target)[SIGNING_KEY])


def _secret(target: Target) -> str:
    arn = target.outputs.get(SECRET_OUTPUT)
    if arn is None:
        how = (
            "etl up --channels"
            if target.local is not None
            else "set channels = true under [operation] of the settings file, and deploy"
        )
        raise ChannelError(f"The pipeline {target.stack} has no channels. To have them: {how}.")
    return arn


def _read(target: Target) -> dict[str, Any]:
    answer = target.client("secretsmanager").get_secret_value(SecretId=_secret(target))
    content: dict[str, Any] = json.loads(answer["SecretString"])
    return content


def _write(target: Target, content: dict[str, Any]) -> None:
    target.client("secretsmanager").put_secret_value(
        SecretId=_secret(target), SecretString=json.dumps(content, sort_keys=True)
    )


def _ask(target: Target, event: dict[str, Any]) -> list[dict[str, Any]]:
    """Invoke the notify function and return its list of channels."""
    _secret(target)
    try:
        result = invoke(target.invoking_client(), target.outputs["NotifyFunctionName"], event)
    except FunctionFailedError as error:
        raise ChannelError(str(error)) from error
    found: list[dict[str, Any]] = result["channels"]
    return found
