"""One POST over HTTPS: the certificate is verified, no redirect is followed, the answer is short.

It is made with the standard library alone, as Lambda has no other client for a function without a
layer of its own. No exception of it is shown: some quote the address, which is a secret.
"""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from functions.notify.rendering import PostRequest

__all__ = ["Answer", "post"]

ANSWER_BYTES = 4_096
"""Most bytes of an answer that are read, of those that come first."""
LONGEST_WAIT = 5.0
"""Seconds of a ``Retry-After`` that are waited for; a longer one is left to the next attempt."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer of a channel's server."""

    status: int
    text: str
    """Start of the body, as UTF-8; other bytes are replaced."""
    retry_after: float | None = None
    """Seconds that the server asks to wait, where it says so in a number."""


def post(request: PostRequest, *, seconds: float) -> Answer:
    """Send it; ``seconds``: how long each step of it may take.

    The status is the answer: a body that is late or torn is shown as far as it has come.

    Raises ``OSError`` or ``http.client.HTTPException``.
    """
    parts = urlsplit(request.url)
    host, port = parts.hostname or "", parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    headers = {"User-Agent": "telemetry-etl", "Connection": "close", **request.headers}
    try:
        connection.request("POST", path, body=request.body, headers=headers)
        answer = connection.getresponse()
        try:
            body = answer.read1(ANSWER_BYTES)
        except (OSError, http.client.HTTPException):
            body = b""  # the status has come: asked again, the server would take it twice
        return Answer(
            status=answer.status,
            text=body.decode("utf-8", "replace"),
            retry_after=_seconds(answer.getheader("Retry-After")),
        )
    finally:
        connection.close()


def _seconds(header: str | None) -> float | None:
    text = (header or "").strip()
    return min(float(text), LONGEST_WAIT) if text.isdecimal() and len(text) < 6 else None
