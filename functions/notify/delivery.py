"""Delivers a notification to every channel at the same time, and says what each server answered.

A channel that fails delays and stops no other one. What may succeed later is tried again for some
seconds; after that Lambda calls the function again, which skips the channels that have the message.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from functions.notify import pagerduty, slack, teams, webhook
from functions.notify.channel_secret import Address, Addresses, Channel
from functions.notify.http_post import Answer, post
from functions.notify.notification import Notification
from functions.notify.rendering import PostRequest
from telemetry.escaping import escape_line

__all__ = ["DEADLINE_SECONDS", "Outcome", "deliver", "requests_for"]

POST_SECONDS = 5.0
DEADLINE_SECONDS = 20.0
"""Seconds for all channels together; the function has 30."""
PAUSES = (0.5, 2.0)
"""Seconds before the second and the third attempt."""
SHOWN = 200
"""Characters of an answer that are shown."""
TRY_AGAIN = frozenset((408, 425, 429))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of one delivery."""

    channel: Channel
    delivered: bool
    detail: str
    """Status and answer of the server, or what went wrong; no part of an address."""
    retryable: bool = False
    """True where the same request may succeed later."""


def deliver(
    notification: Notification,
    addresses: Addresses,
    *,
    skip: frozenset[Channel] = frozenset(),
    deadline: float = DEADLINE_SECONDS,
) -> list[Outcome]:
    """Send it to all channels but those to skip. Raises nothing that a server can cause."""
    wanted = {
        address: requests
        for address in addresses.channels
        if address.channel not in skip
        and (requests := requests_for(notification, address, addresses.signing_key))
    }
    found = [
        Outcome(channel=channel, delivered=False, detail=problem)
        for channel, problem in addresses.problems.items()
        if channel not in skip
    ]
    if not wanted:
        return found
    # No "with": leaving it would wait for a server that never ends its answer.
    pool = ThreadPoolExecutor(max_workers=len(wanted))
    running: dict[Future[Outcome], Address] = {
        pool.submit(_send, address, requests): address for address, requests in wanted.items()
    }
    done, late = wait(running, timeout=deadline)
    pool.shutdown(wait=False, cancel_futures=True)
    found += [future.result() for future in done]
    found += [
        Outcome(
            channel=running[future].channel,
            delivered=False,
            detail=f"no answer within {deadline:g} s",
            retryable=True,
        )
        for future in late
    ]
    return sorted(found, key=lambda outcome: outcome.channel)


def requests_for(
    notification: Notification, address: Address, signing_key: str
) -> tuple[PostRequest, ...]:
    """The requests by which one channel learns of it, none where it is not for this channel.

    An alarm that was not known to fire is reported to PagerDuty alone, as all alarms of a new
    pipeline become OK: it closes an incident that is open, and without one it changes nothing.
    """
    if address.channel == "pagerduty":
        return pagerduty.render(notification, address)
    if notification.kind == "recovered":
        return ()
    if address.channel == "webhook":
        now = time.time()
        return webhook.render(notification, address, signing_key=signing_key, now=now)
    if address.channel == "slack":
        return slack.render(notification, address)
    return teams.render(notification, address)


def _send(address: Address, requests: tuple[PostRequest, ...]) -> Outcome:
    """Send the requests in their order, up to the first one that fails."""
    *first, last = requests
    for request in first:
        outcome = _try(address, request)
        if not outcome.delivered:
            return outcome
    return _try(address, last)


def _try(
    address: Address, request: PostRequest, pause: Callable[[float], None] = time.sleep
) -> Outcome:
    for seconds in PAUSES:
        outcome, asked = _attempt(address, request)
        if outcome.delivered or not outcome.retryable:
            return outcome
        pause(seconds if asked is None else asked)
    return _attempt(address, request)[0]


def _attempt(address: Address, request: PostRequest) -> tuple[Outcome, float | None]:
    try:
        answer = post(request, seconds=POST_SECONDS)
    except ssl.SSLCertVerificationError as error:
        problem = f"the certificate of {address.host} can't be verified: {error.verify_message}"
        return Outcome(channel=address.channel, delivered=False, detail=problem), None
    except (OSError, http.client.HTTPException) as error:
        problem = f"{address.host} can't be reached ({type(error).__name__})"
        failed = Outcome(channel=address.channel, delivered=False, detail=problem, retryable=True)
        return failed, None
    return _judge(address, answer), answer.retry_after


def _judge(address: Address, answer: Answer) -> Outcome:
    redirected = 300 <= answer.status < 400
    detail = f"{address.host} answered HTTP {answer.status}"
    if redirected:
        detail += ", a redirect, which is not followed"
    elif text := _shown(address, answer.text):
        detail += f": {text}"
    return Outcome(
        channel=address.channel,
        delivered=200 <= answer.status < 300,
        detail=detail,
        retryable=answer.status >= 500 or answer.status in TRY_AGAIN,
    )


def _shown(address: Address, text: str) -> str:
    """The start of an answer, printable, without the secrets that it may echo."""
    for secret in sorted(address.secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    line = escape_line(text)
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"
