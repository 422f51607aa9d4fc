"""The guard lets in the loopback's host, the control room's own pages, and the key; nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from dashboard.security import Guard, Keys

PORT = 8710
HERE = f"127.0.0.1:{PORT}"
KEYS = Keys()


def ask(
    method: str = "GET",
    path: str = "/",
    query: str = "",
    *,
    read_only: bool = False,
    **headers: str,
) -> tuple[int, dict[str, str], str]:
    """What comes back, of the guard or of the page behind it."""

    async def page(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("the page")(scope, receive, send)

    given = {"host": HERE, "cookie": f"control-room-{PORT}={KEYS.session}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(n.encode(), v.encode()) for n, v in given.items() if v],
    }
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    asyncio.run(Guard(page, keys=KEYS, port=PORT, read_only=read_only)(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(m.get("body", b"") for m in sent[1:]).decode()


def test_who_has_the_key_is_let_in() -> None:
    assert ask()[::2] == (200, "the page")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8710", "127.0.0.1", "127.0.0.1:80"])
def test_a_name_that_was_pointed_here_is_refused(host: str) -> None:
    assert ask(host=host)[0] == 421


def test_without_the_key_nothing_is_shown() -> None:
    assert ask(cookie="")[0] == 401
    assert ask(cookie=f"control-room-{PORT}=guessed")[0] == 401
    assert ask(cookie="", query="key=guessed")[0] == 401
    assert ask("POST", cookie="", query=f"key={KEYS.access}")[0] == 401


def test_the_key_leaves_the_address_and_stays_in_a_strict_cookie() -> None:
    status, headers, _ = ask(cookie="", query=f"a=1&key={KEYS.access}")
    assert status == 303
    assert headers["location"] == "/?a=1"
    assert "HttpOnly" in headers["set-cookie"]
    assert "samesite=strict" in headers["set-cookie"].lower()


def test_the_cookie_is_not_the_key_of_the_address() -> None:
    _, headers, _ = ask(cookie="", query=f"key={KEYS.access}")
    assert KEYS.access not in headers["set-cookie"]
    assert ask(cookie=f"control-room-{PORT}={KEYS.access}")[0] == 401
    assert ask(cookie="", query=f"key={KEYS.session}")[0] == 401


@pytest.mark.parametrize("path", ["//evil.example/a", "///evil.example/a", "/\\evil.example/a"])
def test_a_redirect_stays_on_this_server(path: str) -> None:
    _, headers, _ = ask(path=path, cookie="", query=f"key={KEYS.access}")
    assert headers["location"] == "/evil.example/a"


def test_a_ticket_lets_in_once() -> None:
    query = f"key={KEYS.ticket()}"
    assert ask(cookie="", query=query)[0] == 303
    assert ask(cookie="", query=query)[0] == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"https://{HERE}"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_an_action_must_come_from_a_page_of_ours(headers: dict[str, str]) -> None:
    assert ask("POST", **headers)[0] == 403
    assert ask("POST", origin=f"http://{HERE}", sec_fetch_site="same-origin")[0] == 200


def test_read_only_refuses_every_action() -> None:
    assert ask("POST", read_only=True, origin=f"http://{HERE}")[0] == 403
    assert ask("DELETE", read_only=True)[0] == 403
    assert ask("GET", read_only=True)[0] == 200


def test_every_answer_forbids_scripts_and_frames_of_others() -> None:
    for status, headers, _ in (ask(), ask(cookie=""), ask(host="evil.example")):
        assert "default-src 'none'" in headers["content-security-policy"], status
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_the_keys_show_in_no_representation() -> None:
    assert KEYS.access not in repr(KEYS)
    assert KEYS.form not in repr(KEYS)
