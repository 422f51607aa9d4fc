"""The how-to pages, command by command in a shell; UPDATE_GOLDEN=1 writes them.

The tutorial is performed with the installed package, in tests/installed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from local.stack import stop
from tests.end_to_end.pages import ROOT, check_page, clone_shell
from tests.fixtures.local import state_folder

PAGES = sorted((ROOT / "docs").glob("how-to-*.md"))

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_page_shows_what_its_commands_print(page: Path, tmp_path: Path) -> None:
    with state_folder() as state:
        try:
            check_page(page, clone_shell(tmp_path / "clone", state))
        finally:
            stop(state)
