"""One recorded run for the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.permissions.run import Recording, recorded_run


@pytest.fixture(scope="session")
def recording() -> Iterator[Recording]:
    with recorded_run() as found:
        yield found
