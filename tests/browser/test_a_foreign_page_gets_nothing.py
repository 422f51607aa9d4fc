"""A web page of somebody else, open in the browser of a person whose pipeline runs here."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from local.stack import LocalStack
from tests.browser.chromium import PATIENCE, driving
from tests.browser.control_room import RunningControlRoom, room_without_a_stack

pytestmark = [pytest.mark.slow, pytest.mark.browser]

FOREIGN = "evil.example"
"""Resolved to the loopback by the browser, as the owner of a name can make it."""
PAGE = "<!doctype html><title>foreign</title><link rel=icon href=data:,><h1>Foreign</h1>"
FETCH = """
async ([url, options]) => {
    try {
        const answer = await fetch(url, options);
        return answer.type === 'opaque' ? 'opaque' : answer.status + ' ' + await answer.text();
    } catch (error) { return 'refused'; }
}"""
FORM = """
async ([url, fields, enctype]) => {
    const frame = document.createElement('iframe');
    frame.name = 'target' + Math.random();
    document.body.append(frame);
    const form = document.createElement('form');
    Object.assign(form, {action: url, method: 'post', target: frame.name, enctype});
    for (const [name, value] of Object.entries(fields)) {
        const field = document.createElement('input');
        Object.assign(field, {name, value});
        form.append(field);
    }
    document.body.append(form);
    const loaded = new Promise(done => frame.addEventListener('load', done, {once: true}));
    form.submit();
    await loaded;
    try { return frame.contentDocument ? 'readable' : 'hidden'; } catch (error) { return 'hidden'; }
}"""
IMAGE = """
url => new Promise(done => {
    const image = new Image();
    image.onload = () => done('shown');
    image.onerror = () => done('refused');
    image.src = url;
})"""
SOCKET = """
url => new Promise(done => {
    const socket = new WebSocket(url);
    socket.onopen = () => done('open');
    socket.onerror = () => done('refused');
})"""
FUNCTION = json.dumps(
    {"FunctionName": "mine", "Role": "r", "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAA="}}
)
CREATE_QUEUE = {"Action": "CreateQueue", "QueueName": "mine", "Version": "2012-11-05"}


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The control room's working folder, where it saves contracts."""
    return tmp_path_factory.mktemp("room")


@pytest.fixture(scope="module")
def room(folder: Path) -> Iterator[RunningControlRoom]:
    with room_without_a_stack(folder) as running:
        yield running


@pytest.fixture(scope="module")
def person(room: RunningControlRoom) -> Iterator[Any]:
    """The browser of a person who has the control room open, and so its cookie."""
    with driving(f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1") as browser:
        context = browser.new_context()
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(room.address)
        assert [cookie["sameSite"] for cookie in context.cookies()] == ["Strict"]
        yield context
        context.close()


@pytest.fixture(params=["127.0.0.1", "localhost", FOREIGN])
def foreign(person: Any, port: int, request: Any) -> Iterator[Any]:
    """The page, by each name that it may have; the first is of the control room's own site."""
    page = person.new_page()
    page.goto(f"http://{request.param}:{port}/")
    yield page
    page.close()


def resources(stack: LocalStack) -> list[Any]:
    """All that a page would want to create in the emulator."""
    import boto3

    def client(service: str) -> Any:
        return boto3.client(service, **stack.client_settings(service))

    return [
        client("lambda").list_functions()["Functions"],
        client("sqs").list_queues().get("QueueUrls", []),
        client("s3").list_buckets()["Buckets"],
        client("iam").list_roles()["Roles"],
    ]


def requests_of(url: str) -> list[list[Any]]:
    """Each way in which a script may send a request there."""
    body = {"method": "POST", "body": FUNCTION}
    json_type = {"headers": {"Content-Type": "application/json"}}
    found: list[list[Any]] = []
    for path in ("/2015-03-31/functions", "/", "/mine"):
        for mode in ("cors", "no-cors"):
            for method in ({"method": "GET"}, body, {**body, **json_type}):
                found.append([url + path, {**method, "mode": mode, "credentials": "include"}])
        found.append([url + path, {"method": "PUT", "body": "x"}])
        found.append([url + path, {"method": "DELETE"}])
    return found


def test_the_page_would_see_an_answer(foreign: Any) -> None:
    """Else the tests below would pass for any server."""
    url = foreign.url
    assert foreign.evaluate(FETCH, [url, {"mode": "cors"}]).startswith("200 ")
    assert foreign.evaluate(FETCH, [f"{url}nowhere", {"mode": "no-cors"}]).startswith("200 ")
    own_page = [url, {}, "text/plain"]
    assert foreign.evaluate(FORM.replace("'post'", "'get'"), own_page) == "readable"


def test_the_emulator_creates_nothing(foreign: Any, local_stack: LocalStack) -> None:
    before = resources(local_stack)
    for host in ("127.0.0.1", "localhost"):
        url = local_stack.endpoint_url.replace("127.0.0.1", host)
        for request in requests_of(url):
            answer = foreign.evaluate(FETCH, request)
            assert answer in ("refused", "opaque"), (request, answer)
        for enctype in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
            assert foreign.evaluate(FORM, [f"{url}/", CREATE_QUEUE, enctype]) == "hidden"
        query = "&".join(f"{name}={value}" for name, value in CREATE_QUEUE.items())
        assert foreign.evaluate(IMAGE, f"{url}/?{query}") == "refused"
        assert foreign.evaluate(SOCKET, url.replace("http", "ws") + "/") == "refused"
    assert resources(local_stack) == before


def test_the_trace_store_is_not_read(foreign: Any, local_stack: LocalStack) -> None:
    url = f"{local_stack.xray_endpoint_url}/TraceSummaries"
    body = json.dumps({"StartTime": 0, "EndTime": 1})
    for mode in ("cors", "no-cors"):
        answer = foreign.evaluate(FETCH, [url, {"method": "POST", "mode": mode, "body": body}])
        assert answer in ("refused", "opaque")


def test_the_control_room_does_nothing_for_it_although_the_cookie_is_sent(
    foreign: Any, room: RunningControlRoom, folder: Path
) -> None:
    """Ports are of one site, so a page at another port of the loopback sends the cookie along."""
    for host in ("127.0.0.1", "localhost"):
        base = room.base.replace("127.0.0.1", host)
        for path in ("/", "/playground", "/playground/infer", "/playground/save"):
            for options in (
                {"mode": "cors", "credentials": "include"},
                {"mode": "no-cors", "credentials": "include"},
                {"mode": "no-cors", "credentials": "include", "method": "POST", "body": "x=1"},
                {"credentials": "include", "method": "POST", "headers": {"X-Form": "1"}},
            ):
                answer = foreign.evaluate(FETCH, [base + path, options])
                assert answer in ("refused", "opaque"), (path, options, answer)
            fields = {"text": "name = 'mine'", "file": "mine.toml"}
            form = [base + path, fields, "application/x-www-form-urlencoded"]
            assert foreign.evaluate(FORM, form) == "hidden"
        assert foreign.evaluate(SOCKET, base.replace("http", "ws") + "/") == "refused"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("server", ["emulator", "traces", "room"])
def test_a_name_that_is_pointed_at_the_loopback_opens_no_server(
    person: Any, local_stack: LocalStack, room: RunningControlRoom, server: str
) -> None:
    """DNS rebinding: to the browser, page and server are of one origin then."""
    url = {
        "emulator": local_stack.endpoint_url,
        "traces": local_stack.xray_endpoint_url,
        "room": room.base,
    }[server].replace("127.0.0.1", FOREIGN)
    before = resources(local_stack)
    page = person.new_page()
    answer = page.goto(f"{url}/")
    assert answer.status in (403, 421, 501), answer.status
    for path, options in (
        ("/", {}),
        ("/2015-03-31/functions", {}),
        ("/2015-03-31/functions", {"method": "POST", "body": FUNCTION}),
        ("/TraceSummaries", {"method": "POST", "body": '{"StartTime": 0, "EndTime": 1}'}),
        ("/mine", {"method": "PUT"}),
    ):
        status = page.evaluate(FETCH, [url + path, options]).partition(" ")[0]
        assert status in ("403", "421", "501", "refused"), (path, options, status)
    page.close()
    assert resources(local_stack) == before


def test_no_page_frames_the_control_room(foreign: Any, room: RunningControlRoom) -> None:
    seen = foreign.evaluate(
        """url => new Promise(done => {
            const frame = document.createElement('iframe');
            frame.onload = () => {
                try { done(frame.contentDocument.title); } catch (error) { done('hidden'); }
            };
            frame.src = url;
            document.body.append(frame);
        })""",
        room.base + "/",
    )
    assert seen in ("hidden", "")
