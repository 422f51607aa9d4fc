"""The tutorial and the how-to pages, command by command in a shell; UPDATE_GOLDEN=1 writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local.stack import stop
from tests.end_to_end.pages import ROOT, Shell, performed
from tests.fixtures.local import state_folder

PAGES = [ROOT / "docs" / "tutorial.md", *sorted((ROOT / "docs").glob("how-to-*.md"))]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_page_shows_what_its_commands_print(page: Path, tmp_path: Path) -> None:
    with state_folder() as state:
        shell = Shell(tmp_path / "clone", state)
        try:
            shown = performed(page.read_text(encoding="utf-8"), shell)
        finally:
            stop(state)
    if os.environ.get("UPDATE_GOLDEN"):
        page.write_text(shown, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == shown, (
        f"docs/{page.name} is not what the commands print now. Where the change is meant, run the "
        "test with UPDATE_GOLDEN=1 and review the difference."
    )
