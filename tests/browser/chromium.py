"""A real browser for tests: Debian's chromium, driven by playwright.

``CHROMIUM`` names another one. ``make browser`` and ``make slow`` install it where they may; where
there is none, tests skip and say so, but under ``CI=true`` a missing browser is a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = (
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 120_000
"""Milliseconds that a busy machine may take for a step; each ends as soon as it is done."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def executable() -> str:
    """Path of the browser; skips the test, or fails it in CI, where there is none."""
    wanted = os.environ.get("CHROMIUM")
    found = wanted or next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        missing("no chromium: `apt-get install chromium`, or CHROMIUM=/path/to/one")
    return str(found)


def missing(why: str) -> None:
    """Skip, or fail where a browser must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@dataclass
class Watched:
    """What a page did that a person would not see."""

    errors: list[str] = field(default_factory=list)
    """Of its console, and scripts that threw."""
    requests: list[str] = field(default_factory=list)

    def of(self, page: Any) -> Watched:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(f"thrown: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))
        return self

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    @property
    def abroad(self) -> list[str]:
        """Requests that left this machine."""
        return [
            url
            for url in self.requests
            if urlsplit(url).scheme not in ("data", "blob", "about", "file")
            and urlsplit(url).hostname not in LOOPBACK
        ]


@dataclass
class Browser:
    """Opens pages and remembers what they did."""

    driven: Any
    """Playwright's browser."""
    watched: list[Watched] = field(default_factory=list)
    contexts: list[Any] = field(default_factory=list)

    def open(
        self,
        url: str,
        *,
        width: int = 1440,
        height: int = 900,
        dark: bool = False,
        strict: bool = True,
        **options: Any,
    ) -> Any:
        """A new page in a context (cookies, storage) of its own.

        With ``strict`` the test fails at its end when the page wrote an error to its console; it
        fails in any case when a request left this machine.
        """
        context = self.driven.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",  # screenshots of the end, not of the way there
            **options,
        )
        context.set_default_timeout(PATIENCE)
        self.contexts.append(context)
        page = context.new_page()
        seen = Watched().of(page)
        page.watched = seen
        self.watched.append(seen if strict else Watched(requests=seen.requests))
        page.goto(url)
        return page

    def shoot(self, page: Any, path: Path, *, whole: bool = True) -> Path:
        """A screenshot of the page, for people to look at."""
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(path), full_page=whole, animations="disabled")
        return path

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        abroad = [url for seen in self.watched for url in seen.abroad]
        assert not abroad, f"requests left this machine: {abroad}"
        errors = [error for seen in self.watched for error in seen.errors]
        assert not errors, f"errors on the console: {errors}"


@contextmanager
def driving(*arguments: str) -> Iterator[Any]:
    """Playwright's browser, started with these further arguments, and stopped."""
    program = executable()
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("no playwright: `make browser` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            headless=True,
            args=[*ARGUMENTS, *arguments],
            timeout=PATIENCE,
        )
        try:
            yield browser
        finally:
            browser.close()
