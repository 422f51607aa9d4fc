"""The browser tests fail for what they are there to catch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.browser.chromium import Browser

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PAGES = {
    "/good": "<!doctype html><title>good</title><link rel=icon href=data:,><h1>Here</h1>",
    "/bad": "<!doctype html><link rel=icon href=data:,><script>throw new Error('torn')</script>",
    "/abroad": "<!doctype html><link rel=icon href=data:,>"
    "<script>fetch('http://telemetry.invalid/x').catch(() => 0)</script>",
}


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PAGES[self.path].encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def wait_until(page: Any, met: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 120
    while not met():
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


def test_a_good_page_passes(browser: Browser, site: str) -> None:
    assert browser.open(f"{site}/good").inner_text("h1") == "Here"


def test_a_script_that_throws_fails_the_test(chromium: Any, site: str) -> None:
    one = Browser(chromium)
    page = one.open(f"{site}/bad")
    wait_until(page, lambda: page.watched.errors)
    with pytest.raises(AssertionError, match="torn"):
        one.close()


def test_a_request_to_elsewhere_fails_the_test(chromium: Any, site: str) -> None:
    one = Browser(chromium)
    page = one.open(f"{site}/abroad", strict=False)
    wait_until(page, lambda: page.watched.abroad)
    with pytest.raises(AssertionError, match=r"telemetry\.invalid"):
        one.close()
