"""Access control: only this machine's browser, with the key, and from the control room's pages.

* The server listens on the loopback. A foreign web page can still make a browser send requests
  there, even under a name of its own that it points to 127.0.0.1 (DNS rebinding): so the ``Host``
  must be the loopback's with our port, and an action must come from a page of ours
  (``Origin``, ``Sec-Fetch-Site``, and a token in the form).
* Other users of this machine reach the port as well: so the first request must carry the key that
  the command printed; a cookie with another key follows (``HttpOnly``, ``SameSite=Strict``).
* Pages run no script and load nothing but what this server serves (Content-Security-Policy), so a
  payload that slipped through the escaping could still not act.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Guard", "Keys"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
SAFE = ("GET", "HEAD")
OPEN_PATHS = ("/static/",)
"""Paths that need no key: style and scripts are not secret."""
REFUSAL = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Control room</title>"
    "<h1>{title}</h1><p>{text}</p></html>"
)


@dataclass(frozen=True)
class Keys:
    """Secrets of one run of the control room."""

    access: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    """The key in the address that the command prints."""
    session: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    """The key in the browser's cookie, which opens no address."""
    form: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    """The key in every form, which shows that a page of the control room sent it."""
    tickets: set[str] = field(default_factory=set, repr=False)
    """Keys that give access once."""

    def ticket(self) -> str:
        """A key that works once: every user can read the address in a browser's command line."""
        ticket = secrets.token_urlsafe(24)
        self.tickets.add(ticket)
        return ticket

    def redeem(self, ticket: str | None) -> bool:
        """True for a valid ticket, which this uses up."""
        if ticket not in self.tickets:
            return False
        self.tickets.discard(ticket)
        return True


class Guard:
    """ASGI middleware that refuses every request that is not allowed."""

    def __init__(self, app: ASGIApp, *, keys: Keys, port: int, read_only: bool = False) -> None:
        self.app, self.keys, self.read_only = app, keys, read_only
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.cookie = f"control-room-{port}"  # cookies don't tell ports apart

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request or pass it on to the application."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                response_headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    if name not in response_headers:
                        response_headers[name] = value
            await send(message)

        answer = self._refusal(scope, headers) or self._admission(scope, headers)
        await (answer or self.app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if host not in self.hosts:
            return _refused(421, "Wrong address", "The control room is served on 127.0.0.1 only.")
        if scope["method"] in SAFE:
            return None
        if self.read_only:
            return _refused(403, "Read-only", "The control room was started with --read-only.")
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site", "same-origin")
        if (origin is not None and origin != f"http://{host}") or site != "same-origin":
            return _refused(
                403, "Refused", "The request did not come from a page of the control room."
            )
        return None

    def _admission(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a request without a valid cookie: a redirect for one with the key."""
        if scope["path"].startswith(OPEN_PATHS) or _same(self._cookie(headers), self.keys.session):
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        key = dict(query).get("key")
        if scope["method"] in SAFE and (_same(key, self.keys.access) or self.keys.redeem(key)):
            left = urlencode([pair for pair in query if pair[0] != "key"])
            # A path that begins with two slashes would be the address of another server.
            path = "/" + scope["path"].lstrip("/\\")
            answer = RedirectResponse(path + (f"?{left}" if left else ""), 303)
            answer.set_cookie(
                self.cookie, self.keys.session, httponly=True, samesite="strict", path="/"
            )
            return answer
        return _refused(
            401, "Access key missing", "Open the address that <code>etl dashboard</code> printed."
        )

    def _cookie(self, headers: Headers) -> str | None:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return None
        return found.value if found else None


def _same(given: str | None, key: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), key.encode())


def _refused(status: int, title: str, text: str) -> Response:
    return HTMLResponse(REFUSAL.format(title=title, text=text), status)
