"""The generated pages by their files."""

from __future__ import annotations

from pathlib import Path

from etl.deployment.settings_example import reference
from etl.reference.commands import commands_page
from etl.reference.layout import layout_page
from etl.reference.parameters import parameters_page
from etl.reference.tables import tables_page

__all__ = ["DOCS", "pages"]

DOCS = Path(__file__).parents[2] / "docs"


def pages() -> dict[Path, str]:
    """The text of each page as it should be now."""
    made = {
        "cli.md": commands_page(),
        "parameters.md": parameters_page(),
        "settings.md": _settings_page(),
        "tables.md": tables_page(),
        "layout.md": layout_page(),
    }
    return {DOCS / name: text for name, text in made.items()}


def _settings_page() -> str:
    """``docs/settings.md``, with every key between its two markers."""
    begin, end = "<!-- reference -->\n", "<!-- end of reference -->\n"
    before, _, rest = (DOCS / "settings.md").read_text(encoding="utf-8").partition(begin)
    return f"{before}{begin}\n{reference()}\n{end}{rest.partition(end)[2]}"
