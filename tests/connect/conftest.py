"""The environment that ``make slow`` builds for the tools that read our files."""

from __future__ import annotations

from pathlib import Path

import pytest

BIN = Path(__file__).resolve().parents[2] / ".connect-venv" / "bin"


@pytest.fixture(scope="session")
def tools() -> Path:
    """Folder of its programs."""
    assert (BIN / "python").exists(), "`make .connect-venv/.done` builds it"
    return BIN
