"""Checks of requests to a server of the laptop: only for who has the secret of this run.

Every user of the machine reaches a port on the loopback, and so does a web page in a browser, even
under a name of its own that it points to 127.0.0.1. So a request must name this server in ``Host``,
carry no ``Origin``, and have the run's session token, as every SDK of AWS sends it once it is among
the credentials. This module needs no package: the emulator's environment has few.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence

__all__ = ["TOKEN", "hosts_of", "page_refusal", "token_refusal"]

TOKEN = "x-amz-security-token"  # noqa: S105  # a name, no secret
"""Name of the header, and of the parameter of a presigned address (in any case)."""


def hosts_of(port: int | str) -> set[bytes]:
    """Values of ``Host`` that name a server at this port of the loopback."""
    return {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost")}


def page_refusal(headers: Iterable[tuple[bytes, bytes]], hosts: set[bytes]) -> str | None:
    """Says why a request with these headers is refused as one of a web page, or ``None``."""
    found = [(name.lower(), value) for name, value in headers]
    host = [value for name, value in found if name == b"host"]
    if len(host) != 1 or host[0] not in hosts:
        return "this server answers to its loopback address alone"
    if any(name == b"origin" for name, _ in found):
        return "this server does not answer web pages"
    return None


def token_refusal(given: Sequence[bytes], token: str) -> str | None:
    """Says why a request with these tokens is refused, or ``None``: it must have exactly one."""
    if len(given) == 1 and hmac.compare_digest(given[0], token.encode()):
        return None
    return "the session token is not that of this run: take the credentials of its stack.json"
