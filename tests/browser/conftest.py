"""``browser``: opens pages in a real chromium, and fails a test whose page misbehaved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chromium import Browser, driving


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Of a module, not of the session: playwright keeps a loop running in this thread, which
    tests that run one of their own would stumble over."""
    with driving() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Any) -> Iterator[Browser]:
    """Nothing may be written to a console as an error, and no request may leave the machine."""
    one = Browser(chromium)
    yield one
    one.close()
