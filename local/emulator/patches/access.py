"""Access to the emulator: only for who has the secret of this run, and never for a web page.

AWS verifies the signature of each request. MiniStack 1.5.33 takes any credentials and answers with
``Access-Control-Allow-Origin: *``, so that another user of the machine, or a page in a browser,
could create a function, which runs as whoever started the emulator.

Here requests are checked as :mod:`local.request_check` says. With ``AUTH=true`` MiniStack verifies
signatures itself and the token is left to it.
Remove when MiniStack can be given credentials of its own and refuses all others.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from ministack import app

from local.request_check import TOKEN, hosts_of, page_refusal, token_refusal

__all__ = ["RELIES_ON", "apply", "refusal"]

RELIES_ON = ("app.AUTH", "app.app")

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Any, Send], Awaitable[None]]

OPEN_PATHS = ("/_ministack/ready", "/_ministack/iot/ca.pem")
"""Read by whoever starts the emulator, before there are credentials; they hold no secret."""
CONFIRMATION = ["ConfirmSubscription"]
"""SNS: a subscriber confirms with the token of its message alone, on AWS too."""


def apply() -> None:
    """Put the check in front of everything that the emulator serves over HTTP."""
    hosts = hosts_of(os.environ["GATEWAY_PORT"])
    token = os.environ.get("AWS_SESSION_TOKEN", "")
    inner: App = app.app

    async def guarded(scope: Scope, receive: Any, send: Send) -> None:
        if scope["type"] == "lifespan":
            await inner(scope, receive, send)
            return
        reason = refusal(scope, hosts, "" if app.AUTH else token)
        if reason is None:
            await inner(scope, receive, _without_permissions(send))
        else:
            await _refuse(scope, send, reason)

    app.app = guarded


def refusal(scope: Scope, hosts: set[bytes], token: str) -> str | None:
    """Say why a request is refused, or ``None``. An empty token asks for none."""
    reason = page_refusal(scope["headers"], hosts)
    if reason is not None:
        return reason
    if scope["type"] != "http":
        return "this server does not answer web pages"
    if not token or (scope["method"] == "GET" and scope["path"] in OPEN_PATHS):
        return None
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    if scope["method"] == "GET" and query.get("Action") == CONFIRMATION:
        return None
    given = [value for name, value in scope["headers"] if name.lower() == TOKEN.encode()] + [
        one.encode() for name, found in query.items() if name.lower() == TOKEN for one in found
    ]
    return token_refusal(given, token)


def _without_permissions(send: Send) -> Send:
    """Leave out the headers that let web pages read the answer."""

    async def send_rest(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", ())
            kept = [one for one in headers if not one[0].lower().startswith(b"access-control-")]
            message = {**message, "headers": kept}
        await send(message)

    return send_rest


async def _refuse(scope: Scope, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    asked = dict(scope["headers"])
    form = asked.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded")
    if form or b"/s3/aws4_request" in asked.get(b"authorization", b""):
        kind, body = "xml", f"<Error><Code>AccessDenied</Code><Message>{reason}</Message></Error>"
        body = f"<ErrorResponse>{body}</ErrorResponse>" if form else body
    else:
        kind, body = "json", f'{{"__type": "AccessDeniedException", "message": "{reason}"}}'
    headers = [(b"content-type", f"application/{kind}".encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
