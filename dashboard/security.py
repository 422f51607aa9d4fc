"""Who may ask: this machine's own browser, sent by the control room's own pages, with its key.

* The server listens on the loopback. A foreign web page can still make a browser send requests
  there, even under a name of its own that it points to 127.0.0.1 (DNS rebinding): so the ``Host``
  must be the loopback's with our port, and an action must come from a page of ours
  (``Origin``, ``Sec-Fetch-Site``, and a token in the form).
* Other users of this machine reach the port as well: so the first request must bring the key that
  the command printed; a cookie keeps it (``HttpOnly``, ``SameSite=Strict``).
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
"""Style and scripts hold nothing to keep."""
REFUSED = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Control room</title>"
    "<h1>{title}</h1><p>{text}</p></html>"
)


@dataclass(frozen=True)
class Keys:
    """Secrets of one run of the control room."""

    access: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    """In the address that the command prints."""
    form: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    """In every form of ours."""
    tickets: set[str] = field(default_factory=set, repr=False)
    """Keys that let in once."""

    def ticket(self) -> str:
        """A key for one entrance: what starts a browser shows its address to all in ``ps``."""
        made = secrets.token_urlsafe(24)
        self.tickets.add(made)
        return made

    def redeem(self, given: str | None) -> bool:
        """Whether it is a ticket, which it is no more from now on."""
        if given not in self.tickets:
            return False
        self.tickets.discard(given)
        return True


class Guard:
    """ASGI middleware that lets only the rightful ask."""

    def __init__(self, app: ASGIApp, *, keys: Keys, port: int, read_only: bool = False) -> None:
        self.app, self.keys, self.read_only = app, keys, read_only
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.cookie = f"control-room-{port}"  # cookies don't tell ports apart

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    if name not in found:
                        found[name] = value
            await send(message)

        answer = self._refusal(scope, headers) or self._admission(scope, headers)
        await (answer or self.app)(scope, receive, sealed)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if host not in self.hosts:
            return _refused(421, "Wrong address", "The control room answers on 127.0.0.1 only.")
        if scope["method"] in SAFE:
            return None
        if self.read_only:
            return _refused(403, "Read-only", "It was started with --read-only.")
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site", "same-origin")
        if (origin is not None and origin != f"http://{host}") or site != "same-origin":
            return _refused(403, "Refused", "This did not come from a page of the control room.")
        return None

    def _admission(self, scope: Scope, headers: Headers) -> Response | None:
        """Lets in whoever has the key; takes it out of the address."""
        if scope["path"].startswith(OPEN_PATHS) or self._knows(self._cookie(headers)):
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(query).get("key")
        if scope["method"] in SAFE and (self._knows(given) or self.keys.redeem(given)):
            left = urlencode([pair for pair in query if pair[0] != "key"])
            answer = RedirectResponse(scope["path"] + (f"?{left}" if left else ""), 303)
            answer.set_cookie(
                self.cookie, self.keys.access, httponly=True, samesite="strict", path="/"
            )
            return answer
        return _refused(
            401, "The key is missing", "Open the address that <code>etl dashboard</code> printed."
        )

    def _knows(self, given: str | None) -> bool:
        return given is not None and hmac.compare_digest(given.encode(), self.keys.access.encode())

    def _cookie(self, headers: Headers) -> str | None:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return None
        return found.value if found else None


def _refused(status: int, title: str, text: str) -> Response:
    return HTMLResponse(REFUSED.format(title=title, text=text), status)
